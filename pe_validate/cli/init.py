"""``pe-validate init``: write the configuration of a user's own model, one test, and a workflow."""

from __future__ import annotations

import sys
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Final

import typer

from pe_validate.inputs.preprocessing import PREPROCESSINGS
from pe_validate.models.own.config import FILE, configured
from pe_validate.system.errors import UsageError
from pe_validate.system.files import replace_file
from pe_validate.targets.base import Target
from pe_validate.targets.registry import targets

TEST: Final = Path("tests/test_conversion.py")
WORKFLOW: Final = Path(".github/workflows/pe-validate.yml")

TEMPLATES: Final = {Path(FILE): f"{FILE}.jinja", TEST: "test_conversion.py.jinja", WORKFLOW: "pe-validate.yml.jinja"}


def init(
    module: Annotated[
        str | None, typer.Option(help="The factory of the module: file.py:function or package.module:function.")
    ] = None,
    shape: Annotated[str | None, typer.Option(help="The shape of its input, such as 1,3,224,224.")] = None,
    name: Annotated[
        str | None, typer.Option(help="A name for the model. [default: that of the file or module]")
    ] = None,
    given: Annotated[str, typer.Option("--input", help="The name of its input.")] = "image",
    preprocessing: Annotated[
        str | None, typer.Option(help=f"What photographs become: {', '.join(PREPROCESSINGS)}. [default: pe]")
    ] = None,
    target: Annotated[
        list[str] | None, typer.Option(help="A target, or a case of one; repeat it. [default: all without a delegate]")
    ] = None,
    folder: Annotated[Path, typer.Option(help="The folder of your project.")] = Path(),
) -> None:
    """Configure your own model: write pe-validate.toml, a test and a workflow; nothing that is there is changed."""
    module = module or _asked("--module", "The factory of the module, such as enc.py:build")
    shape = shape or _asked("--shape", "The shape of its input, such as 1,3,224,224")
    where = module.partition(":")[0]
    called = name or (Path(where).stem if where.endswith(".py") else where.rpartition(".")[2])
    said: dict[str, object] = {
        "module": module,
        "name": called,
        "input": given,
        "shape": _numbers(shape),
        "preprocessing": preprocessing,
        "targets": target or [case for each in targets().values() for case in _plain_cases(each)],
        "test": TEST,
    }
    if there := [path for path in TEMPLATES if (folder / path).exists()]:
        raise UsageError(
            f"'{folder / there[0]}' is there already: remove it, or write the table [models.{called}] by hand."
        )
    content = {path: _rendered(template, said) for path, template in TEMPLATES.items()}
    configured(folder / FILE, content[Path(FILE)])  # refuses what would be refused later
    for path, text in content.items():
        replace_file(folder / path, text.encode())
        print(folder / path)
    print(f"Next: pe-validate run {called}")


def _plain_cases(target: Target) -> list[str]:
    """Return the recommended cases of a target; none if a delegate may not take all of the model."""
    return [] if target.operands else [f"{target.name}/{precision}" for precision in target.recommended]


def _asked(option: str, question: str) -> str:
    """Ask for what an option did not say.

    Raises:
        UsageError: nobody is there to be asked.
    """
    if not sys.stdin.isatty():
        raise UsageError(f"Nothing says {option}: {question[0].lower()}{question[1:]}.")
    answer: str = typer.prompt(question)
    return answer


def _numbers(shape: str) -> list[int]:
    try:
        return [int(number) for number in shape.strip("[]() ").split(",")]
    except ValueError as error:
        raise UsageError(f"'{shape}' is no shape: write numbers with commas, such as 1,3,224,224.") from error


def _rendered(template: str, said: dict[str, object]) -> str:
    from jinja2 import Environment, StrictUndefined

    source = (files("pe_validate.cli") / "templates" / template).read_text(encoding="utf-8")
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)
    return environment.from_string(source).render(said)
