"""Read an ML Program into plain data (constants, operations and outputs), and check each part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pe_validate.mil.dtypes import FLOAT16, DataType
from pe_validate.mil.ops import OPERATORS, Operator, Value
from pe_validate.mil.package import Package
from pe_validate.mil.values import read_constant, read_tensor_type
from pe_validate.system.errors import RunError


@dataclass(frozen=True, slots=True)
class Declared:
    """The name, type and shape that the program declares for a value.

    ``dtype`` is None for a value that is not a tensor: a class label, or the probabilities of all classes. None in
    ``shape`` is an axis of any length; ``shape`` is None for any rank.
    """

    name: str
    dtype: DataType | None
    float16: bool
    shape: tuple[int | None, ...] | None

    def accepts(self, shape: tuple[int, ...]) -> bool:
        """Return whether ``shape`` matches the declared shape."""
        return self.shape is None or (
            len(shape) == len(self.shape)
            and all(expected in (None, size) for expected, size in zip(self.shape, shape, strict=True))
        )


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation; its inputs are the names of earlier values, several for a variadic parameter.

    ``blocks`` are, by parameter, the branches of ``cond``, or the condition and the body of ``while_loop``.
    """

    type: str
    operator: Operator
    inputs: dict[str, tuple[str, ...]]
    outputs: tuple[Declared, ...]
    blocks: dict[str, Block]

    @property
    def reads(self) -> set[str]:
        """Names of all values that it reads, including those read in its blocks."""
        own = {name for names in self.inputs.values() for name in names}
        return own.union(*(block.reads for block in self.blocks.values()))

    @property
    def folds(self) -> bool:
        """True if it decompresses constants; it is then executed once, when the program is loaded."""
        return self.type.startswith("constexpr_")


@dataclass(frozen=True, slots=True)
class Block:
    """Operations in the order of execution, with the block's inputs and outputs."""

    inputs: tuple[Declared, ...]
    operations: tuple[Operation, ...]
    outputs: tuple[str, ...]

    @property
    def reads(self) -> set[str]:
        """Names of all values that it reads, including those that it defines itself."""
        return set(self.outputs).union(*(operation.reads for operation in self.operations))


@dataclass(frozen=True, slots=True)
class Graph:
    """A function of an ML Program."""

    constants: dict[str, Value]
    block: Block


class GraphReader:
    """Reads one function of an ``MILSpec.Program`` message."""

    def __init__(self, package: Package) -> None:
        self._package = package
        self._label = package.label
        self._constants: dict[str, Value] = {}
        self._defined: dict[str, None] = {}  # an ordered set

    def read(self, function: Any) -> Graph:
        """Return the graph of an ``MILSpec.Function`` message.

        Raises:
            RunError: an operator, data type or constant is not supported or broken, or a value is used
                before anything defines it.
        """
        if function.opset not in function.block_specializations:
            raise RunError(f"{self._label} has no program for its own opset '{function.opset}'; export it again.")
        block = self._block(function.block_specializations[function.opset], function.inputs)
        return Graph(self._constants, block)

    def _block(self, message: Any, inputs: Any) -> Block:
        declared = tuple(self._declared(value, "input") for value in inputs)
        for value in declared:
            self._define(value.name)
        operations = [operation for found in message.operations if (operation := self._operation(found))]
        for name in message.outputs:
            if name not in self._defined:
                raise RunError(f"{self._label} returns '{name}', which no operation defines; export it again.")
        return Block(declared, tuple(operations), tuple(message.outputs))

    def _blocks(self, message: Any, operator: Operator, name: str) -> dict[str, Block]:
        if len(message.blocks) != len(operator.blocks):
            raise RunError(
                f"{self._label} has {len(message.blocks)} blocks in operator '{message.type}' ('{name}'), where "
                f"{len(operator.blocks)} were expected; export it again."
            )
        outside = len(self._defined)
        blocks = {}
        for key, found in zip(operator.blocks, message.blocks, strict=True):
            blocks[key] = self._block(found, found.inputs)
            while len(self._defined) > outside:  # values of a block are not visible outside it
                self._defined.popitem()
        return blocks

    def _operation(self, message: Any) -> Operation | None:
        """Return the operation of a message, or store its constant and return None."""
        name = message.outputs[0].name if message.outputs else "(no output)"
        if message.type == "const":
            self._define(name)
            self._keep(name, message.attributes["val"], name)
            return None
        if message.type not in OPERATORS:
            raise RunError(
                f"{self._label} uses operator '{message.type}', which the evaluator does not support "
                f"(for '{name}'); add it in pe_validate/mil/ops."
            )
        operator = OPERATORS[message.type]
        declare = self._undeclared if message.type == "classify" else self._declared
        outputs = tuple(declare(value, message.type) for value in message.outputs)
        inputs = {key: self._bindings(argument, name, key) for key, argument in message.inputs.items()}
        if message.type.startswith("constexpr_"):
            # Up to iOS 17, the parameters of these operators are attributes.
            inputs |= {key: (self._inline(v, name, key),) for key, v in message.attributes.items() if key != "name"}
        several = next((key for key, names in inputs.items() if len(names) != 1 and key not in operator.variadic), None)
        arguments = (*inputs, *operator.blocks)
        misfit = operator.misfit(arguments) if several is None else f"several values for '{several}'"
        if misfit:
            raise RunError(
                f"{self._label} uses operator '{message.type}' ('{name}') in a way that the evaluator does "
                f"not support: {misfit}."
            )
        blocks = self._blocks(message, operator, name)
        for output in outputs:
            self._define(output.name)
        return Operation(message.type, operator, inputs, outputs, blocks)

    def _bindings(self, argument: Any, name: str, key: str) -> tuple[str, ...]:
        names = []
        for index, binding in enumerate(argument.arguments):
            if binding.WhichOneof("binding") == "value":
                names.append(self._inline(binding.value, name, f"{key}[{index}]"))
            elif binding.name in self._defined:
                names.append(binding.name)
            else:
                raise RunError(
                    f"{self._label} computes '{name}' from '{binding.name}', which nothing before it "
                    "defines; export it again."
                )
        return tuple(names)

    def _inline(self, value: Any, name: str, key: str) -> str:
        """Store a constant that is written where it is used; return a name for it that no value can have."""
        hidden = f"\0{len(self._constants)}"
        self._keep(hidden, value, f"{name}.{key}")
        return hidden

    def _keep(self, name: str, value: Any, label: str) -> None:
        # The constants of all blocks are stored together, so two blocks must not use the same name.
        if name in self._constants:
            raise RunError(f"{self._label} defines the constant '{label}' twice; export it again.")
        self._constants[name] = read_constant(value, label, self._package)

    def _define(self, name: str) -> None:
        if name in self._defined:
            raise RunError(f"{self._label} defines '{name}' twice; export it again.")
        self._defined[name] = None

    def _undeclared(self, value: Any, where: str) -> Declared:
        return Declared(value.name, None, False, None)

    def _declared(self, value: Any, where: str) -> Declared:
        if value.type.WhichOneof("type") != "tensorType":
            kind = value.type.WhichOneof("type") or "no type"
            raise RunError(f"{self._label} declares '{value.name}' ({where}) as {kind}; only tensors are supported.")
        dtype, shape = read_tensor_type(value.type.tensorType, value.name, self._label)
        return Declared(value.name, dtype, value.type.tensorType.dataType == FLOAT16, shape)
