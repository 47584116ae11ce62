"""Configuration files: ``pe-validate.toml``, or ``[tool.pe-validate]`` in ``pyproject.toml``.

The file is looked for in the current folder and in those above it. ``PE_VALIDATE_CONFIG`` names further files,
separated as in ``PATH``. Reading one loads no torch and runs no code.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from pe_validate.data.limits import Limits, Pieces, Tolerance
from pe_validate.inputs.contract import contract_named
from pe_validate.inputs.preprocessing import PREPROCESSINGS
from pe_validate.system.errors import UsageError

VARIABLE: Final = "PE_VALIDATE_CONFIG"
"""Environment variable with further configuration files."""

FILE: Final = "pe-validate.toml"
PROJECT: Final = "pyproject.toml"

Size = Annotated[int, Field(ge=1, le=2**16)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Input(_Table):
    """An input: its shape and type, and how photographs become its values, or the ends between which integers lie.

    ``dynamic`` has the least and the largest length of axes that may have any, by their number.
    """

    shape: tuple[Size, ...] = Field(min_length=1, max_length=8)
    dynamic: dict[int, tuple[Size, Size]] = {}
    dtype: Literal["float32", "int32", "int64", "bool"] = "float32"
    preprocessing: str | None = None
    range: tuple[int, int] = (0, 1)

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.preprocessing not in (None, *PREPROCESSINGS):
            raise ValueError(f"'{self.preprocessing}' is none of {', '.join(PREPROCESSINGS)}")
        if "range" in self.model_fields_set and (self.dtype == "float32" or self.range[0] > self.range[1]):
            raise ValueError(f"a range is the least and the largest integer of an input, not {list(self.range)}")
        for axis, (least, most) in self.dynamic.items():
            if not 0 <= axis < len(self.shape) or not least <= self.shape[axis] <= most or most < 2:
                raise ValueError(f"axis {axis} of {list(self.shape)} cannot have lengths from {least} to {most}")
        return self

    @property
    def declared(self) -> tuple[int, ...]:
        """The shape, -1 for axes of any length."""
        return tuple(-1 if axis in self.dynamic else length for axis, length in enumerate(self.shape))

    @property
    def shown(self) -> tuple[int, ...]:
        """The shape that exporters are shown: they would take a length of 1 to be meant."""
        return tuple(max(n, 2) if axis in self.dynamic else n for axis, n in enumerate(self.shape))

    def at_end(self, end: Literal[0, 1]) -> Self:
        """Return the input with the least lengths, or the largest."""
        shape = tuple(self.dynamic.get(axis, (n, n))[end] for axis, n in enumerate(self.shape))
        return self.model_copy(update={"shape": shape})


class Limit(_Table):
    """Limits of a model's own for one gate; the reason is mandatory."""

    max_rel: float = Field(gt=0)
    snr_db: float
    cosine: float = Field(le=1)
    reason: str = Field(min_length=10)

    @property
    def row(self) -> Tolerance:
        """The row of limits; nothing is known of what was measured."""
        limits = Limits(self.max_rel, self.snr_db, self.cosine)
        return Tolerance(limits, limits, self.reason)


class Delegation(_Table):
    """How many delegate calls, and which operators outside them, are accepted; the reason is mandatory."""

    calls: int = Field(default=1, ge=1)
    outside: tuple[str, ...] = ()
    reason: str = Field(min_length=10)

    @property
    def pieces(self) -> Pieces:
        """The same, as gates take it."""
        return Pieces(self.calls, self.outside, self.reason)


VARIATIONS: Final = frozenset({"image_size", "batch", "layer", "head", "normalise"})
"""What a model may have that is a variation of another one."""


class Entry(_Table):
    """A model: where its module comes from, what it takes and gives, and what is validated."""

    module: str | None = None
    program: Path | None = None
    base: str | None = None
    image_size: Size | None = None
    batch: Size = 1
    layer: Size | None = None
    head: Path | None = None
    normalise: bool = False
    weights: str | None = None
    targets: tuple[str, ...] = ()
    inputs: dict[str, Input] = {}
    outputs: tuple[str, ...] = ()
    feed: Path | None = None
    answer: Literal["embedding", "tensor"] = "tensor"
    rewrites: bool = True
    licence: str = "unknown"
    contract: str | None = None
    limits: dict[str, dict[str, Limit]] = {}
    delegation: dict[str, Delegation] = {}

    @field_validator("contract")
    @classmethod
    def _a_contract(cls, text: str | None) -> str | None:
        if text is not None:
            contract_named(text)
        return text

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        given = self.model_fields_set
        if sum(source is not None for source in (self.module, self.program, self.base)) != 1:
            raise ValueError("give one of 'module', 'program' and 'base'")
        if self.base is None and given & VARIATIONS:
            raise ValueError(f"'{min(given & VARIATIONS)}' is of a variation: name what it varies by 'base'")
        if (self.base is None) != bool(self.inputs):
            raise ValueError("'inputs' are given of a module or a program, and are known of a 'base'")
        return self


class _Configuration(_Table):
    models: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")], Entry] = {}


def configuration_files() -> tuple[Path, ...]:
    """Return the configuration files that apply here: those of the environment, then the nearest one."""
    further = [Path(name) for name in os.environ.get(VARIABLE, "").split(os.pathsep) if name]
    return (*further, *_nearest(Path.cwd()))


def _nearest(folder: Path) -> Iterator[Path]:
    for each in (folder, *folder.parents):
        if (each / FILE).is_file():
            yield each / FILE
            return
        if (each / PROJECT).is_file() and _section(each / PROJECT) is not None:
            yield each / PROJECT
            return


def read_configuration(path: Path) -> dict[str, Entry]:
    """Return the models of a configuration file, by name.

    Raises:
        UsageError: it cannot be read, or says something that is not understood.
    """
    return _models(path, _section(path) or {})


def configured(path: Path, text: str) -> dict[str, Entry]:
    """Return the models of the text of a configuration file; ``path`` is where it is, or would be.

    Raises:
        UsageError: it says something that is not understood.
    """
    try:
        return _models(path, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"'{path}' is not TOML: {error}.") from error


def _models(path: Path, content: dict[str, Any]) -> dict[str, Entry]:
    try:
        return _Configuration.model_validate(content).models
    except ValidationError as error:
        problems = error.errors(include_url=False)
        first = problems[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        more = f" ({len(problems) - 1} more)" * (len(problems) > 1)
        reason = first["msg"].removeprefix("Value error, ")
        raise UsageError(f"'{path}' is not understood at {where}: {reason}{more}.") from error


@cache
def _parsed(path: Path, changed: int) -> dict[str, Any]:
    """Return the content of a TOML file; ``changed`` is when it was, so that each version is read once."""
    return tomllib.loads(path.read_text(encoding="utf-8"))


def _section(path: Path) -> dict[str, Any] | None:
    """Return the tables of a configuration file; None for a ``pyproject.toml`` that has none."""
    try:
        content = _parsed(path, path.stat().st_mtime_ns)
    except OSError as error:
        raise UsageError(f"'{path}' cannot be read ({error.strerror or error}).") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        if path.name == PROJECT:
            return None  # it is not this project's to complain about
        raise UsageError(f"'{path}' is not TOML: {error}.") from error
    if path.name != PROJECT:
        return content
    section: dict[str, Any] | None = content.get("tool", {}).get("pe-validate")
    return section
