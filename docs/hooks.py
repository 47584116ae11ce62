"""What MkDocs cannot know: pages that lie outside of ``docs/``, links that lead there, and a page for each package.

Links are written for GitHub, relative to the file that they stand in. Here they are led to the page that the file has
become; other files of the repository that are linked to are copied to ``repository/``. A link to a file that is not
there is MkDocs's to complain about, and in strict mode an error.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT: Final = Path(__file__).parents[1]
PACKAGE: Final = ROOT / "pe_validate"
PAGES: Final = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
}
"""Pages at the top of the repository, and what they are in the site."""

LINK: Final = re.compile(r"(?<=\]\()([^()\s]+)(?=\))")
"""The target of a Markdown link."""

ROLE: Final = re.compile(r":(?:attr|class|data|func|meth|mod):<code>~?([\w.]+)</code>")
"""What Sphinx would link, as Markdown renders it."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Append the API to the navigation."""
    pages = [{package.removeprefix("pe_validate."): api_page(package)} for package in packages()]
    config.nav = [*(config.nav or []), {"API": pages}]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages at the top of the repository, those of the API, and every file that a page links to."""
    for package, modules in packages().items():
        files.append(File.generated(config, api_page(package), content=api(package, modules)))
    waiting = [*PAGES, *(f"docs/{file.src_uri}" for file in files.documentation_pages() if not file.generated_by)]
    known = {f"docs/{file.src_uri}" for file in files}
    while waiting:
        source = waiting.pop()
        if source not in known:
            known.add(source)
            files.append(File.generated(config, in_site(source), abs_src_path=str(ROOT / source)))
        if source.endswith(".md"):
            text = (ROOT / source).read_text(encoding="utf-8")
            waiting += {found for link in LINK.findall(text) if (found := linked(source, link))} - known
    return files


def on_page_markdown(markdown: str, *, page: Page, **_: Any) -> str:
    """Lead the links of a page to what their files have become."""
    source = in_repository(page.file.src_uri)
    here = posixpath.dirname(page.file.src_uri)

    def lead(match: re.Match[str]) -> str:
        if not (found := linked(source, match[1])):
            return match[1]
        fragment = urlsplit(match[1]).fragment
        return posixpath.relpath(in_site(found), here or ".") + (f"#{fragment}" if fragment else "")

    return LINK.sub(lead, markdown)


def on_page_content(html: str, *, page: Page, **_: Any) -> str:
    """Turn what is reStructuredText in docstrings, roles and the colons before a block, into what it means."""
    if not page.file.src_uri.startswith("api/"):
        return html
    html = ROLE.sub(r'<autoref optional identifier="\1"><code>\1</code></autoref>', html)
    return html.replace("::</p>", ":</p>")


def packages() -> dict[str, list[str]]:
    """Every package by its dotted name, each with its modules."""
    found = {}
    for init in sorted(PACKAGE.rglob("__init__.py")):
        modules = [path.stem for path in sorted(init.parent.glob("*.py")) if not path.stem.startswith("_")]
        found[".".join(init.parent.relative_to(ROOT).parts)] = modules
    return found


def api_page(package: str) -> str:
    """The page of a package."""
    return f"api/{package}.md"


def api(package: str, modules: list[str]) -> str:
    """What the page of a package says: its own docstring, then its modules with theirs."""
    parts = [
        f"# {package}",
        f"::: {package}\n    options:\n      show_root_heading: false\n      show_root_toc_entry: false",
    ]
    parts += [f"::: {package}.{module}" for module in modules]
    return "\n\n".join(parts) + "\n"


def linked(source: str, link: str) -> str | None:
    """The file that a link leads to, relative to the top of the repository; None where it leads to none.

    A link to a folder leads to its ``README.md``.
    """
    parts = urlsplit(link)
    if parts.scheme or parts.netloc or not parts.path or parts.path.startswith("/"):
        return None
    path = posixpath.normpath(posixpath.join(posixpath.dirname(source), parts.path))
    if path.startswith(".."):
        return None
    if (ROOT / path).is_dir():
        path = f"{path}/README.md"
    return path if (ROOT / path).is_file() else None


def in_site(source: str) -> str:
    """Where a file of the repository lies in the site."""
    return PAGES.get(source) or (source.removeprefix("docs/") if source.startswith("docs/") else f"repository/{source}")


def in_repository(page: str) -> str:
    """Where a file of the site lies in the repository."""
    for source, known in PAGES.items():
        if page == known:
            return source
    return page.removeprefix("repository/") if page.startswith("repository/") else f"docs/{page}"
