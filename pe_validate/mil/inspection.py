"""Inspect a ``.mlpackage`` without executing it: operators, interface, weights and arithmetic.

It works on any package, including those with operators that the evaluator does not support.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Final, cast

from pe_validate.data.inspection import Inspection, typed
from pe_validate.data.structure import Weight
from pe_validate.mil.description import in_words, is_picture
from pe_validate.mil.dtypes import DATA_TYPES, STRING
from pe_validate.mil.package import Package
from pe_validate.system.errors import RunError
from pe_validate.system.files import size

Shape = tuple[int | None, ...]
Shapes = dict[str, list[Sequence[int]]]

_LARGEST: Final = 2**63 - 1

OPSETS: Final = {"CoreML5": "iOS 15", "CoreML6": "iOS 16", "CoreML7": "iOS 17", "CoreML8": "iOS 18"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageInspection(Inspection):
    """The inspection of one function of a package.

    ``products``: multiply-accumulates by operator and type of the result, such as ``linear float16``. Its notes are the
    known deviations of Core ML's own runtime that it may meet; see :mod:`pe_validate.mil.deviations`.
    """

    specification_version: int
    opset: str
    products: dict[str, int]
    takes_pixels: bool = False
    """True if an input is an image of 8-bit pixels."""

    @property
    def particulars(self) -> dict[str, str]:
        """The version of the specification, and the opset."""
        return {"specification": f"{self.specification_version}, {self.opset}"}


def inspect(path: str | Path, function: str | None = None) -> PackageInspection:
    """Inspect a function of a package, by default the one that the package names.

    Raises:
        RunError: it is broken, is no ML Program, or has no such function.
    """
    package = Package(Path(path))
    specification = package.program()
    name, found = _function(package, specification, function)
    block = found.block_specializations[found.opset]
    reader = _Reader(found.inputs, block, package.label)
    description = _description(specification.description, name)
    return PackageInspection(
        path=Path(path),
        bytes=size(Path(path)),
        specification_version=specification.specificationVersion,
        functions=tuple(sorted(specification.mlProgram.functions)),
        function=name,
        opset=OPSETS.get(found.opset, found.opset),
        inputs=_interface(description.input, [value.name for value in found.inputs], reader),
        outputs=_interface(description.output, block.outputs, reader),
        operators=dict(Counter(operation.type for operation in reader.operations).most_common()),
        results=dict(reader.results().most_common()),
        macs=_sum(reader.products(), lambda operator, dtype: operator),
        products=_sum(reader.products(), "{} {}".format),
        weights=tuple(reader.weights()),
        takes_pixels=any(map(is_picture, description.input)),
    )


def _function(package: Package, specification: Any, wanted: str | None) -> tuple[str, Any]:
    """Return the name and the message of a function.

    Raises:
        RunError: there is none of that name.
    """
    functions = specification.mlProgram.functions
    name = wanted or specification.description.defaultFunctionName or "main"
    if name not in functions or functions[name].opset not in functions[name].block_specializations:
        raise RunError(f"{package.label} has no function '{name}': choose one of {', '.join(sorted(functions))}.")
    return name, functions[name]


def operations_of(package: Package, function: str | None = None) -> tuple[Any, list[Any]]:
    """Return the inputs of a function, and its operations with those of nested blocks, as messages.

    Raises:
        RunError: the package is broken, or has no such function.
    """
    _, found = _function(package, package.program(), function)
    return found.inputs, list(_operations(found.block_specializations[found.opset]))


def _description(message: Any, function: str) -> Any:
    """Return the description of a function: a message of its own in a package of several, else the model's."""
    return next((found for found in message.functions if found.name == function), message)


def _interface(features: Any, names: Iterable[str], reader: _Reader) -> tuple[str, ...]:
    """Return what a function takes or gives: arrays as its program types them, everything else as it is described."""
    described = {feature.name: words for feature in features if (words := in_words(feature))}
    return tuple(described.get(name) or reader.described(name) for name in names)


def _sum(counts: Counter[tuple[str, str]], name: Callable[[str, str], str]) -> dict[str, int]:
    """Return the counts added up by ``name(operator, dtype)``, the largest first."""
    found: Counter[str] = Counter()
    for key, count in counts.items():
        found[name(*key)] += count
    return dict(found.most_common())


class _Reader:
    """The operations of one function, and the declared type of every value by name."""

    def __init__(self, inputs: Any, block: Any, label: str) -> None:
        self._label = label
        everything = list(_operations(block))
        self.operations = [operation for operation in everything if operation.type != "const"]
        self._types = {value.name: value.type for value in inputs}
        self._types |= {value.name: value.type for operation in everything for value in operation.outputs}
        for name, message in self._types.items():
            if prod(n or 1 for n in shape_of(message)) > _LARGEST:
                raise RunError(f"{label} declares '{name}' with more than {_LARGEST} values; export it again.")
        self._layers = {
            binding.name: operation.type
            for operation in self.operations
            for binding in (operation.inputs["weight"].arguments if "weight" in operation.inputs else ())
        }
        self._constants = {
            o.outputs[0].name: o.attributes["val"] for o in everything if o.type == "const" and o.outputs
        }

    def described(self, name: str) -> str:
        found = self._types.get(name)
        return typed(name, _dtype(found), shape_of(found)) if found else name

    def results(self) -> Counter[str]:
        """Count the computed values by type; decompressed weights and conversions do not count as computed."""
        computing = [o for o in self.operations if not o.type.startswith("constexpr_") and o.type != "cast"]
        return Counter(_dtype(value.type) for operation in computing for value in operation.outputs)

    def weights(self) -> Iterator[Weight]:
        """Yield the constant tensors; compressed ones in their decompressed shape."""
        used: set[str] = set()
        for operation in self.operations:
            if operation.type.startswith("constexpr_") and operation.outputs:
                parts = self._parts(operation)
                used |= {b.name for argument in operation.inputs.values() for b in argument.arguments if b.name}
                output = operation.outputs[-1]
                shape = tuple(n or 0 for n in shape_of(output.type))
                taken = sum(_stored_bytes(value) for value in parts.values())
                with self._well_formed(operation):
                    words = _compression(operation.type, parts)
                yield Weight(output.name, shape, words, taken, self._layers.get(output.name, ""))
        for name, value in self._constants.items():
            if name not in used and value.type.WhichOneof("type") == "tensorType" and _dtype(value.type) != "string":
                shape = tuple(n or 0 for n in shape_of(value.type))
                yield Weight(name, shape, _dtype(value.type), _stored_bytes(value), self._layers.get(name, ""))

    def _parts(self, operation: Any) -> dict[str, Any]:
        """Return the constants that a decompression reads: attributes up to iOS 17, arguments from iOS 18 on."""
        parts = {key: value for key, value in operation.attributes.items() if key != "name"}
        for key, argument in operation.inputs.items():
            for binding in argument.arguments:
                if binding.WhichOneof("binding") == "value":
                    parts[key] = binding.value
                elif binding.name in self._constants:
                    parts[key] = self._constants[binding.name]
        return parts

    def products(self) -> Counter[tuple[str, str]]:
        """Count the multiply-accumulates by operator and type; operators with open shapes are left out.

        Raises:
            RunError: an operator lacks arguments that its type requires.
        """
        found: Counter[tuple[str, str]] = Counter()
        for operation in self.operations:
            if operation.type in _MACS and operation.outputs:
                shapes = {key: [self._shape_of(b) for b in a.arguments] for key, a in operation.inputs.items()}
                result = shape_of(operation.outputs[0].type)
                known = [n for group in shapes.values() for shape in group for n in shape]
                if None not in (*known, *result):
                    with self._well_formed(operation):
                        found[operation.type, _dtype(operation.outputs[0].type)] += _MACS[operation.type](
                            self, operation, cast(Shapes, shapes), cast(Any, result)
                        )
        return found

    @contextmanager
    def _well_formed(self, operation: Any) -> Iterator[None]:
        """Turn failed look-ups of an operation's arguments, or of their axes, into a RunError."""
        try:
            yield
        except (LookupError, ValueError) as error:
            raise RunError(
                f"{self._label} has an operator '{operation.type}' ('{operation.outputs[0].name}') whose arguments are "
                "missing or of another shape than its type's; export it again."
            ) from error

    def _shape_of(self, binding: Any) -> Shape:
        if binding.WhichOneof("binding") == "value":
            return shape_of(binding.value.type)
        return shape_of(self._types[binding.name]) if binding.name in self._types else (None,)

    def flag(self, operation: Any, key: str) -> bool:
        """Return a constant boolean argument; False if it is absent."""
        for binding in operation.inputs[key].arguments if key in operation.inputs else ():
            value = binding.value if binding.WhichOneof("binding") == "value" else self._constants.get(binding.name)
            if value is not None:
                return any(value.immediateValue.tensor.bools.values)
        return False

    def text(self, operation: Any, key: str) -> str:
        """Return a constant string argument."""
        (binding,) = operation.inputs[key].arguments
        value = binding.value if binding.WhichOneof("binding") == "value" else self._constants[binding.name]
        return str(value.immediateValue.tensor.strings.values[0])


def _linear(reader: _Reader, operation: Any, shapes: Shapes, result: Sequence[int]) -> int:
    return prod(result) * shapes["x"][0][-1]


def _matmul(reader: _Reader, operation: Any, shapes: Shapes, result: Sequence[int]) -> int:
    x = shapes["x"][0]
    return prod(result) * x[-2 if reader.flag(operation, "transpose_x") and len(x) > 1 else -1]


def _conv(reader: _Reader, operation: Any, shapes: Shapes, result: Sequence[int]) -> int:
    return prod(result) * prod(shapes["weight"][0][1:])


def _conv_transpose(reader: _Reader, operation: Any, shapes: Shapes, result: Sequence[int]) -> int:
    return prod(shapes["x"][0]) * prod(shapes["weight"][0][1:])


def _einsum(reader: _Reader, operation: Any, shapes: Shapes, result: Sequence[int]) -> int:
    names = reader.text(operation, "equation").replace(" ", "").partition("->")[0].split(",")
    lengths = {
        i: n for name, shape in zip(names, shapes["values"], strict=True) for i, n in zip(name, shape, strict=True)
    }
    return prod(lengths.values())


def _attention(reader: _Reader, operation: Any, shapes: Shapes, result: Sequence[int]) -> int:
    query, value = shapes["query"][0], shapes["value"][0]
    return prod(query[:-1]) * value[-2] * (query[-1] + value[-1])


_MACS: Final = {
    "linear": _linear,
    "matmul": _matmul,
    "conv": _conv,
    "conv_transpose": _conv_transpose,
    "einsum": _einsum,
    "scaled_dot_product_attention": _attention,
}


def _operations(block: Any) -> Iterator[Any]:
    """Yield the operations of a block and of the blocks nested in it."""
    for operation in block.operations:
        yield operation
        for nested in operation.blocks:
            yield from _operations(nested)


def _dtype(message: Any) -> str:
    kind = message.WhichOneof("type")
    if kind != "tensorType":
        return (kind or "nothing").removesuffix("Type")
    number = message.tensorType.dataType
    return "string" if number == STRING else DATA_TYPES[number].name if number in DATA_TYPES else f"type {number}"


def shape_of(message: Any) -> Shape:
    """Return the shape of a tensor's type message; None is an axis of any length."""
    return tuple(
        int(dimension.constant.size) if dimension.WhichOneof("dimension") == "constant" else None
        for dimension in message.tensorType.dimensions
    )


def _stored_bytes(value: Any) -> int:
    """Return the bytes that a constant takes on disk; values of an unknown type count as one byte each."""
    number = value.type.tensorType.dataType
    count = prod(n or 0 for n in shape_of(value.type))
    return DATA_TYPES[number].stored_bytes(count) if number in DATA_TYPES else count


def _compression(kind: str, parts: dict[str, Any]) -> str:
    """Describe how a compressed weight is stored."""
    shapes = {key: tuple(n or 0 for n in shape_of(value.type)) for key, value in parts.items()}
    if "lut" in parts:
        # Up to iOS 17 a table is a vector; from iOS 18 on it is [*groups, entries, values of one entry].
        lut = shapes["lut"]
        entries, groups = (lut[0], 1) if len(lut) < 3 else (lut[-2], prod(lut[:-2]))
        words = f"{(max(entries, 1) - 1).bit_length()}-bit palette{f', {groups} groups' if groups > 1 else ''}"
    elif "scale" in parts:
        data = next((key for key in ("quantized_data", "data", "nonzero_data") if key in parts), "scale")
        words = f"{_dtype(parts[data].type)}, {_granularity(shapes[data], shapes['scale'])}"
    else:
        words = "float16, widened" if kind == "constexpr_cast" else "dense"
    return words.replace("dense", "sparse") if kind == "constexpr_sparse_to_dense" else words


def _granularity(data: tuple[int, ...], scale: tuple[int, ...]) -> str:
    if prod(scale) == 1:
        return "one scale"
    if len(scale) != len(data):
        return "a scale for each channel"
    blocks = [n // max(count, 1) for n, count in zip(data, scale, strict=True) if 1 < count < n]
    return f"blocks of {min(blocks)}" if blocks else "a scale for each channel"
