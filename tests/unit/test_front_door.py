"""The public names are there, whatever else was imported, and importing the package is cheap."""

import subprocess
import sys
from pathlib import Path

import pytest

import pe_validate


def evaluate(*statements: str) -> str:
    command = [sys.executable, "-c", "; ".join(statements)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("first", ["import sys", "import pe_validate.walk.walk, pe_validate.targets.export"])
def test_a_public_name_is_never_its_module(first: str) -> None:
    names = "[n for n in pe_validate.__all__ if isinstance(getattr(pe_validate, n), types.ModuleType)]"
    assert evaluate(first, "import types, pe_validate", f"print({names})") == "[]\n"


SCRIPT = """
import pe_validate
case = pe_validate.Case("PE-Core-T16-384", "onnx", "fp32")
artifact, verdicts = pe_validate.validate(case, "seed:7")
print(artifact.path.name, {verdict.status for verdict in verdicts})
"""


def test_a_script_of_five_lines_validates_a_case(tmp_path: Path) -> None:
    script = tmp_path / "script.py"  # a file without a guard: child processes must not run it again
    script.write_text(SCRIPT)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=300)
    assert done.stdout == "PE-Core-T16-384-fp32.onnx {'pass'}\n", done.stderr


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        pe_validate.nothing  # noqa: B018


def test_importing_the_package_imports_nothing_heavy() -> None:
    heavy = "{'torch', 'onnxruntime', 'coremltools', 'executorch'} & set(sys.modules)"
    assert evaluate("import sys, pe_validate.cli.main, pe_validate.testing.plugin", f"print({heavy})") == "set()\n"


CONVERSION = """
import torch, warnings
warnings.simplefilter("ignore")
import coremltools as ct
import pe_validate
shape = (1, 3, 64, 64)
tower = pe_validate.load_model("PE-Nano")
def convert():
    traced = torch.jit.trace(tower, torch.zeros(shape), check_trace=False)
    return ct.convert(traced, inputs=[ct.TensorType(name="image", shape=shape)], skip_model_load=True)
try:
    convert()
except TypeError as error:
    print(error)
with pe_validate.coreml_workarounds():
    print(type(convert()).__name__)
"""


def test_the_tower_as_it_is_is_traced_and_converted_inside_the_workarounds(tmp_path: Path) -> None:
    script = tmp_path / "convert.py"
    script.write_text(CONVERSION)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=300)
    assert done.stdout == "only 0-dimensional arrays can be converted to Python scalars\nMLModel\n", done.stderr
