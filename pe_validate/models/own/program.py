"""Own models as ``torch.export`` programs, which child processes read from a file and caches know by content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path

import torch
from torch import Tensor, fx, nn
from torch.export import ExportedProgram

from pe_validate.data.tensors import OUTPUT_NAME
from pe_validate.models.own.archive import check_plain
from pe_validate.system.errors import LoadError, first_line
from pe_validate.system.quiet import quiet_libraries

LISTED = 6
"""The most outputs that an error message lists."""


class OneOutput(nn.Module):
    """A module that gives one of the outputs of another, in float32."""

    def __init__(self, module: nn.Module, output: str | None) -> None:
        super().__init__()
        self.module, self.output = module, output

    def forward(self, image: Tensor) -> Tensor:
        """Return the chosen output, or the only one."""
        found = dict(tensors_of(self.module(image)))
        return found[self.output] if self.output else next(iter(found.values()))


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


def one_output(name: str, module: nn.Module, image: Tensor, output: str | None) -> nn.Module:
    """Return ``module``, or a module that gives the output that is named.

    Raises:
        LoadError: the module fails, there is no such output, or there are several and none is named.
    """
    try:
        with torch.no_grad():
            answer = module(image)
    except Exception as error:
        raise LoadError(
            f"{name} fails on {list(image.shape)}: {first_line(error)}; is that the shape of its input?"
        ) from error
    found = dict(tensors_of(answer))
    listed = ", ".join(f"'{key}' {list(tensor.shape)}" for key, tensor in list(found.items())[:LISTED]) or "no tensor"
    listed += f" and {len(found) - LISTED} more" * (len(found) > LISTED)
    if output is not None and output not in found:
        raise LoadError(f"{name} has no output '{output}': it gives {listed}.")
    if output is None and len(found) != 1:
        raise LoadError(f"{name} gives {listed}: name the one to validate with 'output = …'.")
    return module if isinstance(answer, Tensor) else OneOutput(module, output)


def captured(name: str, module: nn.Module, image: Tensor) -> ExportedProgram:
    """Return the program of ``module`` for inputs of ``image``'s shape.

    Raises:
        LoadError: ``torch.export`` cannot trace it.
    """
    try:
        return torch.export.export(module, (image,))
    except Exception as error:
        raise LoadError(
            f"{name} cannot be captured by torch.export, on which every target is built: {first_line(error)}; "
            f"torch.export.export(module, (image,)) shows the same with the line of your code."
        ) from error


def read_program(path: Path) -> ExportedProgram:
    """Load a saved program; archives that would run code of their own are refused.

    Raises:
        LoadError: the file is missing, damaged, or would run code.
    """
    if not path.is_file():
        raise LoadError(f"There is no exported program at '{path}': save one with torch.export.save.")
    try:
        check_plain(path)
        return torch.export.load(path)
    except Exception as error:
        raise LoadError(f"'{path}' is not an exported program that can be loaded: {first_line(error)}.") from error


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
    weight, *bias = (module.get_parameter(str(each.target)) for each in stored if isinstance(each, fx.Node))
    linear = nn.Linear(weight.shape[1], weight.shape[0], bias=bool(bias), device="meta")
    linear.load_state_dict({"weight": weight, **({"bias": bias[0]} if bias else {})}, assign=True)
    replace_by_module(module, node, name, linear, (given,))


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
