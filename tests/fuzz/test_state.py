"""Whatever stops it, what is on disk is the old state or the new one."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import killing
import pytest

KILLING = Path(killing.__file__)

FULL_DISK = """
import sys
from pathlib import Path
from pe_validate.goldens import golden
from pe_validate.system.errors import PEValidateError
sys.path.insert(0, {tests!r})
import killing
action = sys.argv[1]
try:
    killing.ACTIONS[action][0](Path(sys.argv[2]))
except PEValidateError as error:
    print(error)
"""


@pytest.mark.parametrize("count", [15, pytest.param(200, marks=pytest.mark.full)])
@pytest.mark.parametrize("action", ["export", "place", "update", "bundle"])
def test_killed_at_any_moment_it_leaves_the_old_state_or_the_new_one(action: str, count: int, tmp_path: Path) -> None:
    command = [sys.executable, str(KILLING), action, str(tmp_path), str(count), "2026"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stderr
    found: dict[str, int] = ast.literal_eval(done.stdout.splitlines()[-1])
    assert sum(found.values()) == count
    assert set(found) == {"old", "new"}, "kills that are all too early, or all too late, show nothing"


@pytest.mark.parametrize("action", ["export", "place", "update", "bundle"])
def test_a_full_disk_is_one_sentence_and_leaves_the_old_state(action: str, tmp_path: Path) -> None:
    """On a file system of its own, filled to the last block, where this system lets one be mounted."""
    disk = tmp_path / "disk"
    disk.mkdir()
    made = subprocess.run(
        [sys.executable, str(KILLING), action, str(tmp_path / "before"), "0", "0"], capture_output=True, text=True
    )
    assert made.returncode == 0, made.stderr
    script = f"""
        mount -t tmpfs -o size=24m none {disk} && cp -r {tmp_path}/before/. {disk} && rm -rf {disk}/.[0-9a-f]*
        head -c 100000000 /dev/zero > {disk}/filler 2>/dev/null
        {sys.executable} -c "$PROGRAM" {action} {disk}
        rm {disk}/filler
        cp -r {disk}/. {tmp_path}/after
    """
    program = FULL_DISK.format(tests=str(KILLING.parent))
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script],
        env={**os.environ, "PROGRAM": program},
        capture_output=True,
        text=True,
    )
    if "mount" in done.stderr or "unshare" in done.stderr:
        pytest.skip(f"no file system can be mounted here: {done.stderr.splitlines()[0]}")
    (said,) = done.stdout.splitlines()
    assert "No space left on device" in said, done.stdout + done.stderr
    look = killing.ACTIONS[action][1]
    look(tmp_path / "before")  # which remembers it
    assert look(tmp_path / "after") == "old"
