"""Whatever happens to a file of a package, the outcome is an answer or one sentence."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from mil_editing import MANIFEST, MODEL, WEIGHTS
from mil_hostile import altered, confine, is_sentence

from pe_validate.mil.proto import parse_model
from pe_validate.system.process import Child, ChildError

SEED = 2026
MUTATIONS = 300
"""Of each file in the default run; ten times as many find little more."""
FULL = 5000
SECONDS = 20.0
"""For one mutation: it takes ten milliseconds, and a shared machine may stall."""


@pytest.fixture(scope="module")
def sound(rich: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package with the same bytes in every run: identifiers and the order of maps are coremltools' chance."""
    path = tmp_path_factory.mktemp("fuzzed") / "sound.mlpackage"
    shutil.copytree(rich, path)
    (path / MODEL).write_bytes(parse_model((path / MODEL).read_bytes()).SerializeToString(deterministic=True))
    content = json.loads((path / MANIFEST).read_text())
    root = content["rootModelIdentifier"]
    names = {key: "model" if key == root else "weights" for key in content["itemInfoEntries"]}
    content["itemInfoEntries"] = {names[key]: entry for key, entry in sorted(content["itemInfoEntries"].items())}
    content["rootModelIdentifier"] = names[root]
    (path / MANIFEST).write_text(json.dumps(content, sort_keys=True))
    return path


@pytest.fixture(scope="module")
def child(sound: Path) -> Iterator[Child]:
    with Child() as child:
        child.call(confine, 120, str(sound))
        yield child


@pytest.mark.parametrize("file", [MANIFEST, MODEL, WEIGHTS], ids=lambda file: file.name)
@pytest.mark.parametrize("count", [MUTATIONS, pytest.param(FULL, marks=pytest.mark.full)])
def test_every_mutation_gives_an_answer_or_one_sentence(
    sound: Path, child: Child, tmp_path: Path, file: Path, count: int
) -> None:
    scratch = tmp_path / "mutated.mlpackage"
    shutil.copytree(sound, scratch)
    answers = 0
    for index in range(count):
        again = (
            f"mutation {index} of {file.name} (seed {SEED}): altered('{sound}', '{scratch}', '{file}', {SEED}, {index})"
        )
        try:
            said = child.call(altered, SECONDS, str(sound), str(scratch), str(file), SEED, index)
        except ChildError as error:
            pytest.fail(f"{again} of tests/helpers/mil/mil_hostile.py: {error}")
        for sentence in filter(None, said.values()):
            assert is_sentence(sentence, "mutated.mlpackage"), f"{again}: {sentence!r}"
        answers += not said["declared"]
    assert 0 < answers < count, "mutations that are all harmless, or all refused, show nothing"
