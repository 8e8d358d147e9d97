"""Exit codes and messages: 0 done, 1 run-time failure, 2 bad configuration or usage."""

import re

from scapy.layers.l2 import Ether
from scapy.utils import wrpcap

from harness import Lab, case, equal, that
from harness.program import command

GOOD = """\
[dpdk]
hugepages = "none"
eal_args = ["--no-pci"]
mbufs = 8191

[[port]]
name = "p0"
device = "net_null0"

[[vnet]]
name = "red"

[[vnet.interface]]
name = "em0"
port = "p0"
addresses = ["10.1.0.1/24"]
"""


def written(lab: Lab, text: str):
    """A file with this text, and a control socket of the case's own at its end, where it moves no line."""
    file = lab.directory / "case.toml"
    file.write_text(f'{text}\n[control]\nsocket = "{lab.directory}/control.sock"\n')
    return file


def refused(lab: Lab, text: str, line: int, column: int, words: str):
    """Both `check` and `run` refuse the file with exit code 2, and show the place, the line, a caret and the cure."""
    file = written(lab, text)
    for name in ("check", "run"):
        done = command(name, file)
        equal((done.returncode, done.stdout), (2, ""), f"exit code and standard output of {name}")
        that(f"case.toml:{line}:{column}" in done.stderr, f"no place {line}:{column}:\n{done.stderr}")
        that(text.splitlines()[line - 1] in done.stderr, f"the line is not shown:\n{done.stderr}")
        that(re.search(r"\^", done.stderr), f"no caret:\n{done.stderr}")
        that(words in done.stderr, f"no word of {words!r}:\n{done.stderr}")
        that("EAL" not in done.stderr, f"DPDK was started:\n{done.stderr}")


@case(root=False)
def a_good_file_is_good(lab: Lab):
    done = command("check", written(lab, GOOD))
    equal((done.returncode, done.stderr), (0, ""), "exit code and standard error")
    that("needed" in done.stdout and "in the pool" in done.stdout, f"no arithmetic:\n{done.stdout}")


@case(root=False)
def an_unknown_key_names_the_nearest(lab: Lab):
    refused(lab, GOOD.replace("addresses", "adresses"), 16, 1, "addresses")


@case(root=False)
def a_syntax_error_has_a_place(lab: Lab):
    refused(lab, GOOD.replace('name = "red"', "name = red"), 11, 8, "red")


@case(root=False)
def a_router_that_nothing_reaches_is_refused(lab: Lab):
    route = '[[vnet.route]]\nprefix = "0.0.0.0/0"\nvia = ["192.0.2.1"]\n'
    refused(lab, GOOD + route, 19, 8, "192.0.2.1")


@case(root=False)
def an_unknown_sysctl_is_refused(lab: Lab):
    text = GOOD.replace('name = "red"', 'name = "red"\nsysctl = { "net.inet.ip.forwardin" = 1 }')
    refused(lab, text, 12, 12, "net.inet.ip.forwarding")


@case(root=False)
def a_sysctl_out_of_range_is_refused(lab: Lab):
    text = GOOD.replace('name = "red"', 'name = "red"\nsysctl = { "net.inet.ip.ttl" = 256 }')
    refused(lab, text, 12, 32, "255")


@case(root=False)
def a_cpu_that_does_not_exist_is_refused(lab: Lab):
    refused(lab, "[workers]\ncpus = [4095]\n" + GOOD, 2, 9, "4095")


@case(root=False)
def too_few_mbufs_show_the_sum(lab: Lab):
    file = written(lab, GOOD.replace("8191", "256"))
    for name in ("check", "run"):
        done = command(name, file)
        equal((done.returncode, done.stdout), (2, ""), f"exit code and standard output of {name}")
        that("256" in done.stderr and "1024" in done.stderr, f"no sum:\n{done.stderr}")


@case(root=False)
def a_missing_file_is_bad_usage(lab: Lab):
    for name in ("check", "run"):
        done = command(name, lab.directory / "nothing.toml")
        equal((done.returncode, done.stdout), (2, ""), f"exit code and standard output of {name}")
        that("nothing.toml" in done.stderr, f"the file is not named:\n{done.stderr}")


@case(root=False)
def bad_usage_is_exit_code_2(lab: Lab):
    file = written(lab, GOOD)
    for arguments in ([], ["walk"], ["run"], ["run", file, "--speed", "9"], ["run", file, "--duration", "soon"]):
        done = command(*arguments)
        equal((done.returncode, done.stdout), (2, ""), f"exit code and standard output of {arguments}")


@case(root=False)
def help_and_version_are_exit_code_0(lab: Lab):
    for argument in ("--help", "--version"):
        done = command(argument)
        equal((done.returncode, done.stderr), (0, ""), f"exit code and standard error of {argument}")
        that("curvnet" in done.stdout, done.stdout)


@case(root=False)
def doctor_is_exit_code_0(lab: Lab):
    done = command("doctor")
    equal(done.returncode, 0, "exit code")
    for word in ("hugepages", "IOMMU"):
        that(word.lower() in done.stdout.lower(), f"nothing about {word}:\n{done.stdout}")


@case(root=False)
def an_unknown_driver_is_refused(lab: Lab):
    refused(lab, GOOD.replace("net_null0", "net_nul0"), 8, 11, "net_null")


@case(root=False)
def a_socket_that_cannot_be_made_is_refused_by_check(lab: Lab):
    good = f'{GOOD}\n[control]\nsocket = "{lab.directory}/control.sock"\n'
    file = lab.directory / "case.toml"
    for text, words in (
        (good.replace("/control.sock", ""), "is no socket"),
        (good + 'group = "nosuchgroup"\n', "there is no group nosuchgroup"),
        (good + 'owner = "nosuchuser"\n', "there is no user nosuchuser"),
    ):
        file.write_text(text)
        done = command("check", file)
        equal((done.returncode, done.stdout), (2, ""), f"exit code and standard output: {words}")
        that(words in done.stderr and "[control]" in done.stderr, done.stderr)


@case(root=False)
def packets_that_cannot_be_replayed_are_refused(lab: Lab):
    pcap = lab.directory / "long.pcap"
    wrpcap(str(pcap), [Ether() / bytes(60), Ether() / bytes(3000)])
    file = written(lab, GOOD.replace("net_null0", f"net_pcap0,rx_pcap={pcap},infinite_rx=1"))
    for name in ("check", "run"):
        done = command(name, file)
        equal((done.returncode, done.stdout), (2, ""), f"exit code and standard output of {name}")
        that("packet 2 " in done.stderr and "port p0" in done.stderr, done.stderr)


@case()
def eal_arguments_are_given_once_and_their_faults_have_a_message(lab: Lab):
    arguments = 'eal_args = ["--no-pci"]'
    file = written(lab, GOOD.replace(arguments, 'eal_args = ["--no-pci", "-m", "700", "--no-pci"]'))
    done = command("run", file, "--duration", "100ms")
    equal(done.returncode, 0, f"exit code: {done.stderr}")
    line = re.search(r"arguments=(.*)", done.stderr).group(1)
    equal((line.count("--no-pci"), line.count(" -m"), " -m 700" in line), (1, 1, True), line)
    # DPDK refuses the one; for the other it ends the process.
    for argument in ("--nosuch", "--help"):
        done = command("run", written(lab, GOOD.replace(arguments, f'eal_args = ["{argument}"]')))
        equal(done.returncode, 1, f"exit code of {argument}")
        that(f"{argument}" in done.stderr and "EAL" in done.stderr, done.stderr)


@case()
def an_interface_that_is_missing_is_a_run_time_failure(lab: Lab):
    file = written(lab, GOOD.replace("net_null0", "net_af_packet0,iface=nosuch"))
    done = command("run", file, "--json")
    equal((done.returncode, done.stdout), (1, ""), "exit code and standard output")
    that("p0" in done.stderr, f"the port is not named:\n{done.stderr}")


@case()
def without_json_people_get_text(lab: Lab):
    done = command("run", written(lab, GOOD), "--duration", "1500ms")
    equal(done.returncode, 0, "exit code")
    that("vnet red" in done.stdout and "port p0" in done.stdout, done.stdout)
    that("\x1b" not in done.stdout + done.stderr, "colours where there is no terminal")
    that(re.search(r"^1 s \|.*worker CPU", done.stderr, re.M), f"no line each second:\n{done.stderr}")


@case()
def escape_sequences_do_not_reach_the_terminal(lab: Lab):
    evil = "\x1b]0;title\x07\x1b[2J\u202e"
    file = lab.directory / f"{evil}.toml"
    good = lab.directory / "good.toml"
    good.write_text(GOOD)
    file.write_text(f'# {evil}\n[[vnet]]\nname = "a"\n[{evil}]\n')
    socket = lab.directory / "none.sock"
    for words in (
        ["vnet", "destroy", evil],
        [evil],
        ["run", "--duration", evil, good],
        ["check", file],
        ["check", lab.directory / f"{evil}-missing"],
        ["-s", socket, "config", "diff", file],
        ["-s", f"{lab.directory}/{evil}", "vnet", "list"],
        ["-v", evil, "-s", socket, "ifconfig", evil],
    ):
        done = command(*words)
        that(done.returncode != 0, f"{words} is taken")
        shown = done.stdout + done.stderr
        that(not set("\x1b\x07\u202e") & set(shown), f"{words}: {shown!r}")
