"""Arrows between the rooms of a package, and circles, by grimp: ``python tests/benchmarks/rooms.py [FOLDER]``.

FOLDER holds the package ``pe_validate``; without one, that of this checkout is read. Imports in functions count, those
for types alone do not. Needs ``pip install grimp``, and nothing of the package's own requirements.
"""

from __future__ import annotations

import sys
from pathlib import Path

import grimp

PACKAGE = "pe_validate"


def main(folder: Path) -> None:
    sys.path.insert(0, str(folder))
    graph = grimp.build_graph(PACKAGE, exclude_type_checking_imports=True, cache_dir=None)
    rooms = sorted(graph.find_children(PACKAGE))
    inside = {room: {room, *graph.find_descendants(room)} for room in rooms}
    arrows = {
        room: {
            other
            for other in rooms
            if other != room
            and any(graph.find_modules_directly_imported_by(module) & inside[other] for module in inside[room])
        }
        for room in rooms
    }
    known = sum(len(others) for others in arrows.values())
    circles = sorted(
        {tuple(sorted((room, other))) for room in rooms for other in arrows[room] if room in arrows[other]}
    )
    left = dict(arrows)
    while done := [room for room, others in left.items() if not others & left.keys()]:
        for room in done:
            del left[room]
    print(f"{len(rooms)} rooms and loose modules, {known} arrows, {len(circles)} pairs that need one another")
    print(f"{len(left)} of them are in circles or need one that is")
    for room in rooms:
        print(f"{_short(room)}: {', '.join(sorted(map(_short, arrows[room])))}")


def _short(module: str) -> str:
    return module.removeprefix(f"{PACKAGE}.")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2])
