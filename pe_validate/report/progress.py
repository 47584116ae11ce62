"""Show progress on stderr: live with rich at a terminal, else as plain lines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from time import perf_counter

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from pe_validate.data.case import Case
from pe_validate.data.progress import Note
from pe_validate.data.progress import Progress as Notify


@contextmanager
def show(*, plain: bool) -> Iterator[Notify]:
    """Yield a function to call with each case and stage; the stage ``done`` ends its case."""
    console = Console(stderr=True)
    if plain or not console.is_terminal:
        yield _plain(console)
        return
    columns = (SpinnerColumn(finished_text="✓"), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console) as bars:
        yield _live(bars)


def _plain(console: Console) -> Notify:
    start = perf_counter()

    def tell(case: Case, stage: str) -> None:
        console.print(
            f"{perf_counter() - start:7.1f} s  {case}  {stage}", highlight=False, markup=False, soft_wrap=True
        )

    return tell


def _live(bars: Progress) -> Notify:
    tasks: dict[Case, TaskID] = {}
    lock = Lock()

    def tell(case: Case, stage: str) -> None:
        if isinstance(stage, Note):
            bars.console.print(f"{case}  {stage}", highlight=False, markup=False, soft_wrap=True)
            return
        with lock:
            if case not in tasks:
                tasks[case] = bars.add_task("", total=1)
            bars.update(tasks[case], description=f"{case}  {stage}", completed=stage == "done")

    return tell
