"""The users of the control socket: what the members of its group may do to the host, which is less than root may."""

import json
import os
import signal
import subprocess
from pathlib import Path

from harness import Lab, case, equal, interface, that, vnet
from harness.client import ask, path, refused

NOBODY, GROUP = 65534, 4711
LAN = {"em0": interface("p0", "10.1.0.1/24")}


@case()
def members_of_the_group_name_only_the_devices_that_are_allowed(lab: Lab):
    secret, allowed = lab.directory / "secret", lab.directory / "allowed"
    allowed.mkdir()
    for directory in (lab.directory, lab.directory.parent, allowed):
        directory.chmod(0o711)
    secret.write_text("keep this")
    secret.chmod(0o600)
    rules = ["net_null", "net_pcap", str(allowed)]
    file = lab.directory / "test.toml"
    # Nothing is allowed by default.
    file.write_text(configuration(lab))
    lab.run(file)
    lab.while_running(lambda _: ask(lab, "vnet", "list"))
    equal(attach(lab, "p1", "net_null1")["error"]["code"], "denied", "an attach under the default")
    lab.stop()
    file.write_text(configuration(lab, f"devices = {json.dumps(rules)}"))
    lab.run(file)
    lab.while_running(lambda _: ask(lab, "vnet", "list"))
    equal(attach(lab, "p1", "net_null1"), {"id": 1, "ok": {}}, "a driver that is allowed")
    texts = set()
    for name in (secret, lab.directory / "missing", allowed / "../secret"):
        for argument in ("tx_pcap", "rx_pcap"):
            device = f"net_pcap9,rx_iface=lo,{argument}={name}"
            answer = attach(lab, "p9", device)["error"]
            equal(answer["code"], "denied", device)
            device = f"net_pcap9,{argument}={name}"
            answer = attach(lab, "p9", device)["error"]
            equal(answer["code"], "denied", device)
            texts.add(answer["message"].replace(device, "").replace(f"{argument}={name}", ""))
            refusal = apply(lab, configuration(lab, f"devices = {json.dumps(rules)}", device))
            equal(refusal["error"]["code"], "bad_configuration", f"a file with {device}")
            that("does not allow" in refusal["error"]["message"], refusal)
    equal(len(texts), 1, f"refusals, which tell nothing of the files: {texts}")
    equal(secret.read_text(), "keep this", "a file of root's")
    # A link of which the folder's owner is the only author is none that others can use; and others have no folder.
    (allowed / "link").symlink_to(secret)
    equal(attach(lab, "p9", f"net_pcap9,tx_pcap={allowed}/link")["error"]["code"], "denied", "a link")
    allowed.chmod(0o777)
    equal(attach(lab, "p9", f"net_pcap9,tx_pcap={allowed}/new")["error"]["code"], "denied", "a folder of everybody's")
    allowed.chmod(0o711)
    equal(attach(lab, "p9", f"net_pcap9,tx_pcap={allowed}/new"), {"id": 1, "ok": {}}, "a file in the folder")
    equal(secret.read_text(), "keep this", "a file of root's")
    # The file as it runs, with a vnet more, may be applied; root may name any device.
    shown = ask(lab, "config", "show")
    equal(apply(lab, shown + vnet("blue", {}))["end"]["reason"], "done", "a file with the ports that run")
    that("blue" in ask(lab, "vnet", "list"), "no vnet blue")
    ask(lab, "port", "attach", "p8", f"net_pcap8,rx_iface=lo,tx_pcap={lab.directory}/lo.pcap")
    lab.stop()


@case()
def root_of_another_pid_namespace_is_root(lab: Lab):
    file = lab.directory / "test.toml"
    file.write_text(configuration(lab))
    program = lab.run(file, prefix=["unshare", "--pid", "--fork", "--kill-child"])
    lab.while_running(lambda _: ask(lab, "vnet", "list"))
    that("no port p9" in refused(lab, "port", "detach", "p9"), "it is not served")
    unshare = program.process.pid
    os.kill(int(Path(f"/proc/{unshare}/task/{unshare}/children").read_text()), signal.SIGINT)
    program.wait()


def configuration(lab: Lab, control: str = "", device: str = "net_null0") -> str:
    """A port on a device, and a socket of the group."""
    lines = ["[dpdk]", 'hugepages = "none"', 'eal_args = ["--no-pci"]', "mbufs = 16383"]
    lines += ["[workers]", f"cpus = [{lab.cpu}]", "idle_sleep_us = 50"]
    lines += ["[control]", f'socket = "{path(lab)}"', f'group = "{GROUP}"', control]
    lines += ["[[port]]", 'name = "p0"', f'device = "{device}"']
    return "\n".join(lines) + "\n" + vnet("red", LAN)


def attach(lab: Lab, name: str, device: str) -> dict:
    """The answer to a member of the group."""
    return as_member(lab, 1, {"command": "port.attach", "name": name, "device": device})


def apply(lab: Lab, text: str) -> dict:
    """The last line that a member of the group gets when it applies a file."""
    put = {"command": "config.put", "stream": 1, "text": text, "last": True}
    return as_member(lab, 0, {"command": "config.apply", "file": "file"}, put)


def as_member(lab: Lab, lines: int, *requests: dict) -> dict:
    """Has a user of the group ask: the line of that number, or the one that ends a stream."""
    script = f"""
import socket, json
with socket.socket(socket.AF_UNIX) as stream:
    stream.settimeout(20)
    stream.connect({str(path(lab))!r})
    file = stream.makefile("rw")
    file.write({"".join(json.dumps({"id": at, "version": 1, **one}) + chr(10) for at, one in enumerate(requests, 1))!r})
    file.flush()
    count = 0
    while count != {lines} or count == 0:
        line = file.readline()
        count += 1
        if "end" in json.loads(line):
            break
print(line)
"""
    done = subprocess.run(
        ["/usr/bin/python3", "-c", script],
        capture_output=True,
        text=True,
        user=NOBODY,
        group=NOBODY,
        extra_groups=[GROUP],
    )
    equal(done.returncode, 0, done.stderr)
    return json.loads(done.stdout)
