#!/bin/sh
# DPDK's testpmd as the device, for the ceiling of the cable and the generator:
#     sh bench/examples/other/testpmd-device.sh
#     curvnet-bench pktgen bench/examples/pktgen/memif.toml --dst-mac 02:00:00:00:01:00
# testpmd answers no ARP, so the MAC address is given; in mode macswap it takes any. CPU 1 forwards.
exec dpdk-testpmd --no-huge --no-pci --no-telemetry -m 512 --lcores 0@0,1@1 --file-prefix testpmd-device \
    --vdev 'net_memif0,id=0,role=server,socket=/run/curvnet-memif.sock,socket-abstract=no' \
    --vdev 'net_memif1,id=1,role=server,socket=/run/curvnet-memif.sock,socket-abstract=no' \
    -- --total-num-mbufs=16384 --nb-cores=1 --forward-mode=macswap --auto-start \
    --stats-period "${SECONDS_BETWEEN_STATS:-1}" "$@"
