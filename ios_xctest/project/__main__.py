"""Write ``PEValidate.xcodeproj`` from ``project.yml``, as XcodeGen would: ``python ios_xctest/project [FOLDER]``.

Knows what this project uses of XcodeGen's specification and no more. Ids are digests of what they stand for, so the
same specification gives the same file.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import yaml
from objects import Objects
from pbxproj import XcodeProject
from scheme import scheme

HERE: Final = Path(__file__).parents[1]


def main(folder: Path) -> None:
    """Write the project into ``folder``."""
    spec = yaml.safe_load((HERE / "project.yml").read_text(encoding="utf-8"))
    package = folder / f"{spec['name']}.xcodeproj"
    schemes = package / "xcshareddata" / "xcschemes"
    schemes.mkdir(parents=True, exist_ok=True)
    XcodeProject(Objects(spec).file(), str(package / "project.pbxproj")).save()
    for name in spec["schemes"]:
        (schemes / f"{name}.xcscheme").write_bytes(scheme(spec, name))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else HERE)
