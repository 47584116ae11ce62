"""Mutations of the files of a package, each a function of a seed and an index alone."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from mutations import NUMBERS, mutated_bytes

from pe_validate.mil.proto import parse_model


def mutated(content: bytes, name: str, seed: int, index: int) -> bytes:
    """Mutation ``index`` of a file: of the specification every second one changes a field, the others bytes."""
    chance = random.Random(f"{seed} {name} {index}")
    if name == "model.mlmodel" and index % 2:
        return _fields(content, chance)
    return mutated_bytes(content, chance)


def _fields(content: bytes, chance: random.Random) -> bytes:
    """Fields of the specification taken away, doubled, or given another value: the message stays one."""
    model = parse_model(content)
    for _ in range(chance.choice((1, 1, 2))):
        places = list(_places(model))
        message, field = chance.choice(places)
        _change(message, field, places, chance)
    return bytes(model.SerializeToString(deterministic=True))


def _places(message: Any) -> Iterator[tuple[Any, Any]]:
    """Every field that is set, with the message that it is in, in the order of the schema."""
    for field, value in message.ListFields():
        yield message, field
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            inner = [value[key] for key in sorted(value)]
        else:
            inner = list(value) if field.is_repeated else [value]
        for found in inner:
            if hasattr(found, "ListFields"):
                yield from _places(found)


def _change(message: Any, field: Any, places: list[tuple[Any, Any]], chance: random.Random) -> None:
    value = getattr(message, field.name)
    if chance.random() < 0.2:
        message.ClearField(field.name)
    elif field.message_type is not None and field.message_type.GetOptions().map_entry:
        value.pop(chance.choice(sorted(value)))
    elif field.is_repeated:
        _change_list(value, chance)
    elif field.message_type is not None:
        same = [getattr(m, f.name) for m, f in places if f.full_name == field.full_name]
        value.CopyFrom(chance.choice(same))
    else:
        setattr(message, field.name, _other(value, places, chance))


def _change_list(values: Any, chance: random.Random) -> None:
    index = chance.randrange(len(values))
    if chance.random() < 0.4:
        del values[index]
    elif hasattr(values[index], "CopyFrom"):
        values.add().CopyFrom(values[index])
    elif isinstance(values[index], int) and not isinstance(values[index], bool):
        values[index] = chance.choice([number for number in NUMBERS if -(2**31) <= number < 2**31])
    else:
        values.append(chance.choice(list(values)))


def _other(value: Any, places: list[tuple[Any, Any]], chance: random.Random) -> Any:
    """Another value of the same type; a string is one of another field."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        strings = [getattr(m, f.name) for m, f in places if isinstance(getattr(m, f.name), str)]
        return chance.choice([*strings, "", "\n\x1b[2J", "../../../../etc/passwd"])
    if isinstance(value, bytes):
        return value[: chance.randrange(len(value) + 1)]
    if isinstance(value, float):
        return chance.choice((0.0, -1.0, 1e38, float("nan"), float("inf")))
    return chance.choice([number for number in NUMBERS if 0 <= number < 2**31])
