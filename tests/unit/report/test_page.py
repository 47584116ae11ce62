"""The page as it is written: valid, complete, inert whatever it is told. ``tests/page`` opens it in a browser."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections import Counter
from hashlib import sha256
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import pytest
import sample_pages as pages
import sample_reports as sample
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pe_validate.data.report import Report
from pe_validate.report import page as package
from pe_validate.report.page import to_html
from pe_validate.report.page.assets import SCRIPTS
from pe_validate.report.page.matrix import SHADES, matrix_of, shade
from pe_validate.report.stored import FILE_NAME, read, to_json

MEGABYTES: Final = 5
"""That a page of every case may have."""

HOSTILE: Final = pages.HOSTILE

REPORTS: Final = {
    "empty": sample.report(),
    "pass": sample.report(sample.passing(), sample.passing(sample.PTE)),
    "mixed": sample.mixed(),
    "measured": sample.report(sample.measured()),
    "hostile": pages.hostile(),
    "full": pages.full_matrix(),
}
every_report = pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)

messages = st.text(min_size=1, max_size=60)
"""What an exception of somebody else's library may say: anything."""


class Page(HTMLParser):
    """Collects tags, attributes and text of a page, and checks that what is opened is closed."""

    VOID = frozenset({"meta", "input"})

    def __init__(self, content: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.text: list[str] = []
        self.raw: dict[str, list[str]] = {"script": [], "style": []}
        self._open: list[str] = []
        self.feed(content)
        self.close()
        assert not self._open, f"never closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        assert len({name for name, _ in attrs}) == len(attrs)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        inside = self._open[-1] if self._open else ""
        self.raw.get(inside, self.text).append(data)

    def valued(self, attribute: str) -> list[str]:
        return [value for _, name, value in self.attributes if name == attribute]

    @property
    def scripts(self) -> list[str]:
        """The scripts that run; the first element of that name holds data."""
        return self.raw["script"][1:]

    @property
    def data(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.raw["script"][0])
        return found


def hashed(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


@every_report
def test_it_is_well_formed(report: Report) -> None:
    page = Page(to_html(report))
    assert [page.tags[tag] for tag in ("html", "head", "body", "h1", "title")] == [1] * 5
    assert len(page.valued("id")) == len(set(page.valued("id")))


@every_report
def test_its_data_is_the_report_as_it_is_stored(report: Report, tmp_path: Path) -> None:
    found = Page(to_html(report)).data
    assert found["report"] == json.loads(to_json(report))
    assert [each["name"] for each in found["cases"]] == [result.name for result in report.results]
    (tmp_path / FILE_NAME).write_text(json.dumps(found["report"]))
    assert read(tmp_path).results == read(tmp_path).results


@every_report
def test_the_outcome_is_there_without_scripts(report: Report) -> None:
    text = " ".join(" ".join(Page(to_html(report)).text).split())
    for line in report.headlines:
        assert " ".join(line.split()) in text
    for result in report.results:
        assert " ".join(result.name.split()) in text
        for sentence in result.sentences:
            assert " ".join(sentence.split()) in text


@every_report
def test_its_policy_lets_run_what_is_written_there_and_loads_nothing(report: Report) -> None:
    page = Page(to_html(report))
    (policy,) = (value for value in page.valued("content") if "default-src" in value)
    rules = dict(rule.split(maxsplit=1) for rule in policy.split("; "))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["img-src"] == "data:"
    assert rules["script-src"].split() == [hashed(script) for script in page.scripts]
    assert hashed("".join(page.raw["style"])) in rules["style-src"].split()
    assert len(page.scripts) == len(SCRIPTS)
    assert not {name for _, name, _ in page.attributes if name.startswith("on")} | {"src", "href", "style"} & {
        name for _, name, _ in page.attributes
    }


@every_report
def test_its_own_code_asks_nothing_of_other_sites(report: Report) -> None:
    page = Page(to_html(report))
    own = [script for name, script in zip(SCRIPTS, page.scripts, strict=True) if not name.startswith("vendor/")]
    for content in (*own, *page.raw["style"]):
        assert not re.search(
            r"https?:|//\w+\.|@import|url\(|fetch\(|XMLHttpRequest|innerHTML|outerHTML|eval\(|Function\(", content
        )


def test_its_own_scripts_end_no_element() -> None:
    for name in SCRIPTS:
        content = (files(package) / name).read_text(encoding="utf-8").lower()
        assert "</script" not in content
        assert "<!--" not in content


PUBLISHED: Final = {
    "vendor/d3.min.js": "912111098ea99503a6f4967361d2bbdc9dbf58cf9c678c8e27e5b02d1a07f0c1",
    "vendor/plot.umd.min.js": "4358086467740777dd788d6b27a95cebdbaefdd50c730a3060117073bd7134cb",
}
"""The sha256 of what others wrote, as in the packages d3 7.9.2 and @observablehq/plot 0.6.17 of npm."""


def test_what_others_wrote_is_as_they_published_it() -> None:
    found = {name: (files(package) / name).read_bytes() for name in SCRIPTS if name.startswith("vendor/")}
    assert {name: sha256(content).hexdigest() for name, content in found.items()} == PUBLISHED


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_others_wrote_has_its_licence_beside_it(name: str) -> None:
    folder, _, file = name.rpartition("/")
    licence = (files(package) / folder / f"LICENSE-{file.partition('.')[0]}").read_text(encoding="utf-8")
    assert "Copyright" in licence
    assert "Permission to use, copy, modify, and/or distribute" in licence


PLAIN: Final = Page(to_html(sample.report(sample.erring(error="x"), command="x", weights="x")))


@settings(max_examples=30)
@given(messages)
@example(HOSTILE)
def test_it_escapes_whatever_it_is_told(message: str) -> None:
    page = Page(to_html(sample.report(sample.erring(error=message), command=message, weights=message)))
    assert page.tags == PLAIN.tags
    assert page.scripts == PLAIN.scripts


def test_a_hostile_report_has_no_element_more_than_another() -> None:
    content = to_html(pages.hostile())
    page = Page(content)
    assert page.scripts == PLAIN.scripts
    assert page.tags["img"] == 0
    assert content.count("<script") == content.count("</script>") == 1 + len(SCRIPTS)
    assert not {"\x1b", "\u2028"} & set("".join(page.text))


def test_the_matrix_has_every_case_once_and_says_its_margin_in_words() -> None:
    report = pages.full_matrix()
    matrix = matrix_of(report)
    cells = [cell for _, rows in matrix.targets for row in rows for cell in row.cells if cell]
    assert sorted(cell.name for cell in cells) == sorted(result.name for result in report.results)
    assert all(len(row.cells) == len(matrix.models) for _, rows in matrix.targets for row in rows)
    assert {cell.status for cell in cells} == {"pass", "fail", "error"}
    for cell in cells:
        if cell.status == "pass":
            assert f"uses {cell.text} of its limit" in cell.words
            assert cell.shade <= "u5"
        elif cell.status == "fail":
            assert "fails" in cell.words
            assert cell.shade >= "u6"


def test_a_failure_without_numbers_is_red_and_named() -> None:
    ((_, (row,)),) = matrix_of(sample.report(sample.misshapen())).targets
    (cell,) = row.cells
    assert cell
    assert (cell.status, cell.text, cell.shade) == ("fail", "identity", "u6")


def test_profiles_have_rows_of_their_own() -> None:
    from dataclasses import replace

    found = sample.report(*(replace(sample.passing(sample.PTE), profile=name) for name in ("iphone-11", "iphone-14")))
    ((_, rows),) = matrix_of(found).targets
    assert [row.precision for row in rows] == ["fp32 on iphone-11", "fp32 on iphone-14"]


@pytest.mark.parametrize("file", ["base.js"])
def test_scripts_shade_as_the_matrix_does(file: str) -> None:
    content = (files(package) / file).read_text(encoding="utf-8")
    assert f"const SHADES = [{', '.join(f'{end:g}' for end in SHADES)}];" in content
    assert [shade(end) for end in (0, 0.5, 1, 1.01, 1e9)] == ["u0", "u3", "u5", "u6", "u7"]


def test_a_page_of_every_case_stays_small() -> None:
    report = pages.full_matrix()
    assert len({result.case.model for result in report.results}) >= 8
    assert len(report.results) >= 8 * 16
    assert len(report.pictures) == 6 + len(pages.CROPS)
    assert len(to_html(report).encode()) < MEGABYTES * 1e6
