"""Completions and manual pages, looked at by the programs that read them."""

import re
import shutil
import subprocess

from harness import Lab, case, equal, that
from harness.program import command


def subcommands(*words: str) -> set[str]:
    """The commands that --help lists below these words."""
    text = command(*words, "--help").stdout
    found = re.search(r"^Commands:\n((?:  .*\n)+)", text, re.M)
    return set(re.findall(r"^  ([a-z]+) ", found.group(1), re.M)) - {"help"} if found else set()


@case(root=False)
def every_command_has_a_page(lab: Lab):
    equal(command("man", lab.directory / "new/man8").returncode, 0, "exit code")
    pages = {page.name: page for page in (lab.directory / "new/man8").iterdir()}
    names = {"curvnet"}
    for word in subcommands():
        names |= {f"curvnet-{word}"} | {f"curvnet-{word}-{below}" for below in subcommands(word)}
    that(len(names) > 20, f"{names}")
    equal(set(pages), {f"{name}.8" for name in names}, "pages")
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "error", *pages.values()], capture_output=True, text=True)
    equal((done.returncode, done.stdout), (0, ""), "what mandoc finds wrong")
    shown = subprocess.run(["mandoc", "-T", "ascii", pages["curvnet-run.8"]], capture_output=True, text=True).stdout
    plain = re.sub(".\b", "", shown)
    for words in ("--duration", "EXIT STATUS", "2 bad configuration", "CURVNET_LOG"):
        that(words in plain, f"no {words!r}:\n{plain}")
    for word in subcommands():
        that(f"curvnet-{word}(8)" in re.sub(".\b", "", page_of(pages["curvnet.8"])), f"curvnet(8) does not list {word}")


def page_of(page) -> str:
    return subprocess.run(["mandoc", "-T", "ascii", page], capture_output=True, text=True).stdout


@case(root=False)
def every_shell_understands_its_completions(lab: Lab):
    for shell in ("bash", "zsh", "fish"):
        done = command("completions", shell)
        equal((done.returncode, done.stderr), (0, ""), f"exit code and standard error for {shell}")
        for word in subcommands():
            that(re.search(rf"\b{word}\b", done.stdout), f"{word} is not completed by {shell}")
        file = lab.directory / f"completions.{shell}"
        file.write_text(done.stdout)
        that(shutil.which(shell), f"{shell} is not installed")
        checked = subprocess.run([shell, "-n", file], capture_output=True, text=True)
        equal((checked.returncode, checked.stderr), (0, ""), f"what {shell} finds wrong")
    equal(command("completions", "tcsh").returncode, 2, "exit code for a shell that there is none for")


@case(root=False)
def bash_completes(lab: Lab):
    (lab.directory / "curvnet.bash").write_text(command("completions", "bash").stdout)
    script = (
        f'source {lab.directory}/curvnet.bash; COMP_WORDS=(curvnet vnet ""); COMP_CWORD=2; '
        '_curvnet curvnet "" vnet; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    that(subcommands("vnet") <= set(done.stdout.split()), f"{done}")
