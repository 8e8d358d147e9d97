"""`net.inet.icmp.icmplim`: so many messages of a class a second, and no more."""

import time

from scapy.layers.inet import ICMP, IP, UDP

from harness import Lab, case, equal, that, two_arms

HERE, THERE, US = "10.1.0.2", "10.2.0.2", "10.1.0.1"
REQUESTS = 600


def echo(number):
    return IP(src=HERE, dst=US) / ICMP(id=1, seq=number)


def to_closed_port(number):
    return IP(src=HERE, dst=US) / UDP(sport=number, dport=9)


def without_ttl(number):
    return IP(src=HERE, dst=THERE, ttl=1) / UDP(sport=number, dport=9)


def flood(lab: Lab, packet, kind: int, limit: int):
    """Sends many packets in a short time; how many answers of that ICMP type came, and how many seconds it took."""
    left, _ = two_arms(lab, sysctl={"net.inet.icmp.icmplim": limit})
    frames = [bytes(left.frame(packet(number))) for number in range(REQUESTS)]
    start = time.monotonic()
    for number, frame in enumerate(frames):
        left.wire.socket.send(frame)
        if number % 100 == 99:
            time.sleep(0.02)  # the port's ring holds a few hundred frames
    seconds = time.monotonic() - start
    answers = [frame.packet for frame in left.wire.frames(0.5)]
    return sum(answer.haslayer(ICMP) and answer[ICMP].type == kind for answer in answers), seconds


def within_the_limit(answers: int, seconds: float):
    """Each second that was touched has a budget of its own; a late worker may touch one more than the sender."""
    that(200 <= answers <= 200 * (int(seconds) + 3), f"{answers} answers to {REQUESTS} packets in {seconds:.2f} s")


@case()
def echo_replies_are_limited(lab: Lab):
    answers, seconds = flood(lab, echo, 0, 200)
    within_the_limit(answers, seconds)
    summary = lab.stop()
    equal(summary.drops(), {"icmp_rate_limit": REQUESTS - answers}, "drops")
    equal(summary.statistic("icps_ratelimit"), REQUESTS - answers, "icps_ratelimit")


@case()
def unreachables_are_limited(lab: Lab):
    answers, seconds = flood(lab, to_closed_port, 3, 200)
    within_the_limit(answers, seconds)
    summary = lab.stop()
    equal(summary.drops(), {"udp_no_port": REQUESTS}, "drops")
    equal(summary.statistic("icps_ratelimit"), REQUESTS - answers, "icps_ratelimit")


@case()
def time_exceeded_is_limited(lab: Lab):
    answers, seconds = flood(lab, without_ttl, 11, 200)
    within_the_limit(answers, seconds)
    equal(lab.stop().drops(), {"ip_ttl_exceeded": REQUESTS}, "drops")


@case()
def no_limit_answers_everything(lab: Lab):
    answers, _ = flood(lab, echo, 0, 0)
    equal(answers, REQUESTS, "answers")
    equal(lab.stop().drops(), {}, "drops")


@case()
def one_class_does_not_silence_another(lab: Lab):
    left, _ = two_arms(lab, sysctl={"net.inet.icmp.icmplim": 50})
    left.send(*(to_closed_port(number) for number in range(300)))
    that(any(packet.haslayer(ICMP) and packet[ICMP].type == 0 for packet in left.ask(echo(1))), "no echo reply")
