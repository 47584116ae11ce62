"""Mutations of files, each a function of a source of chance alone, and what may be said of one."""

from __future__ import annotations

import random
from collections.abc import Callable

NUMBERS = (0, 1, 2, 3, 10, 64, 255, 2**16, 2**31 - 1, 2**31, 2**40, 2**63 - 1, 2**64 - 1, -1)
"""Numbers at which something changes."""

SEED = 2026


def mutation(content: bytes, name: str, index: int) -> bytes:
    """Every second one hits the first or the last kilobytes, where headers and indices are."""
    chance = random.Random(f"{SEED} {name} {index}")
    edge = 4096
    if index % 4 == 1:
        return mutated_bytes(content[:edge], chance) + content[edge:]
    if index % 4 == 3:
        return content[:-edge] + mutated_bytes(content[-edge:], chance)
    return mutated_bytes(content, chance)


def is_sentence(said: str) -> bool:
    """One line that can be printed and ends as a sentence."""
    return said.isprintable() and said.endswith(".") and not said.startswith("Traceback")


def mutated_bytes(content: bytes, chance: random.Random) -> bytes:
    """One to five bits flipped, pieces moved, cut or lost, or numbers replaced."""
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 1, 2, 5))):
        chance.choice(_BYTES)(changed, chance)
    return bytes(changed)


def _flip(content: bytearray, chance: random.Random) -> None:
    if content:
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)


def _truncate(content: bytearray, chance: random.Random) -> None:
    del content[chance.randrange(len(content) + 1) :]


def _splice(content: bytearray, chance: random.Random) -> None:
    """A piece of the file to another place of it."""
    start, target = chance.randrange(len(content) + 1), chance.randrange(len(content) + 1)
    content[target:target] = content[start : start + chance.randrange(1, 80)]


def _cut(content: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(content) + 1)
    del content[start : start + chance.randrange(1, 80)]


def _number(content: bytearray, chance: random.Random) -> None:
    """Eight bytes, where a header may have its fields."""
    start = chance.randrange(len(content) // 8 + 1) * 8
    content[start : start + 8] = (chance.choice(NUMBERS) % 2**64).to_bytes(8, "little")


_BYTES: tuple[Callable[[bytearray, random.Random], None], ...] = (_flip, _flip, _truncate, _splice, _cut, _number)
