"""The house: what may be known where. Read from the syntax trees and from what importing loads, never from a list."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import pe_validate
from pe_validate.targets.registry import targets

PACKAGE = Path(pe_validate.__file__).parent
TESTS = Path(__file__).parents[2]
ROOMS = sorted(path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists())
NAMES = {name for target in targets().values() for name in (target.name, *target.precisions)}
KINDS = {f"{target.name}/{precision}" for target in targets().values() for precision in target.precisions}


def sources(*but: str) -> Iterator[Path]:
    """Every module of the package, without those of some rooms."""
    return (path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts[0] not in but)


def constants(node: ast.AST) -> Iterator[str]:
    """The strings of an expression that are whole operands of it, in lists and conditions too."""
    match node:
        case ast.Constant(value=str(value)):
            yield value
        case ast.Tuple() | ast.List() | ast.Set():
            for element in node.elts:
                yield from constants(element)
        case ast.Dict():
            for key in node.keys:
                if key is not None:
                    yield from constants(key)
        case ast.Call(func=ast.Name(id="frozenset" | "set" | "tuple" | "list")):
            for argument in node.args:
                yield from constants(argument)
        case ast.BinOp() | ast.BoolOp() | ast.IfExp() | ast.Starred():
            for part in ast.iter_child_nodes(node):
                yield from constants(part)


STRING_TESTS = {"startswith", "endswith", "removeprefix", "removesuffix", "get", "pop", "setdefault", "index", "count"}


def compared(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Strings that code is decided by: operands of comparisons, patterns, keys, and arguments of tests on strings."""
    for node in ast.walk(tree):
        operands: list[ast.AST] = []
        match node:
            case ast.Compare():
                operands = [node.left, *node.comparators]
            case ast.MatchValue():
                operands = [node.value]
            case ast.Subscript():
                operands = [node.slice]
            case ast.Dict():
                operands = [node]
            case ast.Call(func=ast.Attribute(attr=name)) if name in STRING_TESTS:
                operands = list(node.args)
        for operand in operands:
            for value in constants(operand):
                yield operand.lineno if hasattr(operand, "lineno") else 0, value


def test_what_decides_is_seen_by_this_test() -> None:
    """The reader itself: each way to decide by a string is one that it knows."""
    ways = ["case.target == 'pte'", "'pte' != x", "x in ('pte', 'onnx')", "x in frozenset({'pte'})", "T['pte']"]
    ways += ["{'pte': 1}", "x.startswith('pte')", "T.get('pte')", "x == ('pte' if y else z)"]
    ways += ["match x:\n    case 'pte' | 'onnx': pass"]
    for way in ways:
        assert "pte" in {value for _, value in compared(ast.parse(way))}, way


def test_no_module_outside_targets_decides_by_the_name_of_a_target_or_of_a_precision() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{line} '{value}'"
        for path in sources("targets")
        for line, value in compared(ast.parse(path.read_text(encoding="utf-8")))
        if value in NAMES | KINDS
    ]
    assert not found, found


def imported(path: Path) -> Iterator[str]:
    """Modules of this package that a module names in its imports, wherever they stand but where only types are read."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typed = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for child in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in typed:
            continue
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pe_validate"):
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield (
                    whole
                    if (PACKAGE.parent / Path(*whole.split("."))).with_suffix(".py").exists()
                    else str(node.module)
                )
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("pe_validate"))


def arrows() -> dict[str, set[str]]:
    """The rooms that each room's modules import."""
    found: dict[str, set[str]] = {room: set() for room in ROOMS}
    for room in ROOMS:
        for path in (PACKAGE / room).rglob("*.py"):
            parts = (module.split(".") for module in imported(path))
            found[room] |= {part[1] for part in parts if len(part) > 1 and part[1] in ROOMS and part[1] != room}
    return found


def test_rooms_form_no_circle() -> None:
    left = arrows()
    while done := [room for room, needs in left.items() if not needs & left.keys()]:
        for room in done:
            del left[room]
    assert not left, f"these rooms need one another: { {room: needs & left.keys() for room, needs in left.items()} }"


@pytest.mark.parametrize("room", ["data", "system"])
def test_the_ground_floor_imports_no_other_room(room: str) -> None:
    assert not arrows()[room]


def test_the_ground_floor_imports_the_standard_library_numpy_and_pydantic_alone() -> None:
    allowed = {"data": {"numpy", "pydantic", "pe_validate"}, "system": {"pe_validate"}}
    found = []
    for room, others in allowed.items():
        for path in (PACKAGE / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                roots = {name.partition(".")[0] for name in names} - sys.stdlib_module_names - others
                found += [f"{path.relative_to(PACKAGE)}: {root}" for root in roots]
    assert not found


def test_no_modules_lie_loose_beside_the_rooms() -> None:
    loose = {path.name for path in PACKAGE.glob("*.py")}
    assert loose == {"__init__.py", "case.py", "__main__.py"}
    assert all(len(list((PACKAGE / room).glob("*.py"))) < 30 for room in ROOMS)


HEAVY = (
    "torch",
    "executorch",
    "coremltools",
    "onnx",
    "onnxruntime",
    "onnxscript",
    "torchao",
    "coreai",
    "coreai_torch",
    "coreai_opt",
)


@pytest.mark.parametrize(
    "module", ["pe_validate.case", "pe_validate.cli.main", "pe_validate.report.stored", "pe_validate.gates.registry"]
)
def test_values_are_imported_without_what_they_stand_for(module: str) -> None:
    script = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not set(HEAVY) & set(done.stdout.split())


def test_no_two_modules_of_the_tests_share_a_name() -> None:  # pytest imports them by it
    names = Counter(path.name for path in TESTS.rglob("*.py") if path.name not in ("__init__.py", "conftest.py"))
    assert [name for name, times in names.items() if times > 1] == []
