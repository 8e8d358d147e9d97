"""TRex, stateless: UDP with random addresses and a latency stream beside it.

    trex-console> start -f bench/examples/other/trex_udp.py -p 0 -m 10% -d 10 --force
    trex-console> stats -l

The device's MAC address stands in /etc/trex_cfg.yaml (bench/examples/other/trex_cfg.yaml). Sizes of TRex are without FCS.
"""

from trex_stl_lib.api import (
    Ether, IP, STLFlowLatencyStats, STLPktBuilder, STLScVmRaw, STLStream, STLTXCont, STLVmFixIpv4, STLVmFlowVarRepeatableRandom,
    STLVmWrFlowVar, UDP,
)

SIZE = 64


class Udp:
    def packet(self, vm=None):
        base = Ether() / IP(src="198.18.0.2", dst="198.19.0.2") / UDP(sport=1024, dport=53)
        return STLPktBuilder(pkt=base / bytes(SIZE - 4 - len(base)), vm=vm)

    def get_streams(self, direction=0, **arguments):
        # RFC 4814 section 4: destinations at random.
        vm = STLScVmRaw([
            STLVmFlowVarRepeatableRandom("dst", size=4, min_value="198.19.0.1", max_value="198.19.255.254", limit=65534),
            STLVmWrFlowVar(fv_name="dst", pkt_offset="IP.dst"),
            STLVmFixIpv4(offset="IP"),
        ])
        probe = STLStream(packet=self.packet(), mode=STLTXCont(pps=1000), flow_stats=STLFlowLatencyStats(pg_id=1))
        return [STLStream(packet=self.packet(vm), mode=STLTXCont(percentage=100)), probe]


def register():
    return Udp()
