"""ExecuTorch's arm64 runtime, on this machine's own arm64 CPU or on an emulated one."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

import numpy as np

import pe_validate
from pe_validate.data.execution import Execution
from pe_validate.machines.arm64 import guest
from pe_validate.machines.arm64.environment import Environment
from pe_validate.machines.arm64.kernels import OUTSIDE_RUNTIME, Functions
from pe_validate.machines.arm64.profiles import Profile, features_in
from pe_validate.system.errors import PEValidateError, RunError
from pe_validate.system.process import Child, ChildError
from pe_validate.targets.runtime import Given, Runtime
from pe_validate.targets.xnnpack.orders import memory_orders
from pe_validate.targets.xnnpack.signature import laid_out, signature

P = ParamSpec("P")
T = TypeVar("T")

GUEST_TIMEOUT: Final = 600.0
"""Seconds to start, to load a program, or for one inference, which takes T16 in float32 about thirty."""


class Guest:
    """One interpreter on one kind of core; it imports the runtime once (half a minute) and runs until it is closed.

    ``timeout`` is the number of seconds that a program may take to load, or for one inference.

    Raises:
        RunError: it does not start, or its CPU does not have exactly the features of ``profile``.
    """

    def __init__(self, environment: Environment, profile: Profile, timeout: float = GUEST_TIMEOUT) -> None:
        self.profile, self.timeout = profile, GUEST_TIMEOUT
        self.emulated = environment.path is not None
        self.matrix_kernels: tuple[str, ...] = ()
        """KleidiAI's matrix kernels, in the order of the counts that :func:`guest.run` returns."""
        self._folder = tempfile.TemporaryDirectory(prefix="pe_validate-arm64-")
        self._file = Path(self._folder.name) / "counts"
        variables = None
        if environment.path is not None and environment.home is not None:
            # The guest sees only this package, not what is installed beside it for another CPU. It sees a copy,
            # because it writes bytecode beside the modules that it imports.
            package, unneeded = Path(pe_validate.__file__).parent, shutil.ignore_patterns("__pycache__", "fixtures")
            shutil.copytree(package, Path(self._folder.name) / "pe_validate", ignore=unneeded)
            variables = {"PYTHONPATH": f"{self._folder.name}:{environment.path}", "PYTHONHOME": environment.home}
            variables |= {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1"}
        self._child = Child(interpreter=environment.command(self._file), environment=variables)
        try:
            if sys.platform == "linux":
                self.call(guest.die_with_parent)
            if self.emulated:
                found = features_in(self.call(guest.hwcaps))
                if found != profile.features:
                    raise RunError(
                        f"The guest of {profile.name} has {', '.join(sorted(found))}; its cores have "
                        f"{', '.join(sorted(profile.features))}, so it would not run the kernels that they run."
                    )
            self.producer, library, mapped = self.call(guest.start)
            if self.emulated:
                self.producer += f", {profile.name} by {environment.emulator}"
                if missing := {library, guest.TORCH_LIBRARY} - mapped.keys():
                    raise RunError(f"The guest of {profile.name} has not loaded {min(missing)}.")
                self._functions = Functions(Path(library), mapped[library][0], mapped[guest.TORCH_LIBRARY])
                self.matrix_kernels = tuple(self._functions.matrix_kernels)
                self.call(guest.watch, list(self._functions.matrix_kernels.values()))
        except BaseException:
            self.close()
            raise
        self.timeout = timeout

    @property
    def alive(self) -> bool:
        """True while the guest can be called; one that ran out of time cannot."""
        return self._child.alive

    def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return ``function(*args, **kwargs)``, called in the guest.

        Raises:
            RunError: the guest raised, died or ran out of time.
        """
        try:
            return self._child.call(function, self.timeout, *args, **kwargs)
        except ChildError as error:
            raise RunError(f"The arm64 guest of {self.profile.name} failed: {error}.") from error

    def instructions(self) -> Counter[str]:
        """Return the instructions of the last run by function; empty if the emulator cannot count them.

        Raises:
            RunError: the emulator has written no counts.
        """
        if not self.profile.counts or not self.emulated:
            return Counter()
        try:
            return self._functions.counted(self._file.read_text(encoding="ascii"))
        except FileNotFoundError as error:
            raise RunError(f"The emulator of {self.profile.name} has not counted its instructions.") from error

    def close(self) -> None:
        """End the guest's process."""
        self._child.close()
        self._folder.cleanup()

    def __enter__(self) -> Guest:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Arm64Runtime(Runtime):
    """The ``forward`` method of a ``.pte``, in a guest that may open other programs before and after.

    ``products`` are the multiply-accumulates that KleidiAI's matrix kernels did in the last run, by kernel name.
    """

    products: Counter[str]

    def __init__(self, path: Path, machine: Guest) -> None:
        self._guest, self.producer = machine, machine.producer
        try:
            inputs, outputs = machine.call(guest.open_program, str(path.absolute()))
        except PEValidateError as error:
            raise RunError(f"'{path}' cannot be loaded: {str(error).rstrip('.')}.") from error
        self.inputs, self.outputs = signature(inputs, outputs, memory_orders(path))

    def compute(self, given: Given, wanted: Sequence[int]) -> Given:
        """Run it in the guest; see :meth:`Runtime.compute`."""
        arranged = (laid_out(array, spec) for array, spec in zip(given, self.inputs, strict=True))
        plain = [(array.tobytes(), str(array.dtype), array.shape) for array in arranged]
        found, counted = self._guest.call(guest.run, plain, list(wanted))
        self.products = +Counter(dict(zip(self._guest.matrix_kernels, counted, strict=True)))
        return [np.frombuffer(content, dtype).reshape(shape) for content, dtype, shape in found]


def execution_of(runtime: Arm64Runtime, machine: Guest) -> Execution:
    """Return what ran in the last inference of ``runtime``."""
    functions = machine.instructions()
    del functions[OUTSIDE_RUNTIME]
    total = functions.total()
    shares = {name: count / total for name, count in functions.most_common() if count >= total / 200}
    products = dict(runtime.products.most_common())
    return Execution(machine.profile.name, runtime.producer, products, shares, total or None)
