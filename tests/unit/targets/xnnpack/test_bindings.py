"""The name of ExecuTorch's extension module, which is another from 1.5 on."""

from __future__ import annotations

import pytest

from pe_validate.targets.xnnpack import bindings
from pe_validate.targets.xnnpack.bindings import executorch, present

ROOM = "executorch.extension.pybindings"


@pytest.mark.parametrize(
    ("there", "taken"), [({"_portable_lib"}, "_portable_lib"), ({"_C"}, "_C"), ({"_portable_lib", "_C"}, "_C")]
)
def test_the_extension_that_is_there_is_taken(there: set[str], taken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bindings, "find_spec", lambda name: name in {f"{ROOM}.{each}" for each in there})
    assert present() == f"{ROOM}.{taken}"


def test_it_has_the_functions_that_this_project_calls() -> None:
    wanted = {"_load_program", "_load_for_executorch", "_unsafe_reset_threadpool", "_get_operator_names"}
    assert wanted | {"_get_registered_backend_names"} <= set(dir(executorch))
    assert "XnnpackBackend" in executorch._get_registered_backend_names()
