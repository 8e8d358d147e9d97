-- Pktgen-DPDK, port 0 to a device whose em0 has this MAC address:
--     pktgen -l 0,2,3 --no-pci \
--         --vdev 'net_memif0,id=0,role=client,socket=/run/curvnet-memif.sock,socket-abstract=no' \
--         --vdev 'net_memif1,id=1,role=client,socket=/run/curvnet-memif.sock,socket-abstract=no' \
--         -- -P -m '2.0,3.1' -f bench/examples/other/pktgen-dpdk.lua
-- Sizes count the FCS, as curvnet-bench pktgen's do.
package.path = package.path .. ";?.lua;/usr/share/pktgen/?.lua"
require "Pktgen"

pktgen.set_mac("0", "dst", "02:00:00:00:01:00")
pktgen.set_ipaddr("0", "src", "198.18.0.2/16")
pktgen.set_ipaddr("0", "dst", "198.19.0.2")
pktgen.set_proto("0", "udp")
pktgen.set_type("0", "ipv4")
pktgen.set("0", "size", 64)
pktgen.set("0", "rate", 10)          -- percent of the line
pktgen.set("0", "count", 1000000)
-- RFC 4814: other addresses in each packet.
pktgen.dst_ip("0", "start", "198.19.0.1")
pktgen.dst_ip("0", "inc", "0.0.0.1")
pktgen.dst_ip("0", "min", "198.19.0.1")
pktgen.dst_ip("0", "max", "198.19.255.254")
pktgen.set_range("0", "on")

pktgen.clr()
pktgen.start("0")
pktgen.sleep(10)
pktgen.stop("0")
pktgen.sleep(2)
prints("portStats", pktgen.portStats("0,1", "port"))
pktgen.quit()
