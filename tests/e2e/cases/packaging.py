"""`make install`: what it puts where, and the service that it installs, run with the rights that its unit leaves it."""

import re
import shutil
import socket
import subprocess

from harness import Lab, Skip, case, equal, that
from harness.peer import KernelHost
from harness.program import BENCH, BINARY, ROOT, command


def installed(lab: Lab):
    """The folder that `make install` filled."""
    if not BENCH.exists() or BENCH.parent != BINARY.parent:
        raise Skip("make install takes curvnet and curvnet-bench from one folder")
    root = lab.directory / "root"
    line = ["make", "install", f"RELEASE={BINARY.parent}", f"DESTDIR={root}", "PREFIX=/usr"]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True)
    equal(done.returncode, 0, f"exit code of make install: {done.stderr}")
    return root


@case(root=False)
def it_installs_everything_and_nothing_stays_behind(lab: Lab):
    root = installed(lab)
    for name in (
        "usr/bin/curvnet", "usr/bin/curvnet-bench", "usr/share/man/man8/curvnet-ifconfig.8", "usr/share/curvnet/LICENSE",
        "usr/share/bash-completion/completions/curvnet", "usr/share/zsh/site-functions/_curvnet",
        "usr/share/fish/vendor_completions.d/curvnet.fish", "usr/lib/sysctl.d/curvnet-hugepages.conf",
        "usr/lib/systemd/system/curvnet.service", "etc/curvnet/curvnet.toml",
    ):  # fmt: skip
        that((root / name).stat().st_size > 0, f"{name} is empty")
    # The operator's configuration is neither overwritten nor removed.
    (root / "etc/curvnet/curvnet.toml").write_text("# mine\n")
    installed(lab)
    line = ["make", "uninstall", f"DESTDIR={root}", "PREFIX=/usr"]
    equal(subprocess.run(line, cwd=ROOT, capture_output=True).returncode, 0, "exit code of make uninstall")
    left = [str(file.relative_to(root)) for file in root.rglob("*") if not file.is_dir()]
    equal(left, ["etc/curvnet/curvnet.toml"], "files that are left")
    equal((root / left[0]).read_text(), "# mine\n", "the operator's configuration")


@case(root=False)
def systemd_understands_the_unit(lab: Lab):
    root = installed(lab)
    # systemd looks within the root for what the unit names.
    (root / "bin").mkdir()
    shutil.copy("/bin/kill", root / "bin/kill")
    for target in ("sysinit", "basic", "multi-user", "shutdown", "network-pre"):
        (root / f"usr/lib/systemd/system/{target}.target").write_text("[Unit]\nDescription=here\n")
    line = ["systemd-analyze", "verify", "--man=no", f"--root={root}", "curvnet.service"]
    done = subprocess.run(line, capture_output=True, text=True)
    equal((done.returncode, done.stdout + done.stderr), (0, ""), "what systemd finds wrong")
    line = ["systemd-analyze", "security", "--offline=yes", f"--root={root}", "--threshold=40", "curvnet.service"]
    done = subprocess.run(line, capture_output=True, text=True)
    equal(done.returncode, 0, f"exposure above 4.0:\n{done.stdout}{done.stderr}")


def capabilities(unit: str) -> str:
    """The unit's bounding set, as setpriv(1) wants it."""
    names = re.search(r"^CapabilityBoundingSet=(.*)$", unit, re.M).group(1).split()
    return ",".join(["-all", *(f"+{name.removeprefix('CAP_').lower()}" for name in names)])


@case()
def the_service_works_with_the_rights_of_its_unit(lab: Lab):
    root = installed(lab)
    unit = (root / "usr/lib/systemd/system/curvnet.service").read_text()
    that("ExecStart=/usr/bin/curvnet run --json /etc/curvnet/curvnet.toml\n" in unit, unit)
    config = root / "etc/curvnet/curvnet.toml"
    equal(command("check", config).returncode, 0, "exit code of check")
    # A socket of the test's own, for a group as a service has it, and no journal.
    text = config.read_text().replace("/run/curvnet.sock", f"{lab.directory}/control.sock")
    text = text.replace('# group = "curvnet"', 'group = "4711"').replace('target = "journal"', 'target = "stderr"')
    config.write_text(re.sub(r"^hugepages.*", 'hugepages = "none"', text, flags=re.M))
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind(str(lab.directory / "notify.sock"))
    notify.settimeout(20)
    rights = ["setpriv", "--no-new-privs", f"--bounding-set={capabilities(unit)}"]
    lab.run(config, environment={"NOTIFY_SOCKET": str(lab.directory / "notify.sock")}, prefix=rights)
    that(b"READY=1" in notify.recv(4096), "it is not ready")
    # What the file's own comment says to try.
    home = lab.home()
    for step in re.search(r"^#     (ip .*)$", config.read_text(), re.M).group(1).split(" && "):
        if step.startswith("ping"):
            host = object.__new__(KernelHost)
            host.namespace = home
            equal(host.ping(step.split()[-1]), [64], step)
        else:
            home.ip(*step.split()[1:])
    equal((lab.directory / "control.sock").stat().st_gid, 4711, "group of the socket")
    lab.stop()
