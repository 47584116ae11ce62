"""Load a ``.mlpackage`` and execute it with torch on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pe_validate.errors import RunError
from pe_validate.export.artifact import TensorSpec
from pe_validate.mil.graph import Declared, Graph, GraphReader, Operation
from pe_validate.mil.ops import Value
from pe_validate.mil.package import Package

Mode: TypeAlias = Literal["exact", "declared"]
Trace: TypeAlias = Callable[[str, str, Tensor], None]
Arrays: TypeAlias = Mapping[str, NDArray[Any]]

# CoreML.Specification.ArrayFeatureType.ArrayDataType
_ARRAY_TYPES: Final = {65568: "float32", 65600: "float64", 131104: "int32", 131080: "int8", 65552: "float16"}

# What torch raises when an operator cannot take its arguments; AttributeError for a string among tensors.
_FAILURES: Final = (RuntimeError, ValueError, IndexError, TypeError, ArithmeticError, AttributeError)


def load(path: str | Path, mode: Mode = "exact") -> Program:
    """Read an ML Program from a ``.mlpackage`` folder, and check that every operator is supported.

    In mode ``exact`` every floating value is computed in float32: float16 weights are widened, and a
    cast to float16 does nothing. It answers whether the graph computes the model. In mode ``declared``
    each operator computes in float32 and its outputs are rounded to the type that the program declares
    for them. It answers what float16 costs.

    Raises:
        RunError: the package is broken or uses something that is not supported. The message names it.
    """
    if mode not in get_args(Mode):
        raise RunError(f"Unknown mode '{mode}': choose one of {', '.join(get_args(Mode))}.")
    package = Package(Path(path))
    specification = package.specification()
    kind = specification.WhichOneof("Type")
    if kind != "mlProgram":
        raise RunError(f"{package.label} holds {kind or 'no model'}, not an ML Program; convert it to 'mlprogram'.")
    description, function_name = _description(specification.description)
    if description.state:
        raise RunError(f"{package.label} is stateful ('{description.state[0].name}'), which is not supported.")
    inputs = tuple(_spec(feature, package.label) for feature in description.input)
    outputs = tuple(_spec(feature, package.label) for feature in description.output)
    functions = specification.mlProgram.functions
    if function_name not in functions:
        raise RunError(f"{package.label} has no function '{function_name}'; export it again.")
    graph = GraphReader(package).read(functions[function_name])
    _check_interface(package.label, graph, inputs, outputs)
    return Program(package.label, graph, inputs, outputs, mode)


class Program:
    """A loaded ML Program. ``inputs`` and ``outputs`` are what the model declares."""

    def __init__(
        self,
        label: str,
        graph: Graph,
        inputs: tuple[TensorSpec, ...],
        outputs: tuple[TensorSpec, ...],
        mode: Mode,
    ) -> None:
        self.inputs = inputs
        self.outputs = outputs
        self.mode = mode
        self._label = label
        self._parameters = {declared.name: declared for declared in graph.inputs}
        self._constants = dict(graph.constants)
        with torch.inference_mode():
            for operation in graph.operations:
                if operation.folds:
                    self._execute(operation, self._constants, None)
        self._operations = tuple(operation for operation in graph.operations if not operation.folds)
        self._dying = self._last_uses()

    @property
    def uses_half_precision(self) -> bool:
        """Whether any operator declares a float16 result."""
        return any(declared.float16 for operation in self._operations for declared in operation.outputs)

    def predict(self, inputs: Arrays, trace: Trace | None = None) -> dict[str, NDArray[Any]]:
        """Outputs by name, in the shapes and types that the model declares.

        ``trace`` is called with name, operator type and value of every output of every operation, in
        order; floating values are float32 in either mode.

        Raises:
            RunError: an input's name, shape or type is not the declared one, or an operator fails.
        """
        with torch.inference_mode():
            values: dict[str, Value] = dict(self._constants)
            values.update(self._checked(inputs))
            for operation, dying in zip(self._operations, self._dying, strict=True):
                self._execute(operation, values, trace)
                for name in dying:
                    del values[name]
            return {spec.name: self._returned(spec, values[spec.name]) for spec in self.outputs}

    def _execute(self, operation: Operation, values: dict[str, Value], trace: Trace | None) -> None:
        """Compute an operation's outputs into ``values``."""
        operator = operation.operator
        arguments: dict[str, Any] = {
            key: [values[name] for name in names] if key in operator.variadic else values[names[0]]
            for key, names in operation.inputs.items()
        }
        try:
            result = operator.run(**arguments)
        except _FAILURES as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise RunError(f"{self._label}: {_called(operation)} failed: {reason.rstrip('.')}.") from error
        results = result if isinstance(result, tuple) else (result,)
        if len(results) != len(operation.outputs):
            raise RunError(
                f"{self._label}: {_called(operation)} gave {len(results)} outputs where "
                f"{len(operation.outputs)} are declared."
            )
        for declared, value in zip(operation.outputs, results, strict=True):
            if not isinstance(value, Tensor):
                raise RunError(f"{self._label}: {_called(operation)} gave a string where a tensor is declared.")
            if not declared.accepts(value.shape):
                raise RunError(
                    f"{self._label}: {_called(operation)} gave shape {list(value.shape)} where "
                    f"{list(declared.shape)} is declared."
                )
            values[declared.name] = settled = self._settle(value, declared, operator.moves)
            if trace is not None:
                trace(declared.name, operation.type, settled)

    def _settle(self, value: Tensor, declared: Declared, rounded: bool = False) -> Tensor:
        """A value in its declared type; this is the only place where precision is lost.

        ``rounded`` says that the value consists of values that went through here before.
        """
        if value.dtype is not declared.dtype.memory:
            value = value.to(declared.dtype.memory)
        if self.mode == "declared" and declared.float16 and not rounded:
            value = value.half().float()
        return value

    def _checked(self, inputs: Arrays) -> dict[str, Tensor]:
        names = [spec.name for spec in self.inputs]
        if set(inputs) != set(names):
            given = ", ".join(sorted(inputs)) or "none"
            raise RunError(f"{self._label} takes the inputs {', '.join(names)}, but was given {given}.")
        for spec in self.inputs:
            array = inputs[spec.name]
            if array.shape != spec.shape or array.dtype != np.dtype(spec.dtype):
                given = f"{array.dtype}{list(array.shape)}"
                raise RunError(f"{self._label} takes the input {spec}, but was given {given}.")
        # A copy, because torch warns about read-only arrays.
        return {
            name: self._settle(torch.from_numpy(np.array(inputs[name], order="C")), self._parameters[name])
            for name in names
        }

    def _returned(self, spec: TensorSpec, value: Value) -> NDArray[Any]:
        if not isinstance(value, Tensor) or value.shape != spec.shape:
            found = list(value.shape) if isinstance(value, Tensor) else "a string"
            raise RunError(f"{self._label} declares the output {spec}, but computes {found}.")
        array: NDArray[Any] = value.to(getattr(torch, spec.dtype), copy=True).contiguous().numpy()
        return array

    def _last_uses(self) -> list[list[str]]:
        """For each operation, the values that nothing after it reads."""
        needed = {spec.name for spec in self.outputs} | set(self._constants)
        dying: list[list[str]] = []
        for operation in reversed(self._operations):
            names = operation.reads | {output.name for output in operation.outputs}
            dying.append(sorted(names - needed))
            needed |= names
        return dying[::-1]


def _called(operation: Operation) -> str:
    name = operation.outputs[0].name if operation.outputs else "no output"
    return f"operator '{operation.type}' ('{name}')"


def _description(description: Any) -> tuple[Any, str]:
    """The description of the default function, and its name."""
    for function in description.functions:
        if function.name == description.defaultFunctionName:
            return function, function.name
    return description, "main"


def _spec(feature: Any, label: str) -> TensorSpec:
    """The declared name, static shape and type of an input or output."""
    kind = feature.type.WhichOneof("Type")
    if kind != "multiArrayType":
        raise RunError(f"{label} declares '{feature.name}' as {kind or 'nothing'}; only multi-arrays are supported.")
    array = feature.type.multiArrayType
    if array.WhichOneof("ShapeFlexibility"):
        raise RunError(f"{label} declares '{feature.name}' with a flexible shape; export it with a fixed one.")
    if array.dataType not in _ARRAY_TYPES:
        raise RunError(f"{label} declares '{feature.name}' with array type {array.dataType}, which is not supported.")
    return TensorSpec(feature.name, tuple(array.shape), _ARRAY_TYPES[array.dataType])


def _check_interface(label: str, graph: Graph, inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...]) -> None:
    """The description and the program must agree."""
    described = {spec.name: spec.shape for spec in inputs}
    if set(described) != {declared.name for declared in graph.inputs}:
        raise RunError(f"{label} describes other inputs than its program takes; export it again.")
    for declared in graph.inputs:
        if not declared.accepts(described[declared.name]):
            raise RunError(
                f"{label} describes input '{declared.name}' with shape {list(described[declared.name])}, "
                f"where its program takes {list(declared.shape)}; export it again."
            )
    for spec in outputs:
        if spec.name not in graph.outputs:
            raise RunError(f"{label} describes output '{spec.name}', which its program does not return.")
