"""Guests: each profile's interpreter is started once for all of its tests, when the first of them asks."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest
from nano import case

from pe_validate.data.artifact import Artifact
from pe_validate.machines.arm64.environment import setup
from pe_validate.machines.arm64.profiles import PROFILES, Profile
from pe_validate.machines.arm64.runtime import Guest
from pe_validate.targets.export import export


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Elsewhere arm64 is not emulated; tests/unit/machines/arm64 says what is asked of a machine that is one."""
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip(reason="arm64 is emulated on Linux on x86-64 alone"))


@pytest.fixture(scope="session")
def program() -> Callable[[str], Artifact]:
    """PE-Nano in a precision."""
    return cache(lambda precision: export(case(precision)))


@pytest.fixture(scope="session")
def start() -> Callable[[Profile], Guest]:
    """A guest of one's own, to be closed by who asks for it."""
    return lambda profile: Guest(setup(profile), profile)


@pytest.fixture(scope="session")
def guest_of(start: Callable[[Profile], Guest]) -> Iterator[Callable[[str], Guest]]:
    """The guest of a profile; it is left as it was."""
    with ExitStack() as started:
        yield cache(lambda name: started.enter_context(start(PROFILES[name])))
