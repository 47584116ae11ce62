"""A user's own model: the module that a factory or a saved program gives, under test like any other model.

The module is captured once, by ``torch.export``, in the process of the user. Child processes read the saved program and
never run the user's code; its content is the identity of the weights, so every cache notices when it changes.
"""

from __future__ import annotations

import atexit
import inspect
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from pe_validate.data.limits import Pieces, Tolerance
from pe_validate.data.recipe import FUSED, HALF, LINEAR
from pe_validate.data.tensors import OUTPUT_NAME, TensorSpec
from pe_validate.inputs.contract import contract_named
from pe_validate.inputs.feed import ArrayFeed, Feed, ImageFeed, IntegerFeed, JointFeed, LengthsFeed, arrays_in
from pe_validate.inputs.preprocessing import PREPROCESSINGS
from pe_validate.models.base import DEFAULT_WEIGHTS, Model
from pe_validate.models.own.config import Entry, Input
from pe_validate.models.own.variation import Variation
from pe_validate.system.errors import LoadError, UsageError
from pe_validate.tasks.answer import ONE_EMBEDDING

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pe_validate.models.weights import Weights

CAPTURED: Final = "captured:"
"""The beginning of the spec of weights that a child reads: the rest is the path of a saved program."""

Factory = Callable[..., Any]


class OwnModel(Model):
    """A model of a configuration file in ``folder``."""

    modules = tuple(f"pe_validate.models.own.{name}" for name in ("program", "rewrites", "parts"))

    def __init__(self, name: str, entry: Entry, folder: Path) -> None:
        self.name, self._entry, self._folder = name, entry, folder
        if entry.base:
            varied = Variation(name, entry, folder)
            self.inputs, self.feed, self.answer = varied.inputs, varied.feed, varied.answer
            self._varied: Variation | None = varied
        else:
            self.inputs = tuple(TensorSpec(each, given.declared, given.dtype) for each, given in entry.inputs.items())
            self.feed = _feed(name, entry, folder)
            self.lengths = {each: given.dynamic for each, given in entry.inputs.items() if given.dynamic}
            self.answer = ONE_EMBEDDING if entry.answer == "embedding" else None
            self._varied = None
        self.kinds = entry.targets
        self.licence = entry.licence
        self.contract = contract_named(entry.contract) if entry.contract else None
        self.eager: nn.Module | None = None
        """The module itself, if this process has it in memory."""
        self._weights: dict[str, Weights] = {}
        self._loaded: dict[str, _Loaded] = {}

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:  # type: ignore[override]  # they are known once the module has run
        """The outputs; they are known once weights have been loaded."""
        loaded = next(reversed(self._loaded.values()), None)
        return loaded.outputs if loaded else ()

    def example_shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Return the shapes of inputs that exporters are shown, by name."""
        if self._varied is not None:
            return super().example_shapes()
        return {name: given.shown for name, given in self._entry.inputs.items()}

    def limit(self, kind: str, gate: str) -> Tolerance | None:
        """Return the model's own row of limits for ``TARGET/PRECISION`` and a gate."""
        row = self._entry.limits.get(kind, {}).get(gate)
        return row.row if row else None

    def pieces(self, kind: str) -> Pieces | None:
        """Return the accepted delegation of ``TARGET/PRECISION``, or that of the model which it varies."""
        found = self._entry.delegation.get(kind)
        if found:
            return found.pieces
        return self._varied.pieces(kind) if self._varied else None

    def load_weights(self, spec: str) -> Weights:
        """Build the module, with random numbers from ``seed:N`` or weights from ``file:PATH``, and capture it.

        By default the weights are those of the configuration file. A process does this once for each spec.
        """
        if spec not in self._weights:
            self._weights[spec] = self._captured(spec)
        return self._weights[spec]

    def _captured(self, spec: str) -> Weights:
        from pe_validate.models.own.program import flat, identity, joint, read_captured, specs, tensors
        from pe_validate.models.weights import Weights

        if spec.startswith(CAPTURED):
            path = Path(spec.removeprefix(CAPTURED))
            (program, names, forms), module = read_captured(path), None
            digest = joint(identity(program), forms)
            notes: tuple[str, ...] = ()
        else:
            zeros = self._zeros()
            built, notes = self._built(spec)
            module, chosen = flat(self.name, built, zeros, self._entry.outputs)
            if self.answer and len(chosen) > 1:
                raise LoadError(
                    f"{self.name} gives {', '.join(chosen)}, and its answer is one embedding: name it in 'outputs'."
                )
            program = self._capture(module)
            parts = self._parts_deployed(module)
            forms = {form: identity(each) for form, each in parts.items()}
            digest = joint(identity(program), forms)
            names = [_named(each) for each in chosen] if self._entry.outputs or len(chosen) > 1 else [OUTPUT_NAME]
            path = _saved(program, names, parts, digest)
        self._loaded[digest] = _Loaded(program, specs(program, names), path, module)
        return Weights(f"{CAPTURED}{path}", digest, tensors(program), notes, asked=spec)

    def _parts_deployed(self, module: nn.Module) -> dict[str, Any]:
        """Return the program of ``module`` in each form, if parts of it know their own deployable forms."""
        from pe_validate.models.own.parts import with_parts_deployed

        found, probe = {}, self._probe()
        for form in (FUSED, LINEAR, HALF) if self._rewrites else ():
            if deployed := with_parts_deployed(module, form, probe):
                found[form] = self._capture(deployed)
        return found

    def load(self, weights: Weights) -> nn.Module:
        """Return the user's own module, or in a child process the program that was captured from it."""
        from pe_validate.models.own.program import module_of

        loaded = self._loaded[weights.sha256]
        if loaded.module is None:
            loaded.module = module_of(loaded.program)
        return loaded.module

    def deployable(self, module: Any, form: str) -> nn.Module:
        """Return the captured program as a module with its own tensors, rewritten for ``form`` where that is exact."""
        from pe_validate.models.own.program import copy_of, form_path, module_of, read_program
        from pe_validate.models.own.rewrites import rewritten

        known = next((each for each in self._loaded.values() if each.module is module), None)
        if known and self._rewrites and form_path(known.path, form).exists():
            program = read_program(form_path(known.path, form))
        else:
            program = known.program if known else self._capture(module)
        found = module_of(program)
        return rewritten(found, form, self._probe()) if self._rewrites else copy_of(found)

    @property
    def _rewrites(self) -> bool:
        """True if it is rewritten for targets: rewrites are proved for one shape."""
        return self._entry.rewrites and not self.lengths

    def _capture(self, module: nn.Module) -> Any:
        from pe_validate.models.own.program import captured

        return captured(self.name, module, tuple(self._zeros().values()), self.dynamic_shapes())

    def _zeros(self) -> dict[str, Tensor]:
        import torch

        shown = self.example_shapes()
        return {spec.name: torch.zeros(shown[spec.name], dtype=getattr(torch, spec.dtype)) for spec in self.inputs}

    def _probe(self) -> tuple[Tensor, ...]:
        """Return random inputs on which a rewrite is proved."""
        import torch

        feed = JointFeed(tuple(map(_noise, self._entry.inputs.values()))) if self._entry.inputs else self.feed
        (sample,) = feed.crops(1, 0)
        return tuple(map(torch.from_numpy, sample.values))

    def _built(self, spec: str) -> tuple[nn.Module, tuple[str, ...]]:
        """Return the module, and what there is to say of its weights."""
        from pe_validate.models.own.program import module_of, read_program

        if self.eager is not None:
            return self.eager, ()
        if self._varied is not None:
            return self._varied.built(spec)
        if self._entry.program:
            if spec != DEFAULT_WEIGHTS:
                raise UsageError(f"{self.name} is a saved program, which holds its weights: leave out --weights.")
            return module_of(read_program(self._folder / self._entry.program)), ()
        return self._made(spec), ()

    def _made(self, spec: str) -> nn.Module:
        import torch
        from torch import nn

        factory = _factory(self.name, str(self._entry.module), self._folder)
        file = self._entry.weights and str(self._folder / self._entry.weights) if spec == DEFAULT_WEIGHTS else None
        kind, _, rest = spec.partition(":")
        if kind not in ("seed", "file") or (kind == "seed" and not rest.isdecimal()):
            raise UsageError(f"Weights '{spec}' of {self.name} are not 'seed:N' or 'file:PATH'.")
        file = rest if kind == "file" else file
        takes_weights = _takes_an_argument(factory)
        if takes_weights and file is None:
            raise UsageError(f"The factory of {self.name} takes weights: pass --weights file:PATH.")
        with torch.random.fork_rng():
            torch.manual_seed(int(rest) if kind == "seed" else 0)
            try:
                module = factory(file) if takes_weights else factory()
            except Exception as error:
                raise LoadError(
                    f"The factory {self._entry.module} of {self.name} failed, {type(error).__name__}: {error}."
                ) from error
        if not isinstance(module, nn.Module):
            raise LoadError(f"The factory {self._entry.module} of {self.name} gives no nn.Module: {type(module)}.")
        module = module.float().eval().requires_grad_(False)
        if file is not None and not takes_weights:
            from pe_validate.models.weights import read_file

            module.load_state_dict(read_file(file, module.state_dict(), self.name).tensors)
        return module


@dataclass
class _Loaded:
    program: Any
    outputs: tuple[TensorSpec, ...]
    path: Path
    module: nn.Module | None = field(repr=False)


def _feed(name: str, entry: Entry, folder: Path) -> Feed:
    """Return what a model is fed: the arrays of a file, photographs where it takes images, else noise.

    Raises:
        UsageError: a preprocessing is named, and the input is no image.
    """
    only = len(entry.inputs) == 1
    parts: list[Feed] = []
    for called, given in entry.inputs.items():
        if entry.feed:
            parts.append(_StoredFeed(_noise(given), folder / entry.feed, None if only else called))
        else:
            parts.append(_image_feed(name, given) or _noise(given))
    whole = parts[0] if only else JointFeed(tuple(parts))
    further: dict[str, Feed] = {}
    for end in (0, 1):
        sized = [given.at_end(end) for given in entry.inputs.values()]
        if sized != list(entry.inputs.values()):
            feeds = tuple(_image_feed(name, each) or _noise(each) for each in sized)
            lengths = " and ".join("×".join(map(str, each.shape)) for each in sized)
            further[lengths] = feeds[0] if only else JointFeed(feeds)
    return LengthsFeed(whole, further) if further else whole


def _noise(given: Input) -> ArrayFeed | IntegerFeed:
    if given.dtype == "float32":
        return ArrayFeed(given.shape)
    return IntegerFeed(given.shape, given.dtype, given.range)


def _image_feed(name: str, given: Input) -> Feed | None:
    shape = given.shape
    if given.dtype == "float32" and len(shape) == 4 and 3 in (shape[1], shape[3]):
        last = shape[1] != 3
        height, width = shape[1:3] if last else shape[2:4]
        wide = None if width == height else width
        return ImageFeed(height, wide, shape[0], last, PREPROCESSINGS[given.preprocessing or "pe"])
    if given.preprocessing and len(shape) == 4 and shape[1] == 1:
        wide = None if shape[2] == shape[3] else shape[3]
        return ImageFeed(shape[2], wide, shape[0], False, PREPROCESSINGS[given.preprocessing], grey=True)
    if given.preprocessing:
        raise UsageError(
            f"{name} has a preprocessing and takes {list(shape)}, which is no batch of RGB or grey images."
        )
    return None


@dataclass(frozen=True, slots=True)
class _StoredFeed(Feed):
    """The arrays of a file, read when they are needed, and noise like them; ``only`` names the array of an input."""

    noise: ArrayFeed | IntegerFeed
    path: Path
    only: str | None

    def samples(self, photographs: Path | None = None) -> Any:
        """Return the arrays."""
        return self._read().samples()

    def crops(self, count: int, seed: int, photographs: Path | None = None) -> Any:
        """Return noise with the mean and the standard deviation of the arrays, or integers between their ends."""
        return self._read().crops(count, seed)

    def extremes(self) -> Any:
        """Return constants three standard deviations below and above the mean of the arrays, or their ends."""
        return self._read().extremes()

    def _read(self) -> Feed:
        import numpy as np

        given = arrays_in(self.path, self.noise.shape, self.only)
        values = np.stack(list(given.values()))
        if isinstance(self.noise, IntegerFeed):
            whole = {name: array.astype(self.noise.dtype) for name, array in given.items()}
            return replace(self.noise, given=whole, ends=(int(values.min()), int(values.max())))
        floats = {name: array.astype(np.float32) for name, array in given.items()}
        return replace(self.noise, given=floats, mean=float(values.mean()), std=float(values.std()))


def _factory(name: str, spec: str, folder: Path) -> Factory:
    """Import the factory ``package.module:function`` or ``file.py:function``.

    Raises:
        UsageError: there is no such file, module or function, or importing it fails.
    """
    where, _, called = spec.partition(":")
    try:
        module = _module_of_file(folder / where) if where.endswith(".py") else import_module(where)
        factory = getattr(module, called)
    except Exception as error:
        raise UsageError(
            f"The factory '{spec}' of {name} cannot be imported from '{folder}', {type(error).__name__}: {error}."
        ) from error
    if not callable(factory):
        raise UsageError(f"The factory '{spec}' of {name} is no function, but {type(factory).__name__}.")
    found: Factory = factory
    return found


def _module_of_file(path: Path) -> Any:
    """Run a file as a module: what it says now, for Python's own cache of a file knows it by second and size only."""
    if not path.is_file():
        raise FileNotFoundError(f"there is no file '{path}'")
    module = ModuleType(f"_pe_validate_own_{path.stem}")
    module.__file__ = str(path)
    code = compile(path.read_bytes(), path, "exec")
    sys.modules[module.__name__] = module
    sys.path.insert(0, str(path.parent))  # its neighbours can be imported, as by 'python file.py'
    try:
        exec(code, module.__dict__)  # the code that the user asked to run
    finally:
        sys.path.remove(str(path.parent))
    return module


def _takes_an_argument(factory: Factory) -> bool:
    """Return whether a factory must be given something: a class or function with a parameter that has no default."""
    parameters = inspect.signature(factory).parameters.values()
    return any(p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)


def _named(output: str) -> str:
    """Return the name by which artifacts call an output: one that every format takes."""
    name = re.sub(r"\W", "_", output)
    return f"output_{name}" if name[0].isdecimal() else name


def _saved(program: Any, names: Sequence[str], forms: Mapping[str, Any], digest: str) -> Path:
    """Save a program, and its forms beside it, for the children of this process; return its path."""
    from pe_validate.models.own.program import save_captured

    path = scratch() / f"{digest[:32]}.pt2"
    if not path.exists():
        save_captured(program, names, forms, path)
    return path


@cache
def scratch() -> Path:
    """Return a folder that goes when this process ends."""
    folder = Path(tempfile.mkdtemp(prefix="pe_validate-models-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def models_of(path: Path, entries: Mapping[str, Entry]) -> dict[str, OwnModel]:
    """Return the models of a configuration file."""
    return {name: OwnModel(name, entry, path.parent) for name, entry in entries.items()}
