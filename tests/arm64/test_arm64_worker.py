"""The process on the emulated core: started once, asked often, never waited for in vain, gone with its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from nano import IMAGES, case
from processes import is_alive, wait_until

from pe_validate.data.artifact import Artifact
from pe_validate.machines.arm64.environment import Environment
from pe_validate.machines.arm64.profiles import PROFILES, Profile
from pe_validate.machines.arm64.runtime import Arm64Runtime, Guest
from pe_validate.machines.isolation import IsolatedRuntime
from pe_validate.system.errors import RunError
from pe_validate.walk.arm64 import validate_on_arm64

PHONE = PROFILES["iphone-14"]

pytestmark = pytest.mark.xdist_group("worker")


def test_one_process_answers_many_inputs_and_programs(
    guest_of: Callable[[str], Guest], program: Callable[[str], Artifact]
) -> None:
    guest = guest_of("iphone-14")
    process = guest.call(os.getpid)
    for precision in ("fp32", "int8", "fp32"):
        runtime = Arm64Runtime(program(precision).path, guest)
        answers = [runtime.run(sample.image) for sample in IMAGES]
        assert len({answer.tobytes() for answer in answers}) == len(IMAGES)
        assert np.array_equal(runtime.run(IMAGES[0].image), answers[0])
    assert guest.call(os.getpid) == process


def test_it_says_which_runtime_computes(guest_of: Callable[[str], Guest]) -> None:
    assert guest_of("iphone-14").producer == (
        "ExecuTorch 1.3.1 (torch 2.10.0, Python 3.11.2, arm64), iphone-14 by QEMU 7.2"
    )


def test_a_file_that_is_no_program_is_refused_and_others_still_run(
    guest_of: Callable[[str], Guest], program: Callable[[str], Artifact], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.pte"
    broken.write_bytes(program("int8").path.read_bytes()[:1000])
    with pytest.raises(RunError, match=r"broken.pte' cannot be loaded"):
        Arm64Runtime(broken, guest_of("iphone-14"))
    assert Arm64Runtime(program("int8").path, guest_of("iphone-14")).run(IMAGES[0].image).shape == (1, 64)


def test_an_inference_that_takes_too_long_is_ended(
    start: Callable[[Profile], Guest], program: Callable[[str], Artifact]
) -> None:
    with start(PHONE) as guest:
        runtime = Arm64Runtime(program("fp16").path, guest)
        guest.timeout = 0.2
        with pytest.raises(RunError, match=r"did not finish within 0.2 s"):
            runtime.run(IMAGES[0].image)
        assert wait_until(lambda: not guest.alive)


def test_a_case_that_takes_too_long_is_an_error_and_not_a_pass() -> None:
    (result,) = validate_on_arm64([case("fp16")], [PHONE], timeout=0.01)
    assert result.status == "error"
    assert "did not finish within 0.01 s" in str(result.error)


PARENT = """
import sys
from pe_validate.machines.arm64.environment import setup
from pe_validate.machines.arm64.profiles import PROFILES
from pe_validate.machines.arm64.runtime import Guest
profile = PROFILES["iphone-14"]
with Guest(setup(profile), profile) as guest:
    print(guest._child._process.pid, flush=True)
    guest.call(sum, range(10**11))
"""


def test_it_ends_with_its_parent_in_the_middle_of_its_work() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    process = int(parent.stdout.readline())
    time.sleep(0.5)
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    assert wait_until(lambda: not is_alive(process))


def test_an_interpreter_of_this_machine_answers_without_an_emulator(program: Callable[[str], Artifact]) -> None:
    """As on a machine that is arm64: here its code runs on x86-64, with this machine's own runtime."""
    artifact = program("int8")
    with (
        Guest(Environment((sys.executable,), None), PHONE) as guest,
        IsolatedRuntime(artifact.path, "pte", "declared") as here,
    ):
        assert "iphone" not in guest.producer
        runtime = Arm64Runtime(artifact.path, guest)
        assert np.array_equal(runtime.run(IMAGES[0].image), here.run(IMAGES[0].image))
        assert not runtime.products
        assert not guest.instructions()
