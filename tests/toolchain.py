"""Install a toolchain for tox, name those that a place has, and write docs/toolchains.md.

``install toolchain-NAME``, ``places PLACE`` and ``docs [NAME=REPORT]… [upgrade=FOLDER]``; REPORT is the folder that
``pe-validate run`` wrote, FOLDER the one that ``pe-validate upgrade`` wrote.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # tox runs this before pe_validate is installed, so what is of it comes after

from pe_validate.system import pip  # noqa: E402
from pe_validate.toolchains.table import Toolchain, table  # noqa: E402

DOCUMENT: Final = ROOT / "docs" / "toolchains.md"
LOCK: Final = ROOT / "requirements.lock"
PREFIX: Final = "toolchain-"
FEW: Final = ("torch", "executorch", "coremltools", "onnxruntime", "onnx", "coreai-core")
"""Distributions that have a column; docs/toolchains.md says where the others are."""


def install(environment: str) -> None:
    """Install the toolchain of an environment of tox, with the versions of requirements.lock for everything else."""
    from pe_validate.toolchains.requirements import requirements

    toolchain = table()[environment.removeprefix(PREFIX)]
    toolchain.check_place()
    pip.install(
        requirements(toolchain, locked()), Path(sys.executable), f"The toolchain '{toolchain.name}' cannot be installed"
    )


def locked() -> dict[str, str]:
    """Return the versions of requirements.lock for this Python."""
    from packaging.requirements import Requirement

    lines = LOCK.read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if not line.startswith("#")]
    here = [pin for pin in pins if pin.marker is None or pin.marker.evaluate()]
    return {pin.name: next(iter(pin.specifier)).version for pin in here}


def places(place: str) -> list[str]:
    """Return the names of the toolchains that a place has, without the one that every other check has."""
    return [name for name, toolchain in list(table().items())[1:] if place in toolchain.where]


def pairs(toolchains: Iterable[Toolchain]) -> str:
    """Return the table of toolchains, in Markdown."""
    rows = [["toolchain", *FEW, "where", "what for"], ["---"] * (len(FEW) + 3)]
    rows += [
        [f"`{each.name}`", *(each.versions[tool] for tool in FEW), ", ".join(each.where), each.note]
        for each in toolchains
    ]
    return _lines(rows)


def judged(folder: Path) -> str:
    """Return how many cases of a report pass, target by target, in Markdown."""
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    rows = [["target", "cases", "pass", "least loss SNR, dB", "delegate calls"], ["---", *["---:"] * 4]]
    results: list[dict[str, Any]] = report["results"]
    for target in dict.fromkeys(result["case"]["target"] for result in results):
        found = [result for result in results if result["case"]["target"] == target]
        losses = [
            float(v["worst"]["snr_db"]) for r in found for v in r["verdicts"] if v["gate"] == "loss" and v["worst"]
        ]
        calls = {
            r["artifact"]["delegation"]["delegate_calls"] for r in found if (r["artifact"] or {}).get("delegation")
        }
        passing = sum(all(v["status"] == "pass" for v in r["verdicts"]) and not r["error"] for r in found)
        cells = [target, len(found), passing, f"{min(losses):.1f}" if losses else "–"]
        rows.append([str(cell) for cell in (*cells, ", ".join(map(str, sorted(calls))) or "–")])
    models = ", ".join(dict.fromkeys(result["case"]["model"] for result in results))
    heading = f"{report['headlines'][0]} ({models}, {report['created'][:10]}, {report['machine']})"
    return f"{heading}\n\n{_lines(rows)}"


def moved(folder: Path) -> str:
    """Return what an upgrade changes, as ``pe-validate upgrade`` wrote it."""
    heading, _, rest = (folder / "upgrade.md").read_text(encoding="utf-8").partition("\n")
    return f"`{heading.removeprefix('# ')}`\n{rest}".strip()


def _lines(rows: Iterable[Iterable[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def parts(text: str) -> Iterator[tuple[str, str]]:
    """Yield the parts of the document that are made here, each with its name."""
    for name, content in re.findall(r"<!-- ([\w.-]+) -->\n(.*?)\n<!-- end -->", text, re.DOTALL):
        yield name, content.strip("\n")


def with_part(text: str, name: str, content: str) -> str:
    """Return the document with another content for one part."""
    old = rf"(<!-- {re.escape(name)} -->\n).*?(\n<!-- end -->)"
    if not re.search(old, text, re.DOTALL):
        raise SystemExit(f"docs/toolchains.md has no part '{name}'")
    return re.sub(old, lambda found: f"{found[1]}\n{content}\n{found[2]}", text, flags=re.DOTALL)


def docs(reports: Iterable[str]) -> None:
    """Write the table, and the judgements in ``reports``; what others say stays as it is."""
    text = with_part(DOCUMENT.read_text(encoding="utf-8"), "pairs", pairs(table().values()))
    for report in reports:
        name, _, folder = report.partition("=")
        text = with_part(text, name, (moved if name.startswith("upgrade") else judged)(Path(folder)))
    DOCUMENT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["install", name]:
            install(name)
        case ["places", place]:
            print(json.dumps(places(place)))
        case ["docs", *reports]:
            docs(reports)
        case _:
            raise SystemExit(__doc__)
