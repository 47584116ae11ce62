"""The texts on which a text tower is validated, as token ids."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pe_validate.inputs.feed import Feed
from pe_validate.models.perception_encoder.text.config import END_OF_TEXT, START_OF_TEXT
from pe_validate.system.errors import UsageError
from pe_validate.system.files import shipped

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from pe_validate.inputs.images import Sample


@dataclass(frozen=True, slots=True)
class TextFeed(Feed):
    """Lines with their ids (``fixtures/text/lines.json``), and random ids; int32 ``[batch, context]``, padded with 0.

    A batch holds a text and those that follow it.
    """

    context: int
    batch: int = 1
    modules: ClassVar[tuple[str, ...]] = (__name__, *(f"{__package__}.{name}" for name in ("tokenizer", "published")))
    tools: ClassVar[tuple[str, ...]] = ("ftfy", "tokenizers")

    def samples(self, photographs: Path | None = None) -> tuple[Sample, ...]:
        """Return the lines: short and long ones, an empty one, one that is cut, other scripts."""
        return self._inputs({_named(line): ids for line, ids in reference_lines().items()})

    def texts(self) -> Mapping[str, str]:
        """Return the lines; a name has only the beginning of a long one."""
        return {_named(line): line for line in reference_lines()}

    def crops(self, count: int, seed: int, photographs: Path | None = None) -> tuple[Sample, ...]:
        """Return ``count`` random texts of one word or more (NumPy's RandomState, whose stream is frozen)."""
        import numpy as np

        rng = np.random.RandomState(seed)
        found = {}
        for number in range(count):
            words = rng.randint(0, START_OF_TEXT, rng.randint(1, self.context - 1)).tolist()
            found[f"text {seed}.{number}"] = [START_OF_TEXT, *words, END_OF_TEXT]
        return self._inputs(found)

    def extremes(self) -> tuple[Sample, ...]:
        """Return an empty text, one that is full of the last word, and "!)(", which begins with id 0.

        Padding is id 0 as well: who masks it by its id hides a "!".
        """
        full = [START_OF_TEXT - 1] * (self.context - 2)
        texts = {
            "empty": [START_OF_TEXT, END_OF_TEXT],
            "full": [START_OF_TEXT, *full, END_OF_TEXT],
            "id 0": [START_OF_TEXT, 0, 27956, END_OF_TEXT],
        }
        return self._inputs(texts)

    def of(self, content: bytes, name: str) -> tuple[NDArray[np.int32]]:
        """Return the ids of a text in UTF-8.

        Raises:
            UsageError: the model takes several texts at once.
            SetupError: the vocabulary cannot be had, or the reference lines get other ids than Meta's tokenizer gives.
        """
        from pe_validate.models.perception_encoder.text.tokenizer import tokenized

        if self.batch > 1:
            raise UsageError(f"The model takes {self.batch} texts at once, not single ones.")

        _check_once()
        return (tokenized([content.decode()], self.context),)

    def _inputs(self, texts: Mapping[str, Sequence[int]]) -> tuple[Sample, ...]:
        """Return the inputs that begin with each text, by its name."""
        import numpy as np

        from pe_validate.inputs.images import Sample

        rows = [[*ids, *[0] * (self.context - len(ids))] for ids in texts.values()]
        batches = ([rows[(i + j) % len(rows)] for j in range(self.batch)] for i in range(len(rows)))
        return tuple(Sample.of(name, np.array(batch, np.int32)) for name, batch in zip(texts, batches, strict=True))


@cache
def _check_once() -> None:
    """Check the tokenizer when a process makes its first tokens."""
    from pe_validate.models.perception_encoder.text.tokenizer import check_tokenizer

    check_tokenizer()


def reference_lines() -> dict[str, list[int]]:
    """Return the lines of ``fixtures/text/lines.json`` with the ids that Meta's own tokenizer gives, 32 each."""
    lines: dict[str, list[int]] = json.loads((shipped("fixtures") / "text" / "lines.json").read_text(encoding="utf-8"))
    return lines


def _named(line: str) -> str:
    """Return a line as it is called in reports."""
    return json.dumps(line if len(line) <= 40 else f"{line[:40]}…", ensure_ascii=False)
