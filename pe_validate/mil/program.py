"""Load a ``.mlpackage`` and execute it with torch on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, get_args

import torch
from torch import Tensor

from pe_validate.data.tensors import TensorSpec
from pe_validate.mil.deviations import BY_OPERATOR, Use
from pe_validate.mil.dtypes import wrap
from pe_validate.mil.graph import Block, Declared, Graph, GraphReader, Operation
from pe_validate.mil.interface import Feature, accept, give, read_feature
from pe_validate.mil.ops import LARGEST, Value
from pe_validate.mil.ops.accumulation import ROUNDED
from pe_validate.mil.package import Package
from pe_validate.system.errors import RunError

Mode: TypeAlias = Literal["exact", "declared"]
Trace: TypeAlias = Callable[[str, str, Tensor], None]

# What torch raises if an operator cannot take its arguments; AttributeError for a string among tensors, MemoryError
# (NumPy's; torch raises a RuntimeError) if memory runs out.
_OPERATOR_ERRORS: Final = (
    RuntimeError,
    ValueError,
    LookupError,
    TypeError,
    ArithmeticError,
    AttributeError,
    MemoryError,
)


def load(
    path: str | Path,
    mode: Mode = "exact",
    function_name: str | None = None,
    terms: int | None = None,
    *,
    deviations: bool = False,
) -> Program:
    """Read an ML Program from a ``.mlpackage`` folder, and check that every operator is supported.

    Mode ``exact`` shows whether the graph computes the model: every floating value is float32, float16 weights are
    widened, and casts to float16 do nothing, including those of inputs and outputs. Mode ``declared`` shows what
    float16 costs: each operator computes in float32, and its outputs are rounded to the types that the program
    declares. ``function_name`` selects one of several functions, by default the one that the package names. ``terms``
    rounds the running sum of every product with a float16 result to float16 after that many terms. ``deviations``
    computes what others report of Core ML's own runtime where it deviates from its documentation, see
    :mod:`pe_validate.mil.deviations`.

    Raises:
        RunError: the package is broken, or uses something that is not supported, which the message names.
    """
    if mode not in get_args(Mode):
        raise RunError(f"Unknown mode '{mode}': choose one of {', '.join(get_args(Mode))}.")
    if terms is not None and (mode == "exact" or terms < 1):
        raise RunError("Sums are rounded after one term or more, and only in mode 'declared'.")
    package = Package(Path(path))
    specification = package.program()
    functions = specification.mlProgram.functions
    description, name = _description(specification.description, function_name)
    if name not in functions or description is None:
        raise RunError(f"{package.label} has no function '{name}': choose one of {', '.join(sorted(functions))}.")
    if description.state:
        raise RunError(f"{package.label} is stateful ('{description.state[0].name}'), which is not supported.")
    inputs = tuple(read_feature(feature, package.label) for feature in description.input)
    outputs = tuple(read_feature(feature, package.label) for feature in description.output)
    if mode == "exact":
        inputs, outputs = (tuple(feature.widened() for feature in ends) for ends in (inputs, outputs))
    graph = GraphReader(package).read(functions[name])
    _check_interface(package.label, graph, inputs, outputs)
    return Program(package.label, graph, inputs, outputs, mode, terms, deviations=deviations)


class Program:
    """A loaded ML Program; ``inputs`` and ``outputs`` are as the model declares them, in their default shapes."""

    def __init__(
        self,
        label: str,
        graph: Graph,
        inputs: tuple[Feature, ...],
        outputs: tuple[Feature, ...],
        mode: Mode,
        terms: int | None,
        *,
        deviations: bool = False,
    ) -> None:
        self.mode = mode
        self.overflows: list[str] = []
        """Operations of the last prediction with finite results that overflow float16."""
        self._terms, self._deviations = terms, deviations
        self._label = label
        self._inputs = inputs
        self._outputs = outputs
        self._block = graph.block
        self._constants = dict(graph.constants)
        with torch.inference_mode():
            for operation in graph.block.operations:
                if operation.folds:
                    self._check_constant(operation)
                    self._execute(operation, self._constants, None)
        self._operations = tuple(operation for operation in graph.block.operations if not operation.folds)
        self._last_read = self._last_uses()

    def _check_constant(self, operation: Operation) -> None:
        computed = sorted(operation.reads - self._constants.keys())
        if computed:
            raise RunError(
                f"{self._label}: {_describe(operation)} decompresses '{computed[0]}', which is no constant; export it "
                "again."
            )

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """The declared inputs."""
        return tuple(feature.spec for feature in self._inputs)

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """The declared outputs."""
        return tuple(feature.spec for feature in self._outputs)

    def predict(self, inputs: Mapping[str, Any], trace: Trace | None = None) -> dict[str, Any]:
        """Return the outputs by name, in the declared shapes and types; takes the inputs of ``MLModel.predict``.

        ``trace`` is called with the name, operator type and value of every output of every operation, in order;
        floating values are float32 in both modes.

        Raises:
            RunError: an input's name, shape or values are not as declared, or an operator fails.
        """
        with torch.inference_mode():
            self.overflows = []
            values: dict[str, Value] = dict(self._constants)
            with _memory_errors(self._label, "inputs"):
                given = accept(self._inputs, inputs, self._label)
                for declared in self._block.inputs:
                    values[declared.name] = self._as_declared(given[declared.name], declared)
            for operation, last_read_names in zip(self._operations, self._last_read, strict=True):
                self._execute(operation, values, trace)
                for name in last_read_names:
                    values.pop(name, None)  # values that a nested block defines are not here
            with _memory_errors(self._label, "outputs"):
                return {feature.name: give(feature, values[feature.name], self._label) for feature in self._outputs}

    def _call(self, block: Block, outer: dict[str, Value], trace: Trace | None, *given: Value) -> tuple[Value, ...]:
        """Execute a nested block, which can read the values around it, and return its outputs."""
        values = outer | dict(zip((declared.name for declared in block.inputs), given, strict=True))
        for operation in block.operations:
            self._execute(operation, values, trace)
        return tuple(values[name] for name in block.outputs)

    def _execute(self, operation: Operation, values: dict[str, Value], trace: Trace | None) -> None:
        """Compute an operation, and store its outputs in ``values``."""
        operator = operation.operator
        arguments: dict[str, Any] = {
            key: [_widened(values[name]) for name in names] if key in operator.variadic else _widened(values[names[0]])
            for key, names in operation.inputs.items()
        }
        blocks = {key: partial(self._call, block, values, trace) for key, block in operation.blocks.items()}
        try:
            result = self._function(operation, arguments)(**arguments, **blocks)
            kept = self._checked(operation, result if isinstance(result, tuple) else (result,))
        except _OPERATOR_ERRORS as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise RunError(f"{self._label}: {_describe(operation)} failed: {reason.rstrip('.')}.") from error
        for declared, value in zip(operation.outputs, kept, strict=True):
            values[declared.name] = value
            if trace is not None and declared.dtype is not None and isinstance(value, Tensor):
                trace(declared.name, operation.type, value)

    def _checked(self, operation: Operation, results: tuple[Value, ...]) -> list[Value]:
        """Return an operation's results in their declared types.

        Raises:
            RunError: they do not match their declarations.
        """
        if len(results) != len(operation.outputs):
            raise RunError(
                f"{self._label}: {_describe(operation)} gave {len(results)} outputs where "
                f"{len(operation.outputs)} are declared."
            )
        kept: list[Value] = []
        for declared, value in zip(operation.outputs, results, strict=True):
            if declared.dtype is None:
                kept.append(value)
                continue
            if not isinstance(value, Tensor):
                raise RunError(f"{self._label}: {_describe(operation)} gave a string where a tensor is declared.")
            if value.numel() > LARGEST:  # it may be a view that takes no memory yet
                raise RunError(
                    f"{self._label}: {_describe(operation)} gave {value.numel()} values; {LARGEST} are the most."
                )
            if not declared.accepts(value.shape):
                raise RunError(
                    f"{self._label}: {_describe(operation)} gave shape {list(value.shape)} where "
                    f"{list(declared.shape or ())} is declared."
                )
            settled = self._as_declared(value, declared, operation.operator.moves)
            if settled is not value and _overflowed(value, settled):
                self.overflows.append(_describe(operation))
            kept.append(settled)
        return kept

    def _function(self, operation: Operation, arguments: Mapping[str, Any]) -> Callable[..., Any]:
        """Return the function that computes an operation."""
        if self._deviations and operation.type in BY_OPERATOR:
            constant = {key for key, names in operation.inputs.items() if self._constants.keys() >= set(names)}
            shapes = {key: tuple(value.shape) for key, value in arguments.items() if isinstance(value, Tensor)}
            use = Use({key: arguments[key] for key in constant}, shapes)
            if BY_OPERATOR[operation.type].applies(use):
                return BY_OPERATOR[operation.type].run
        if self._terms and operation.type in ROUNDED and all(output.float16 for output in operation.outputs):
            return partial(ROUNDED[operation.type], self._terms)
        return operation.operator.run

    def _as_declared(self, value: Tensor, declared: Declared, rounded: bool = False) -> Tensor:
        """Return a value in its declared type; this is the only place where precision is lost.

        ``rounded``: the value consists of values that have already been rounded here.
        """
        if declared.dtype is not None and (value.dtype is not declared.dtype.memory or declared.dtype.widened):
            value = wrap(value, declared.dtype)
        if self.mode == "declared" and declared.float16 and not rounded:
            value = value.half().float()
        return value

    def _last_uses(self) -> list[list[str]]:
        """Return, for each operation, the values that nothing after it reads."""
        needed = {feature.name for feature in self._outputs} | set(self._constants)
        last_read_names: list[list[str]] = []
        for operation in reversed(self._operations):
            names = operation.reads | {output.name for output in operation.outputs}
            last_read_names.append(sorted(names - needed))
            needed |= names
        return last_read_names[::-1]


@contextmanager
def _memory_errors(label: str, what: str) -> Iterator[None]:
    """Turn a lack of memory into a RunError; torch raises a RuntimeError for it, NumPy a MemoryError."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        raise RunError(f"{label}: its {what} cannot be held in memory: {str(error).splitlines()[0]}.") from error


def _widened(value: Value) -> Value:
    """Return a float16 tensor as float32, in which operators compute; other values unchanged."""
    return value.float() if isinstance(value, Tensor) and value.dtype is torch.float16 else value


def _overflowed(value: Tensor, rounded: Tensor) -> bool:
    if not rounded.is_floating_point() or not rounded.numel():
        return False
    largest = max(abs(float(extreme)) for extreme in rounded.aminmax())
    return largest == torch.inf and bool((rounded.isinf() & value.isfinite()).any())


def _describe(operation: Operation) -> str:
    name = operation.outputs[0].name if operation.outputs else "no output"
    return f"operator '{operation.type}' ('{name}')"


def _description(description: Any, wanted: str | None) -> tuple[Any, str]:
    """Return the description of a function, or None, and the function's name."""
    if not description.functions:
        return (description if wanted in (None, "main") else None), wanted or "main"
    name = wanted or description.defaultFunctionName
    return next((function for function in description.functions if function.name == name), None), name


def _check_interface(label: str, graph: Graph, inputs: tuple[Feature, ...], outputs: tuple[Feature, ...]) -> None:
    """Check that the description and the program agree.

    Raises:
        RunError: they do not.
    """
    described = {feature.name: feature for feature in inputs}
    if set(described) != {declared.name for declared in graph.block.inputs}:
        raise RunError(f"{label} describes other inputs than its program takes; export it again.")
    for declared in graph.block.inputs:
        feature = described[declared.name]
        if declared.shape is not None and not feature.fits(declared.shape):
            raise RunError(
                f"{label} describes input '{feature}', where its program takes {list(declared.shape)}; export it again."
            )
    for feature in outputs:
        if feature.name not in graph.block.outputs:
            raise RunError(f"{label} describes output '{feature.name}', which its program does not return.")
