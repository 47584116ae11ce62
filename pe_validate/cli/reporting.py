"""Leave a report of a command behind, whatever becomes of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

from pe_validate.system.errors import PEValidateError, UsageError, refused


@contextmanager
def reporting(command: str, weights: str, folder: Path, as_json: bool, judged: Path | None = None) -> Iterator[None]:
    """Take an older report out of ``folder``, and put one with the error there if a stage cannot do its work.

    The older one comes back if the request turns out to be wrong, or after Ctrl-C: nothing was found out then.
    ``judged`` is the file that the command is about.

    Raises:
        ReportError: the folder cannot be written, or holds files that are of no report.
        PEValidateError: what was raised inside; an OSError is one, too.
    """
    from pe_validate.report.render import make_room
    from pe_validate.system.files import replace_file

    start = perf_counter()
    older = make_room(folder)
    try:
        yield
    except (UsageError, SystemExit):
        for path, content in older.items():
            replace_file(path, content)
        raise
    except (PEValidateError, OSError) as error:
        stage = refused(error) if isinstance(error, OSError) else error
        _report(stage, command, weights, perf_counter() - start, folder, as_json, judged)
        raise stage from error


def _report(
    error: PEValidateError,
    command: str,
    weights: str,
    seconds: float,
    folder: Path,
    as_json: bool,
    judged: Path | None,
) -> None:
    """Write a report with nothing but an error, and print it if it is to be JSON."""
    from pe_validate.data.provenance import StageError
    from pe_validate.report.provenance import file_at
    from pe_validate.report.render import write
    from pe_validate.report.stored import make_report, to_json

    entry = StageError(str(error), file_at(judged) if judged else None)
    report = make_report(command, weights, (), seconds, (entry,))
    write(report, folder)
    if as_json:
        print(to_json(report).decode())
