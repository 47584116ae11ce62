"""Inspect an ``.aimodel`` without running it, and tell how one differs from another."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

from pe_validate.data.inspection import Change, Inspection, typed
from pe_validate.data.structure import Weight
from pe_validate.data.tensors import TensorSpec
from pe_validate.system.errors import RunError
from pe_validate.system.files import size
from pe_validate.targets.coreai.program import (
    CONSTANT,
    ENTRY,
    GRAPH,
    OUTPUT,
    constant_bytes,
    inside,
    metadata,
    name_of,
    operations,
    read_program,
)
from pe_validate.targets.coreai.runtime import answered, fed
from pe_validate.targets.coreai.structure import isolated, parts_of, results_of, weights_of

PREFIX: Final = "coreai."
INVOKE: Final = "coreai.invoke"
PRIVATE: Final = "priv"
COMPOSITE: Final = "composite_decl"

CREATORS: Final = "creatorDefinedMetadata."

DIGITS: Final = 12
"""Of a sha256, in hexadecimal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetInspection(Inspection):
    """The inspection of one function of an asset.

    Operators are those of the function; a composite, such as ``layer_norm``, is one. Results and weights are those of
    the composites, too. ``digests``: the first digits of the sha256 of what is stored for each of the weights, with its
    scales or its table.
    """

    metadata: dict[str, str]
    digests: tuple[str, ...]

    @property
    def particulars(self) -> dict[str, str]:
        """The metadata, what its creator defined by the name that it has there."""
        short = {key: key.removeprefix(CREATORS) for key in self.metadata}
        found = Counter(short.values())
        return {key if found[short[key]] > 1 else short[key]: text for key, text in self.metadata.items()}


def isolated_inspection(path: Path, function: str | None = None) -> AssetInspection:
    """Inspect a function of an untrusted asset in a child process, by default ``main`` or the only one.

    Raises:
        RunError: it is damaged, of a newer format, or has no such function.
        SetupError: Core AI is not installed.
    """
    return isolated(partial(inspection, function=function), path)


def inspection(path: Path, function: str | None = None) -> AssetInspection:
    """See :func:`isolated_inspection`; runs in a child process."""
    program = read_program(path)
    graphs = {name_of(each): each for each in operations(program) if each.name == GRAPH}
    public = tuple(sorted(name for name, graph in graphs.items() if PRIVATE not in graph.attributes))
    name = function or (ENTRY if ENTRY in public or not public else public[0])
    if name not in public:
        named = f"choose one of {', '.join(public)}" if public else "it has none"
        raise RunError(f"'{path}' has no function '{name}': {named}.")
    used = list(_used(graphs, name))
    everything = [operation for graph in used for operation in inside(graph)]
    weights = list(weights_of(everything))
    return AssetInspection(
        path=path,
        bytes=size(path),
        functions=public,
        function=name,
        inputs=_in_words(fed(graphs[name])),
        outputs=_in_words(answered(graphs[name])),
        operators=_operators(graphs, name),
        results=dict(results_of(everything).most_common()),
        weights=tuple(weight for weight, _ in weights),
        metadata=dict(_flat(metadata(path))),
        digests=tuple(_digest(constant) for _, constant in weights),
    )


def _used(graphs: Mapping[str, Any], name: str) -> Iterator[Any]:
    """Yield a function and the composites that it invokes, each once."""
    wanted, seen = [name], {name}
    while wanted:
        graph = graphs[wanted.pop(0)]
        yield graph
        called = [_callee(each) for each in inside(graph) if each.name == INVOKE]
        new = [each for each in dict.fromkeys(called) if each in graphs and each not in seen]
        seen.update(new)
        wanted += new


def _callee(invoke: Any) -> str:
    """Return the name of the graph that is invoked: the attribute is ``#param.constant<@NAME> : !param.symbol``."""
    return str(invoke.attributes["callee"]).partition("@")[2].partition(">")[0].strip('"')


def _operators(graphs: Mapping[str, Any], name: str) -> dict[str, int]:
    found = Counter[str]()
    for operation in inside(graphs[name]):
        if operation.name == INVOKE:
            called = graphs.get(_callee(operation))
            found[_composite(called) if called else _callee(operation)] += 1
        elif operation.name not in (CONSTANT, OUTPUT):
            found[operation.name.removeprefix(PREFIX)] += 1
    return dict(found.most_common())


def _composite(graph: Any) -> str:
    """Return the name of a composite; its declaration is ``#coreai.composite_declaration<"NAME" = {…}>``."""
    if COMPOSITE not in graph.attributes:
        return name_of(graph)
    return str(graph.attributes[COMPOSITE]).partition('"')[2].partition('"')[0]


def _in_words(specs: tuple[TensorSpec, ...]) -> tuple[str, ...]:
    return tuple(typed(spec.name, spec.dtype, tuple(None if n < 0 else n for n in spec.shape)) for spec in specs)


def _flat(said: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Yield metadata as text by name; what an own name holds is named by its key, after a point."""
    for key, value in said.items():
        if isinstance(value, dict) and not before:
            yield from _flat(value, f"{key}.")
        else:
            yield f"{before}{key}", value if isinstance(value, str) else json.dumps(value)


def _digest(constant: Any) -> str:
    found = hashlib.sha256()
    for part in parts_of(constant):
        found.update(constant_bytes(part).tobytes())
    return found.hexdigest()[:DIGITS]


def changes(before: AssetInspection, after: AssetInspection) -> Iterator[Change]:
    """Yield what is different in ``after``; weights have no names, and are matched by shape, in order."""
    for subject, one, other in (
        ("functions", ", ".join(before.functions), ", ".join(after.functions)),
        ("function", before.function, after.function),
        ("inputs", ", ".join(before.inputs), ", ".join(after.inputs)),
        ("outputs", ", ".join(before.outputs), ", ".join(after.outputs)),
    ):
        if one != other:
            yield Change(subject=subject, before=one, after=other)
    yield from _differences("", before.metadata, after.metadata)
    yield from _differences("operator ", before.operators, after.operators)
    yield from _differences("results in ", before.results, after.results)
    yield from _changed_weights(before, after)


def _differences(words: str, before: Mapping[str, object], after: Mapping[str, object]) -> Iterator[Change]:
    for key in dict.fromkeys((*before, *after)):
        if before.get(key) != after.get(key):
            yield Change(subject=f"{words}{key}", before=str(before.get(key, "")), after=str(after.get(key, "")))


def _changed_weights(before: AssetInspection, after: AssetInspection) -> Iterator[Change]:
    one, other = _by_shape(before), _by_shape(after)
    for shape in dict.fromkeys((*one, *other)):
        for old, new in zip_longest(one.get(shape, []), other.get(shape, [])):
            if old is None or new is None or (old[0].storage, old[1]) != (new[0].storage, new[1]):
                (weight, _) = old or new
                same_way = old and new and old[0].storage == new[0].storage
                told = [f"{each[0].storage}{f', {each[1]}' if same_way else ''}" if each else "" for each in (old, new)]
                yield Change(subject=f"{weight.name} {list(shape)}", before=told[0], after=told[1])


def _by_shape(found: AssetInspection) -> dict[tuple[int, ...], list[tuple[Weight, str]]]:
    listed: dict[tuple[int, ...], list[tuple[Weight, str]]] = {}
    for weight, digest in zip(found.weights, found.digests, strict=True):
        listed.setdefault(weight.shape, []).append((weight, digest))
    return listed
