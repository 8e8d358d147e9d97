"""One vnet and a bit of everything: what each of the four builds must do. `CURVNET=... run.py -k smoke` picks the
build."""

from scapy.layers.inet import IP, UDP

from harness import Case, Lab, case, equal, run_table, that, two_arms
from harness.program import command

ARMS = {"vimage", "none", "vimage-globals", "vimage-section"}


@case()
def one_vnet_forwards_answers_and_refuses(lab: Lab):
    left, right = two_arms(lab)
    packet = IP(src="10.1.0.2", dst="10.2.0.2") / UDP() / b"data"
    short = IP(src="10.1.0.2", dst="10.2.0.2", ttl=1) / UDP() / b"data"
    cases = [
        Case("through", packet, forwarded=True),
        Case("to us", left.echo(), answer=(0, 0)),
        Case("TTL 1", short, answer=(11, 0), drop="ip_ttl_exceeded"),
    ]
    run_table(lab, left, right, cases)
    features = lab.program.summary.document["build"]["features"]
    that(len(features) == 1 and features[0] in ARMS, f"features {features}")


@case()
def a_one_vnet_build_refuses_the_second(lab: Lab):
    two_arms(lab)
    several = lab.stop().document["build"]["features"][0] in ("vimage", "vimage-section")
    file = lab.directory / "two.toml"
    file.write_text((lab.directory / "test.toml").read_text() + '[[vnet]]\nname = "blue"\n')
    done = command("check", file)
    equal(done.returncode, 0 if several else 2, "exit code")
    equal("holds exactly one vnet" in done.stderr, not several, "whether the build is named as the reason")
