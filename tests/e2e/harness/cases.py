"""The list of test cases: every function with `@case` in a file of the folder `cases`."""

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

FOLDER = Path(__file__).parent.parent / "cases"


class Skip(Exception):
    """The case cannot run here; the text says what is missing."""


@dataclass
class TestCase:
    """One test. Its name is its file's and its function's, so that the function's name is an English sentence."""

    name: str
    function: Callable
    root: bool
    vnets: int
    alone: bool
    slow: bool
    timeout_s: float


ALL: list[TestCase] = []


def case(*, root=True, vnets=1, alone=False, slow=False, timeout_s=60.0):
    """Registers a test. `root`: it makes network namespaces. `vnets`: how many the build must hold. `alone`: nothing
    else may run beside it. `slow`: it mostly waits, so it is started early."""

    def register(function):
        file = Path(function.__code__.co_filename).stem.replace("_", " ")
        name = f"{file}: {function.__name__.replace('_', ' ')}"
        ALL.append(TestCase(name, function, root, vnets, alone, slow, timeout_s))
        return function

    return register


def load() -> list[TestCase]:
    """Imports every file of the folder; the cases in the order of files and lines."""
    for path in sorted(FOLDER.glob("*.py")):
        spec = importlib.util.spec_from_file_location(f"cases.{path.stem}", path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
    return ALL
