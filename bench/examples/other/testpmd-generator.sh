#!/bin/sh
# DPDK's testpmd as a generator towards a curvnet that runs bench/examples/dut-memif.toml:
#     sh bench/examples/other/testpmd-generator.sh
# flowgen sends 64-byte UDP out of both ports as fast as it can. The MAC address is em0's of the device, the flows' addresses
# are testpmd's own 198.18.0.0/15 (rxonly on the second port would not count by kind: compare port counters instead).
# `show port stats all` at its prompt gives rates; `stop` prints what each port sent and received.
exec dpdk-testpmd --no-huge --no-pci --no-telemetry -m 512 --lcores 0@0,1@0 --file-prefix testpmd-generator \
    --vdev 'net_memif0,id=0,role=client,socket=/run/curvnet-memif.sock,socket-abstract=no' \
    --vdev 'net_memif1,id=1,role=client,socket=/run/curvnet-memif.sock,socket-abstract=no' \
    -- --total-num-mbufs=16384 --nb-cores=1 --forward-mode=txonly --txpkts=60 \
    --tx-ip=198.18.0.2,198.19.0.2 --eth-peer=0,02:00:00:00:01:00 --eth-peer=1,02:00:00:00:01:01 \
    --stats-period "${SECONDS_BETWEEN_STATS:-1}" --auto-start "$@"
