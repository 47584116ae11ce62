"""The contract of a file: how what it takes and gives differs from what its model takes and gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

AS_IS: Final = ""
"""The word for a part of the interface that is the model's."""


@dataclass(frozen=True, slots=True)
class Contract:
    """The differences of a file's interface to its model's, each a word; :data:`AS_IS` where there is none.

    ``layout``: the axes of the input, such as ``NHWC`` or ``CHW``. ``values``: what an app gives: ``bytes`` (0 to 255),
    ``quantised``, or the name of another preprocessing than the model's. ``batch``: the number of images that every
    call takes. ``output``: ``normalised`` (to length 1) or ``scaled``.
    """

    layout: str = AS_IS
    values: str = AS_IS
    batch: int = 1
    output: str = AS_IS

    @property
    def words(self) -> tuple[str, ...]:
        """The differences, as they are written after ``--contract``; empty if there is none."""
        batch = f"batch={self.batch}" if self.batch > 1 else AS_IS
        return tuple(word for word in (self.layout, self.values, batch, self.output) if word)

    @property
    def told(self) -> str:
        """The same for a reader: what to give, and what comes back."""
        values = VALUES.get(self.values, self.values)
        parts = [
            f"axes {self.layout}" * bool(self.layout),
            (values if " " in values else f"values by the preprocessing '{values}'") * bool(values),
            f"{self.batch} images a call" * (self.batch > 1),
            f"and expect the output {self.output}" * bool(self.output),
        ]
        return ", ".join(part for part in parts if part)

    def __str__(self) -> str:
        return ",".join(self.words)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the contract that ``text`` writes down, its words in any order.

        Raises:
            ValueError: a word is none of a contract.
        """
        found: dict[str, str] = {}
        batch = 1
        for word in filter(None, (each.strip() for each in text.split(","))):
            if word.startswith("batch="):
                batch = int(word.removeprefix("batch="))
            elif word in OUTPUTS:
                found["output"] = word
            elif word.isupper() or word[0] == "1":
                found["layout"] = word
            elif word.isidentifier():
                found["values"] = word
            else:
                raise ValueError(f"'{word}' is no word of a contract")
        return cls(batch=batch, **found)


QUANTISED: Final = "quantised"
VALUES: Final = {
    "bytes": "pixels from 0 to 255",
    "unit": "values from 0 to 1",
    QUANTISED: "integers, values divided by its scale plus its zero point",
}
"""What an app gives, in words."""

NORMALISED: Final = "normalised"
SCALED: Final = "scaled"
OUTPUTS: Final = (NORMALISED, SCALED)
"""What a file may do to the model's output."""
