"""Find a model's tensors in a checkpoint, however training code has saved them.

A checkpoint is a mapping that holds tensors, or holds mappings that do: under ``state_dict``, ``model``, ``module`` …
Names may have prefixes, of wrappers (``module.``, ``_orig_mod.``) or of a larger model (``visual.``). The state dict
and the prefix under which every tensor of the model is found, in its shape, are taken; what was taken and what was left
is said. Nothing is executed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from pe_validate.system.errors import LoadError

DEPTH: Final = 3
"""Mappings that are looked into: the checkpoint, and those inside it."""

LISTED: Final = 4
"""The most tensors that a message names."""

AVERAGED: Final = re.compile(r"(^|[._-])ema($|[._-])", re.IGNORECASE)
"""A part of the name of weights that are a moving average."""

ADAPTED: Final = ".lora_"
"""A part of the names of LoRA's low-rank factors, as PEFT names them."""

BASE_LAYER: Final = ".base_layer."
"""What PEFT inserts into the names of the weights that have such factors."""


Resample = Callable[[str, Tensor], tuple[Tensor, str] | None]
"""A function from the name and values of a tensor of another shape to values in the model's shape, and a note."""


def as_they_are(name: str, tensor: Tensor) -> None:
    """Resample nothing."""


@dataclass(frozen=True, slots=True)
class Fit:
    """The tensors of a model, under its own names, and notes on what was taken and what was left alone."""

    tensors: dict[str, Tensor]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Candidate:
    """Tensors of a checkpoint below ``path`` that may be the model's if ``prefix`` is removed from their names."""

    path: str
    prefix: str
    tensors: Mapping[str, Tensor]

    @property
    def averaged(self) -> bool:
        return bool(AVERAGED.search(self.path) or AVERAGED.search(self.prefix))

    def named(self) -> dict[str, Tensor]:
        """Return the tensors under the model's names."""
        named = {name[len(self.prefix) :]: t for name, t in self.tensors.items() if name.startswith(self.prefix)}
        return {name.replace(BASE_LAYER, "."): tensor for name, tensor in named.items()}

    def problems(self, expected: Mapping[str, Tensor], resample: Resample) -> list[str]:
        """Return what keeps these tensors from being the model."""
        found = self.named()
        problems = [f"missing {name}" for name in expected if name not in found]
        shapes = {_numberless(name) for name in expected if _numberless(name) != name}
        # A layer more makes another model; a head or a buffer beside it does not.
        problems += [f"surplus {name}" for name in found if name not in expected and _numberless(name) in shapes]
        for name, wanted in expected.items():
            if name not in found:
                continue
            if not _is_plain(found[name], wanted):
                problems.append(f"{name} is not a plain tensor of {_kind(wanted)} numbers")
            elif found[name].shape != wanted.shape and resample(name, found[name]) is None:
                problems.append(f"mis-shaped {name} {list(found[name].shape)} instead of {list(wanted.shape)}")
        return problems

    @property
    def where(self) -> str:
        under = f" under '{self.path}'" if self.path else ""
        return f"the tensors{under}" + (f" named '{self.prefix}…'" if self.prefix else "")


def fit(
    content: Mapping[str, object],
    expected: Mapping[str, Tensor],
    model: str,
    spec: str,
    *,
    ema: bool = False,
    resample: Resample = as_they_are,
    told: Sequence[str] = (),
) -> Fit:
    """Return the tensors of ``model`` in a checkpoint, in float32 where they are floating-point numbers.

    ``expected`` has their names, shapes and types. ``ema`` takes the moving average of the weights and not the weights.
    ``resample`` is asked for tensors of another shape, such as positions of another image size. ``told`` are names of
    numbers beside the model whose values are noted.

    Raises:
        LoadError: the checkpoint does not hold the model.
    """
    ranked = [(each.problems(expected, resample), each) for each in _candidates(content, expected)]
    ranked.sort(key=lambda pair: len(pair[0]))
    whole = [each for problems, each in ranked if not problems]
    if not whole:
        raise LoadError(_refusal(model, spec, *ranked[0]))
    wanted = [each for each in whole if each.averaged == ema]
    if ema and not wanted:
        raise LoadError(f"'{spec}' holds no moving average of {model}, only {whole[0].where}: leave out '--ema'.")
    chosen = (wanted or whole)[0]
    found = _merged(chosen.named(), content, spec)
    left = [each for each in whole if each is not chosen]
    tensors, notes = {}, _notes(chosen, left, expected)
    for name, like in expected.items():
        tensors[name] = _plain(found[name], like)
        if tensors[name].shape != like.shape and (resampled := resample(name, tensors[name])):
            tensors[name], note = resampled
            notes = (*notes, note)
    numbers = {name: chosen.tensors.get(chosen.prefix + name) for name in told}
    said = (
        f"{name} is {float(value):.4f}." for name, value in numbers.items() if value is not None and value.numel() == 1
    )
    return Fit(tensors, (*notes, *said))


def _candidates(content: Mapping[str, object], expected: Mapping[str, Tensor]) -> Iterator[_Candidate]:
    names = list(expected)
    for path, tensors in _state_dicts(content):
        prefixes = {""}
        for anchor in (names[0], names[-1]):
            prefixes |= {name[: -len(anchor)] for name in tensors if name.endswith(f".{anchor}")}
        for prefix in sorted(prefixes, key=len):
            yield _Candidate(path, prefix, tensors)


def _state_dicts(
    content: Mapping[str, object], path: str = "", depth: int = DEPTH
) -> Iterator[tuple[str, dict[str, Tensor]]]:
    named = {name: value for name, value in content.items() if isinstance(name, str)}
    yield path, {name: value for name, value in named.items() if isinstance(value, Tensor)}
    for name, value in named.items():
        if isinstance(value, Mapping) and depth > 1:
            yield from _state_dicts(value, f"{path}.{name}" if path else name, depth - 1)


def _numberless(name: str) -> str:
    return re.sub(r"\d+", "#", name)


def _is_plain(tensor: Tensor, wanted: Tensor) -> bool:
    """Return whether a tensor is dense, on the CPU, not nested or quantised, and holds numbers of ``wanted``'s kind."""
    dense = tensor.layout is torch.strided and not tensor.is_nested and tensor.device.type == "cpu"
    if not wanted.is_floating_point():
        return dense and tensor.dtype == wanted.dtype
    return dense and tensor.dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def _kind(wanted: Tensor) -> str:
    return "floating-point" if wanted.is_floating_point() else str(wanted.dtype).removeprefix("torch.")


def _plain(tensor: Tensor, wanted: Tensor) -> Tensor:
    dtype = torch.float32 if wanted.is_floating_point() else wanted.dtype
    return tensor.detach().to(dtype, copy=True).contiguous()


def _merged(found: dict[str, Tensor], content: Mapping[str, object], spec: str) -> dict[str, Tensor]:
    """Add LoRA's factors to the weights, if there are any: ``W + alpha / r · B A``, where the checkpoint says alpha.

    Source: PEFT's documentation of LoRA.

    Raises:
        LoadError: a factor or alpha is missing.
    """
    alpha = content.get("lora_alpha")
    merged, factors = dict(found), {name for name in found if ADAPTED in name}
    for name in sorted(factors):
        layer, _, rest = name.partition(".lora_A.")
        second = f"{layer}.lora_B.{rest}"
        if second in factors and f"{layer}.weight" in found and isinstance(alpha, int | float):
            first = found[name].float()
            change = alpha / first.shape[0] * found[second].float() @ first
            merged[f"{layer}.weight"] = found[f"{layer}.weight"].float() + change
            factors -= {name, second}
    if factors:
        raise LoadError(
            f"'{spec}' holds LoRA's factors, such as '{min(factors)}', beside the weights and not merged into them: "
            "merge them with PEFT's merge_and_unload(), then save the state dict."
        )
    return merged


def _notes(chosen: _Candidate, left: list[_Candidate], expected: Mapping[str, Tensor]) -> tuple[str, ...]:
    notes = [f"Weights are {chosen.where}."] if chosen.path or chosen.prefix else []
    for each in left:
        hint = "; '--ema' takes them" if each.averaged and not chosen.averaged else ""
        notes.append(f"Left alone: {each.where}, which fit too{hint}.")
    taken = {chosen.prefix + name for name in expected}
    if surplus := [name for name in chosen.tensors if name.replace(BASE_LAYER, ".") not in taken]:
        notes.append(f"Left alone: {_listed(surplus)}.")
    return tuple(notes)


def _listed(names: list[str]) -> str:
    listed = ", ".join(names[:LISTED])
    return f"{listed} and {len(names) - LISTED} more tensors" if len(names) > LISTED else listed


def _refusal(model: str, spec: str, problems: list[str], nearest: _Candidate) -> str:
    listed = "; ".join(problems[:LISTED]) + (f"; and {len(problems) - LISTED} more" if len(problems) > LISTED else "")
    like = f" The nearest to it are {nearest.where}." if nearest.path or nearest.prefix else ""
    return f"'{spec}' is not a {model}; {len(problems)} tensors disagree: {listed}.{like}"
