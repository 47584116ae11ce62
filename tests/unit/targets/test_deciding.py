"""What decides an artifact is in its key: a target names the code that a child which writes its files has imported."""

from __future__ import annotations

from pathlib import Path

import pytest
from exporting import modules_that_load, modules_that_write

from pe_validate.models.registry import model_named
from pe_validate.system.process import Child
from pe_validate.system.sources import code_digest
from pe_validate.targets.recipes import SHARED_MODULES
from pe_validate.targets.registry import target_named, targets


@pytest.mark.parametrize("target", targets())
def test_no_code_that_computes_is_imported_beside_what_the_target_names(target: str, tmp_path: Path) -> None:
    with Child() as child:
        found = child.call(modules_that_write, 300, target, tmp_path)
    named = (*target_named(target).deciding_modules, *SHARED_MODULES)
    assert found
    assert not {module for module in found if not any(f"{module}.".startswith(f"{name}.") for name in named)}


def test_no_code_that_computes_is_imported_beside_what_a_model_names() -> None:
    with Child() as child:
        found = child.call(modules_that_load, 300, "PE-Nano")
    assert found
    assert found <= set(model_named("PE-Nano").modules)


@pytest.mark.parametrize("target", targets())
def test_every_module_that_a_target_names_is_there(target: str) -> None:
    assert code_digest(target_named(target).deciding_modules)


def test_the_evaluator_decides_no_file_but_those_whose_package_is_read_for_what_it_multiplies() -> None:
    reading = [name for name, target in targets().items() if any("mil" in part for part in target.deciding_modules)]
    assert reading == ["pte-coreml"]
