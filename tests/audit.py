"""Look up the installed versions among known vulnerabilities: ``tox -e audit``. What cannot be looked up is red.

pip-audit alone skips what the index does not know, such as ``torch 2.13.0+cpu``, and passes if it knows nothing.
"""

import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path
from tempfile import TemporaryDirectory

OURS = "pe-validate"

with TemporaryDirectory() as folder:
    installed = {found.name: found.version.partition("+")[0] for found in distributions() if found.name != OURS}
    listed = Path(folder) / "installed.txt"
    listed.write_text("".join(f"{name}=={version}\n" for name, version in sorted(installed.items())))
    command = [sys.executable, "-m", "pip_audit", "--strict", "--no-deps", "--disable-pip", "--progress-spinner", "off"]
    sys.exit(subprocess.run([*command, "--requirement", str(listed), *sys.argv[1:]], check=False).returncode)
