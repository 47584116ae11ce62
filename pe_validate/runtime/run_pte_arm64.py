"""ExecuTorch's runtime for arm64, on this machine's own arm64 CPU or on an emulated one."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

import pe_validate
from pe_validate.arm64 import guest
from pe_validate.arm64.environment import Environment
from pe_validate.arm64.kernels import Functions
from pe_validate.arm64.profiles import Profile, features_in
from pe_validate.errors import PEValidateError, RunError
from pe_validate.process import Child, ChildError
from pe_validate.runtime.base import Runtime
from pe_validate.runtime.signature import signature

P = ParamSpec("P")
T = TypeVar("T")

TIMEOUT: Final = 600.0
"""Seconds for one call; an inference of T16 in float32 takes about thirty."""


class Guest:
    """One interpreter on one kind of core. It imports the runtime once (half a minute) and answers until closed.

    Raises:
        RunError: it does not start, or its CPU does not have the features of ``profile``.
    """

    def __init__(self, environment: Environment, profile: Profile, timeout: float = TIMEOUT) -> None:
        self.profile, self._timeout, self.counts = profile, timeout, environment.counts
        self._folder = tempfile.TemporaryDirectory(prefix="pe_validate-arm64-")
        self._file = Path(self._folder.name) / "counts"
        variables = None
        if environment.path is not None and environment.home is not None:
            # The guest sees this package alone, and not what is installed beside it for another CPU.
            (Path(self._folder.name) / "pe_validate").symlink_to(Path(pe_validate.__file__).parent)
            variables = {"PYTHONPATH": f"{self._folder.name}:{environment.path}", "PYTHONHOME": environment.home}
            variables |= {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1"}
        self._child = Child(interpreter=environment.command(self._file), environment=variables)
        try:
            if environment.path is not None:
                found = features_in(self.call(guest.hwcaps))
                if found != profile.features:
                    raise RunError(
                        f"The guest of {profile.name} has {', '.join(sorted(found))}; its cores have "
                        f"{', '.join(sorted(profile.features))}, so it would not run the kernels that they run."
                    )
            producer, library, base = self.call(guest.start)
        except BaseException:
            self.close()
            raise
        self.producer = f"{producer}, {profile.name} by {environment.emulator}"
        self._functions = Functions(Path(library), base) if self.counts else None

    def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """``function`` in the guest.

        Raises:
            RunError: the guest raised, died or ran out of time.
        """
        try:
            return self._child.call(function, self._timeout, *args, **kwargs)
        except ChildError as error:
            raise RunError(f"The arm64 guest of {self.profile.name} failed: {error}.") from error

    def counted(self) -> Counter[str]:
        """Instructions that each function executed in the last counted run, by name."""
        if self._functions is None:
            raise RunError(f"Instructions of {self.profile.name} cannot be counted by this emulator.")
        return self._functions.attribute(self._file.read_text(encoding="ascii"))

    def close(self) -> None:
        """End the process."""
        self._child.close()
        self._folder.cleanup()

    def __enter__(self) -> Guest:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Arm64Runtime(Runtime):
    """The ``forward`` method of a ``.pte``, in a guest that can open others before and after.

    ``instructions`` are those of the last run if ``counting`` was set before it, by function.
    """

    counting = False
    instructions: Counter[str]

    def __init__(self, path: Path, machine: Guest) -> None:
        self._guest, self.producer = machine, machine.producer
        try:
            inputs, outputs = machine.call(guest.open_program, str(path.absolute()))
        except PEValidateError as error:
            raise RunError(f"'{path}' cannot be loaded: {str(error).rstrip('.')}.") from error
        self.inputs, self.outputs = signature(inputs, outputs)

    def _run(self, image: NDArray[np.generic]) -> NDArray[np.generic]:
        index = self.outputs.index(self.features_spec())
        arguments = (image.tobytes(), str(image.dtype), image.shape, index, self.counting)
        content, dtype, shape = self._guest.call(guest.run, *arguments)
        if self.counting:
            self.instructions = self._guest.counted()
        return np.frombuffer(content, dtype).reshape(shape)
