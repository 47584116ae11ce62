"""A user's own module is a model like any other: captured once, known by its content, and judged by the same gates."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import pe_validate
from own_models import CONFIGURATION, project
from torch import nn

from pe_validate.models.own.config import read_configuration
from pe_validate.models.own.model import OwnModel, models_of
from pe_validate.system.errors import LoadError, UsageError


def model(folder: Path, old: str = "", new: str = "") -> OwnModel:
    file = project(folder, CONFIGURATION.replace(old, new)) / "pe-validate.toml"
    return models_of(file, read_configuration(file))["mine"]


def test_it_passes_the_gates_by_its_own_names_from_a_shell(tmp_path: Path, session_folder: Path) -> None:
    project(tmp_path)
    done = pe_validate("run", "--quiet", "--report", "made", "--cache-dir", session_folder / "own", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((tmp_path / "made" / "report.json").read_text())["results"]
    assert [result["case"]["target"] for result in results] == ["onnx", "mlpackage"]
    for result in results:
        assert {"rewrite", "fidelity", "loss", "interface", "extremes"} <= set(result["required"])
        assert "retrieval" not in result["required"]  # nothing says that its answers are embeddings
        assert result["artifact"]["inputs"][0]["name"] == "pixels"
    assert {path.name for path in tmp_path.iterdir()} == {"network.py", "pe-validate.toml", "made"}


def test_a_file_of_another_seed_is_not_this_model(tmp_path: Path) -> None:
    project(tmp_path)
    made = pe_validate("export", "mine/onnx", "--out", ".", "--weights", "seed:1", "--cache-dir", "c", folder=tmp_path)
    assert made.returncode == 0, made.stderr
    same = ("check", "mine-fp32.onnx", "--model", "mine", "--quiet", "--weights")
    assert pe_validate(*same, "seed:1", folder=tmp_path).returncode == 0
    assert pe_validate(*same, "seed:2", folder=tmp_path).returncode == 1


def test_its_identity_is_its_content_and_not_its_file(tmp_path: Path) -> None:
    first = model(tmp_path).load_weights("seed:7")
    assert model(tmp_path).load_weights("seed:7").sha256 == first.sha256
    assert model(tmp_path).load_weights("seed:8").sha256 != first.sha256
    source = tmp_path / "network.py"
    own = model(tmp_path)
    source.write_text(source.read_text().replace("nn.ReLU()", "nn.GELU()"))
    assert own.load_weights("seed:7").sha256 != first.sha256


def test_another_process_reads_what_was_captured_and_computes_the_same(tmp_path: Path) -> None:
    own = model(tmp_path)
    weights = own.load_weights("seed:7")
    (tmp_path / "network.py").write_text("raise RuntimeError('children run no code of the user')")
    child = models_of(tmp_path / "a.toml", {"mine": own._entry})["mine"]
    read = child.load_weights(weights.spec)
    assert read.sha256 == weights.sha256
    image = torch.from_numpy(own.feed.samples()[0].image)
    assert torch.equal(child.load(read)(image), own.load(weights)(image))
    assert own.output.shape == child.output.shape == (1, 10)


def test_its_linear_layers_can_be_quantised(tmp_path: Path) -> None:
    own = model(tmp_path)
    deployed = own.deployable(own.load(own.load_weights("seed:7")), "linear")
    (linear,) = (each for each in deployed.modules() if isinstance(each, nn.Linear))
    assert linear.weight.shape == (10, 8 * 16)


def test_what_is_deployed_shares_no_tensor_with_the_model(tmp_path: Path) -> None:
    own = model(tmp_path)
    module = own.load(own.load_weights("seed:7"))
    image = torch.from_numpy(own.feed.samples()[0].image)
    before = module(image)
    for tensor in own.deployable(module, "fused").state_dict().values():
        tensor.zero_()
    assert torch.equal(module(image), before)


@pytest.mark.parametrize("factory", ["build", "restored"])
def test_weights_go_into_the_module_or_into_its_factory(tmp_path: Path, factory: str) -> None:
    own = model(tmp_path, "network.py:build", f"network.py:{factory}")
    torch.manual_seed(3)
    trained = nn.Sequential(
        nn.Conv2d(3, 8, 8, 8), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(128, 10)
    ).eval()
    torch.save(trained.state_dict(), tmp_path / "trained.pt")
    image = torch.from_numpy(own.feed.samples()[0].image)
    loaded = own.load(own.load_weights(f"file:{tmp_path / 'trained.pt'}"))
    assert torch.equal(loaded(image), trained(image))


def test_weights_of_the_configuration_are_the_default(tmp_path: Path) -> None:
    torch.save(model(tmp_path).load_weights("seed:5").tensors, tmp_path / "five.pt")
    named = model(tmp_path, "targets =", 'weights = "five.pt"\ntargets =')
    assert named.load_weights("seed:7").sha256 == model(tmp_path).load_weights("seed:5").sha256


def test_a_saved_program_is_a_model_too(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 4)).eval()
    torch.export.save(torch.export.export(module, (torch.zeros(1, 3, 32, 32),)), tmp_path / "saved.pt2")
    own = model(tmp_path, 'module = "network.py:build"', 'program = "saved.pt2"')
    image = torch.from_numpy(own.feed.samples()[0].image)
    torch.testing.assert_close(own.load(own.load_weights("seed:7"))(image), module(image))


def test_arrays_of_a_file_are_what_it_is_fed(tmp_path: Path) -> None:
    given = np.random.RandomState(0).rand(4, 1, 3, 32, 32).astype(np.float32)
    np.savez(tmp_path / "mine.npz", crops=given)
    own = model(tmp_path, 'preprocessing = "imagenet"', "").__class__(
        "mine", model(tmp_path)._entry.model_copy(update={"feed": Path("mine.npz")}), tmp_path
    )
    assert [sample.name for sample in own.feed.samples()] == ["crops 0", "crops 1", "crops 2", "crops 3"]
    assert all((s.image == array).all() for s, array in zip(own.feed.samples(), given, strict=True))


@pytest.mark.parametrize(
    ("old", "new", "error", "said"),
    [
        ("network.py:build", "network.py:nothing", UsageError, "'network.py:nothing' of mine cannot be imported"),
        ("network.py:build", "nowhere.py:build", UsageError, "there is no file '.*nowhere.py'"),
        ("network.py:build", "network.py:fails", LoadError, "failed, RuntimeError: no such backbone"),
        ("network.py:build", "network.py:no_module", LoadError, "gives no nn.Module"),
        ("network.py:build", "network.py:restored", UsageError, "takes weights: pass --weights file:PATH"),
        (
            "[1, 3, 32, 32]",
            "[1, 3, 33, 80]",
            LoadError,
            r"mine fails on \[1, 3, 33, 80\]: .*is that the shape of its input",
        ),
        ("targets =", "outputs = ['x']\ntargets =", LoadError, r"has no output 'x': it gives 'features' \[1, 10\]"),
    ],
)
def test_what_cannot_be_loaded_is_one_sentence(
    tmp_path: Path, old: str, new: str, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said) as raised:
        model(tmp_path, old, new).load_weights("seed:7")
    assert "\n" not in str(raised.value)


def test_a_module_that_cannot_be_captured_says_so_with_torchs_own_words(tmp_path: Path) -> None:
    own = model(tmp_path)
    (tmp_path / "network.py").write_text(
        "from torch import nn\n"
        "class Branch(nn.Module):\n"
        "    def forward(self, x):\n"
        "        return x.sum(1) if x.sum() > 0 else x.mean(1)\n"
        "build = Branch\n"
    )
    with pytest.raises(LoadError, match=r"mine cannot be captured by torch\.export.*data-dependent"):
        own.load_weights("seed:7")


def test_limits_of_its_own_are_used_and_their_reason_is_printed(tmp_path: Path, session_folder: Path) -> None:
    strict = """
[models.mine.limits."onnx/fp32".loss]
max_rel = 1e-12
snr_db = 300
cosine = 1
reason = "this model flies an aeroplane."
"""
    project(tmp_path, CONFIGURATION + strict)
    cache = session_folder / "own"
    done = pe_validate("run", "mine/onnx", "--quiet", "--report", "r", "--cache-dir", cache, folder=tmp_path)
    assert done.returncode == 1
    assert "this model flies an aeroplane" in " ".join(done.stdout.split())
