"""Own models as ``torch.export`` programs, which child processes read from a file and caches know by content."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, fx, nn
from torch.export import ExportedProgram
from torch.nn import functional

from pe_validate.data.tensors import OUTPUT_NAME, TensorSpec
from pe_validate.models.own.archive import check_plain
from pe_validate.system.errors import LoadError, first_line
from pe_validate.system.quiet import quiet_libraries

LISTED = 6
"""The most outputs that an error message lists."""


ABOUT: Final = "about.json"
"""The file, in a captured program's archive, that holds the names of its outputs and the identities of its forms."""


class Flat(nn.Module):
    """A module that gives some of the outputs of another: one as it is, several as a tuple.

    ``inputs`` are the names by which the other one is given its inputs; there are none if they have places only.
    """

    def __init__(self, module: nn.Module, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        super().__init__()
        self.module, self.inputs, self.outputs = module, tuple(inputs), tuple(outputs)

    def forward(self, *given: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Return the chosen outputs."""
        found = dict(tensors_of(called(self.module, self.inputs, given)))
        chosen = tuple(found[name] for name in self.outputs)
        return chosen if len(chosen) > 1 else chosen[0]


class Normalise(nn.Module):
    """Scales features along the last axis to length 1."""

    def forward(self, features: Tensor) -> Tensor:
        """Scale them."""
        return functional.normalize(features, dim=-1)


def called(module: nn.Module, names: Sequence[str], given: Sequence[Tensor]) -> object:
    """Return what a module answers to inputs that have ``names``, or places if there are none."""
    return module(**dict(zip(names, given, strict=True))) if names else module(*given)


def tensors_of(answer: object, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors in what a module returns, by name: keys of mappings, places in sequences, joined by a dot."""
    if isinstance(answer, Tensor):
        yield name or OUTPUT_NAME, answer
    parts: Mapping[object, object] = {}
    if isinstance(answer, Mapping):
        parts = answer
    elif isinstance(answer, (tuple, list)):
        parts = dict(enumerate(answer))
    for key, part in parts.items():
        yield from tensors_of(part, f"{name}.{key}" if name else str(key))


def flat(
    name: str, module: nn.Module, example: Mapping[str, Tensor], outputs: Sequence[str]
) -> tuple[nn.Module, list[str]]:
    """Return ``module``, or a module that gives the chosen outputs of it, by default all, and the names of these.

    Inputs are given by name if ``module`` has parameters of those names, else by place.

    Raises:
        LoadError: the module fails, gives no tensor, or there is no such output.
    """
    names = list(example) if set(example) <= set(inspect.signature(module.forward).parameters) else []
    try:
        with torch.no_grad():
            answer = called(module, names, list(example.values()))
    except Exception as error:
        shapes = ", ".join(f"{list(each.shape)}" for each in example.values())
        is_that = "is that the shape of its input" if len(example) == 1 else "are those the shapes of its inputs"
        raise LoadError(f"{name} fails on {shapes}: {first_line(error)}; {is_that}?") from error
    found = dict(tensors_of(answer))
    unknown = [each for each in outputs if each not in found]
    if unknown or not found:
        listed = ", ".join(f"'{key}' {list(tensor.shape)}" for key, tensor in list(found.items())[:LISTED])
        listed = (listed or "no tensor") + f" and {len(found) - LISTED} more" * (len(found) > LISTED)
        raise LoadError(f"{name} {f'has no output {unknown[0]!r}: it' * bool(unknown)} gives {listed}.")
    chosen = list(outputs or found)
    plain = isinstance(answer, Tensor) and len(example) == 1
    return (module if plain else Flat(module, names, chosen)), chosen


def captured(
    name: str, module: nn.Module, given: tuple[Tensor, ...], dynamic_shapes: tuple[dict[int, object], ...] | None = None
) -> ExportedProgram:
    """Return the program of ``module`` for inputs of the shapes of those ``given``, but for axes of any length.

    Raises:
        LoadError: ``torch.export`` cannot trace it.
    """
    # The inputs of Flat are one argument.
    shapes = (dynamic_shapes,) if dynamic_shapes and isinstance(module, Flat) else dynamic_shapes
    try:
        return torch.export.export(module, given, dynamic_shapes=shapes)
    except Exception as error:
        raise LoadError(
            f"{name} cannot be captured by torch.export, on which every target is built: {first_line(error)}; "
            f"torch.export.export(module, inputs) shows the same with the line of your code."
        ) from error


def read_program(path: Path, extra: dict[str, str] | None = None) -> ExportedProgram:
    """Load a saved program, and the ``extra`` files with it; archives that would run code of their own are refused.

    Raises:
        LoadError: the file is missing, damaged, or would run code.
    """
    if not path.is_file():
        raise LoadError(f"There is no exported program at '{path}': save one with torch.export.save.")
    try:
        check_plain(path)
        return torch.export.load(path, extra_files=extra)
    except Exception as error:
        raise LoadError(f"'{path}' is not an exported program that can be loaded: {first_line(error)}.") from error


def save_captured(
    program: ExportedProgram, names: Sequence[str], forms: Mapping[str, ExportedProgram], path: Path
) -> None:
    """Save a program together with the names of its outputs, and its forms beside it."""
    for form, each in forms.items():
        torch.export.save(each, form_path(path, form))
    about = {"outputs": list(names), "forms": {form: identity(each) for form, each in forms.items()}}
    torch.export.save(program, path, extra_files={ABOUT: json.dumps(about)})


def read_captured(path: Path) -> tuple[ExportedProgram, list[str], dict[str, str]]:
    """Load what :func:`save_captured` has saved: a program, the names of its outputs, and its forms' identities."""
    extra = {ABOUT: ""}
    program = read_program(path, extra)
    about = json.loads(extra[ABOUT])
    return program, about["outputs"], about["forms"]


def form_path(path: Path, form: str) -> Path:
    """Return where the form of a saved program is."""
    return path.with_name(f"{path.stem}-{form}.pt2")


def joint(program: str, forms: Mapping[str, str]) -> str:
    """Return the identity of a program together with those of its forms; its own if it has none."""
    listed = json.dumps([program, dict(forms)], sort_keys=True)
    return hashlib.sha256(listed.encode()).hexdigest() if forms else program


def specs(program: ExportedProgram, names: Sequence[str]) -> tuple[TensorSpec, ...]:
    """Return the specifications of a program's outputs, which are called ``names``."""
    (answers,) = next(node for node in program.graph.nodes if node.op == "output").args
    values = (node.meta["val"] for node in answers)
    return tuple(
        TensorSpec(
            name,
            tuple(size if isinstance(size, int) else -1 for size in value.shape),
            str(value.dtype).removeprefix("torch."),
        )
        for name, value in zip(names, values, strict=True)
    )


def module_of(program: ExportedProgram) -> fx.GraphModule:
    """Return the program as a module whose linear layers are ``nn.Linear``, so that they can be quantised."""
    module = program.module(check_guards=False)
    assert isinstance(module, fx.GraphModule)
    for number, node in enumerate(list(module.graph.nodes)):
        if node.target is torch.ops.aten.linear.default:
            _restore_linear(module, node, f"linear_{number}")
    module.graph.eliminate_dead_code()
    module.recompile()
    module.requires_grad_(False)
    return module


def copy_of(module: fx.GraphModule) -> fx.GraphModule:
    """Return a copy that shares no tensor; torch 2.13 warns of its own tree specs when they are copied."""
    with quiet_libraries():
        return deepcopy(module)


def _restore_linear(module: fx.GraphModule, node: fx.Node, name: str) -> None:
    given, *stored = node.args
    if not all(isinstance(each, fx.Node) and each.op == "get_attr" for each in stored if each is not None):
        return  # a weight that is computed
    weight, *bias = (_attribute(module, str(each.target)) for each in stored if isinstance(each, fx.Node))
    if not isinstance(weight, nn.Parameter):
        return  # a constant of the graph, such as the average inside a rewritten LayerNorm, which is never quantised
    linear = nn.Linear(weight.shape[1], weight.shape[0], bias=bool(bias), device="meta")
    linear.load_state_dict({"weight": weight, **({"bias": bias[0]} if bias else {})}, assign=True)
    replace_by_module(module, node, name, linear, (given,))


def _attribute(module: nn.Module, name: str) -> Tensor:
    where, _, last = name.rpartition(".")
    found: Tensor = getattr(module.get_submodule(where), last)
    return found


def replace_by_module(
    module: fx.GraphModule, node: fx.Node, name: str, part: nn.Module, given: tuple[object, ...]
) -> None:
    """Call ``part`` with ``given``, nodes of the graph, in place of ``node``; it becomes the submodule ``name``."""
    module.add_submodule(name, part)
    with module.graph.inserting_before(node):
        replacement = module.graph.call_module(name, given)  # type: ignore[arg-type]  # nodes of this graph
    replacement.meta = dict(node.meta)
    node.replace_all_uses_with(replacement)
    module.graph.erase_node(node)


def tensors(program: ExportedProgram) -> dict[str, Tensor]:
    """Return the parameters, buffers and constants of a program, by name."""
    constants = {name: value for name, value in program.constants.items() if isinstance(value, Tensor)}
    return {**program.state_dict, **constants}


def identity(program: ExportedProgram) -> str:
    """Return the sha256 of a program's graph and tensors; it does not depend on the file that holds them."""
    total = hashlib.sha256(f"{program.graph}\n{program.graph_signature}\n".encode())
    for name, tensor in sorted(tensors(program).items()):
        total.update(f"{name}\0{tensor.dtype}{list(tensor.shape)}".encode())
        total.update(tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()
