"""Set the environment up with other lists of packages: `python set_up.py PACKAGES CACHE`."""

import sys
from pathlib import Path

import pytest

from pe_validate.machines.arm64 import environment
from pe_validate.machines.arm64.profiles import PROFILES


def main(packages: str, cache: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(environment, "PACKAGES", Path(packages))
        patch.setattr(environment, "WHEELS", Path(packages).with_name("wheels.txt"))
        environment.setup(PROFILES["iphone-14"], Path(cache), lambda stage: print(stage, flush=True))


if __name__ == "__main__":
    main(*sys.argv[1:])
