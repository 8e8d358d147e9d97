"""`net.inet.icmp.icmplim`: so many messages of a class a second, and no more."""

from scapy.layers.inet import ICMP, IP, UDP

from harness import Lab, case, equal, interface, that, two_arms, vnet

HERE, THERE, US = "10.1.0.2", "10.2.0.2", "10.1.0.1"
LIMIT = 100
SECONDS = 3.0


def echo(number):
    return IP(src=HERE, dst=US) / ICMP(id=1, seq=number)


def to_closed_port(number):
    return IP(src=HERE, dst=US) / UDP(sport=number, dport=9)


def without_ttl(number):
    return IP(src=HERE, dst=THERE, ttl=1) / UDP(sport=number, dport=9)


def flood(lab: Lab, packet, kind: int, limit: int, rounds: int):
    """Sends 50 packets a round, the rounds spread over some seconds; the times of the answers of that ICMP type."""
    left, _ = two_arms(lab, sysctl={"net.inet.icmp.icmplim": limit})
    frames = [bytes(left.frame(packet(number))) for number in range(50)]
    times = []
    for _ in range(rounds):
        for frame in frames:
            left.wire.socket.send(frame)
        times += answer_times(left, SECONDS / rounds, kind)
    return times + answer_times(left, 1.5, kind)


def answer_times(left, seconds: float, kind: int) -> list[float]:
    frames = left.wire.frames(seconds)
    return [frame.time_s for frame in frames if frame.packet.haslayer(ICMP) and frame.packet[ICMP].type == kind]


def within_the_limit(times: list[float]):
    """Every second that the answers touch has a budget of its own, half a second being for answers that were held up on
    their way; and there is more than one budget. That each is used up is true only if the sender has its CPU."""
    span_s = times[-1] - times[0]
    least, most = 2 * LIMIT, LIMIT * (int(span_s + 0.5) + 2)
    that(least <= len(times) <= most, f"{len(times)} answers in {span_s:.2f} s, expected {least} to {most}")


@case(slow=True)
def echo_replies_are_limited(lab: Lab):
    times = flood(lab, echo, 0, LIMIT, rounds=60)
    within_the_limit(times)
    summary = lab.stop()
    refused = summary.port()["rx_packets"] - len(times)
    equal(summary.drops(), {"icmp_rate_limit": refused}, "drops")
    equal(summary.statistic("icps_ratelimit"), refused, "icps_ratelimit")


@case(slow=True)
def unreachables_are_limited(lab: Lab):
    times = flood(lab, to_closed_port, 3, LIMIT, rounds=60)
    within_the_limit(times)
    summary = lab.stop()
    received = summary.port()["rx_packets"]
    equal(summary.drops(), {"udp_no_port": received}, "drops")
    equal(summary.statistic("icps_ratelimit"), received - len(times), "icps_ratelimit")


@case(slow=True)
def time_exceeded_is_limited(lab: Lab):
    times = flood(lab, without_ttl, 11, LIMIT, rounds=60)
    within_the_limit(times)
    summary = lab.stop()
    equal(summary.drops(), {"ip_ttl_exceeded": summary.port()["rx_packets"]}, "drops")


@case()
def the_default_is_200_a_second(lab: Lab):
    left = lab.peer("p0", HERE, US)
    lab.start(vnet("red", {"em0": interface("p0", "10.1.0.1/24")}, neighbors=[("em0", HERE, left.mac)]))
    for number in range(450):
        left.wire.socket.send(bytes(left.frame(echo(number))))
    times = answer_times(left, 1.5, 0)
    that(len(times) in range(200, 401), f"{len(times)} answers")


@case()
def no_limit_answers_everything(lab: Lab):
    answers = len(flood(lab, echo, 0, 0, rounds=20))
    summary = lab.stop()
    equal(answers, summary.port()["rx_packets"], "answers")
    that(answers > 900, f"{answers} answers")
    equal(summary.drops(), {}, "drops")


@case()
def one_class_does_not_silence_another(lab: Lab):
    left, _ = two_arms(lab, sysctl={"net.inet.icmp.icmplim": 50})
    left.send(*(to_closed_port(number) for number in range(300)))
    that(any(packet.haslayer(ICMP) and packet[ICMP].type == 0 for packet in left.ask(echo(1))), "no echo reply")
