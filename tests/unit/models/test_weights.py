"""Checkpoints load in every shape they are published in, and nothing else loads."""

import os
import pickle
import re
import resource
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from pe_validate.models.registry import load_model, load_weights
from pe_validate.system.errors import LoadError, UsageError
from pe_validate.system.process import Child

MODEL = "PE-Core-T16-384"
Tensors = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def tensors() -> Tensors:
    return dict(load_weights(MODEL, "seed:3").tensors)


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[object], str]:
    def save(content: object) -> str:
        torch.save(content, tmp_path / "checkpoint.pt")
        return f"file:{tmp_path / 'checkpoint.pt'}"

    return save


NESTS: dict[str, Callable[[Tensors], object]] = {
    "plain": lambda t: t,
    "of parameters": lambda t: {k: torch.nn.Parameter(v) for k, v in t.items()},
    "beside other things": lambda t: dict[object, object](t) | {0: torch.ones(1), "note": "text"},
    "under state_dict": lambda t: {"state_dict": t, "epoch": 3},
    "under weights": lambda t: {"weights": t},
    "from DataParallel": lambda t: {f"module.{k}": v for k, v in t.items()},
    "inside CLIP": lambda t: {f"visual.{k}": v for k, v in t.items()} | {"logit_scale": torch.ones(())},
    "all of it": lambda t: {"state_dict": {f"module.visual.{k}": v for k, v in t.items()}},
}


@pytest.mark.parametrize("nest", NESTS)
def test_loads_however_it_is_nested(nest: str, tensors: Tensors, saved: Callable[[object], str]) -> None:
    assert load_weights(MODEL, saved(NESTS[nest](tensors))).sha256 == load_weights(MODEL, "seed:3").sha256


def test_safetensors_and_half_precision_load(tensors: Tensors, tmp_path: Path) -> None:
    save_file({name: tensor.half() for name, tensor in tensors.items()}, tmp_path / "half.safetensors")
    loaded = load_weights(MODEL, f"file:{tmp_path / 'half.safetensors'}")
    assert all(tensor.dtype == torch.float32 for tensor in loaded.tensors.values())
    assert torch.equal(loaded.tensors["proj"], tensors["proj"].half().float())


def test_the_identity_is_that_of_the_values(tensors: Tensors, saved: Callable[[object], str]) -> None:
    changed = tensors | {"ln_post.bias": tensors["ln_post.bias"] + 1e-6}
    assert load_weights(MODEL, saved(changed)).sha256 != load_weights(MODEL, "seed:3").sha256


def test_models_load_ready_to_run() -> None:
    model = load_model(MODEL)
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_disagreements_are_all_listed(tensors: Tensors, saved: Callable[[object], str]) -> None:
    broken = {k: v for k, v in tensors.items() if k != "ln_pre.weight"}
    broken |= {"extra": torch.ones(1), "proj": tensors["proj"].T.contiguous()}
    with pytest.raises(LoadError) as caught:
        load_weights(MODEL, saved(broken))
    message = str(caught.value)
    assert "2 tensors disagree" in message
    assert "missing ln_pre.weight" in message
    assert "mis-shaped proj [512, 192] instead of [192, 512]" in message


ODD: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "sparse": lambda t: t.to_sparse(),
    "sparse by rows": lambda t: t.to_sparse_csr(),
    "without storage": lambda t: t.to("meta"),
    "quantised": lambda t: torch.quantize_per_tensor(t, 0.1, 0, torch.qint8),
    "complex": lambda t: t.to(torch.complex64),
    "four bits": lambda t: torch.zeros(t.shape, dtype=torch.uint8).view(torch.float4_e2m1fn_x2),
    "whole numbers": lambda t: t.to(torch.int32),
    "nested": lambda t: torch.nested.nested_tensor([t[0], t[1]]),
}


# What torch says of kinds of tensors that it has not finished or wants to be rid of, when this test makes them.
@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors:UserWarning")
@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support:UserWarning")
@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor:UserWarning")
@pytest.mark.parametrize("change", ODD.values(), ids=ODD)
def test_a_tensor_that_is_not_plain_floating_point_is_refused(
    tensors: Tensors, saved: Callable[[object], str], change: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    with pytest.raises(LoadError, match=r"proj is not a plain tensor|not a plain state dict|cannot be read"):
        load_weights(MODEL, saved(tensors | {"proj": change(tensors["proj"])}))


def test_a_compressed_checkpoint_is_refused_unread(tensors: Tensors, tmp_path: Path) -> None:
    """A megabyte of it may be a gigabyte of zeros; what torch.save writes is as large as what it holds."""
    torch.save(tensors, tmp_path / "plain.pt")
    with zipfile.ZipFile(tmp_path / "plain.pt") as plain:
        parts = {name: plain.read(name) for name in plain.namelist()}
    with zipfile.ZipFile(tmp_path / "small.pt", "w", zipfile.ZIP_DEFLATED) as small:
        for name, content in parts.items():
            small.writestr(name, content)
    with pytest.raises(LoadError, match=r"small\.pt' is a compressed archive"):
        load_weights(MODEL, f"file:{tmp_path / 'small.pt'}")


class Zeros:
    def __reduce__(self) -> tuple[object, ...]:
        return (bytearray, (3_000_000_000,))


def _peak_of_loading(path: Path) -> int:
    with pytest.raises(LoadError, match="cannot be read"):
        load_weights(MODEL, f"file:{path}")
    # Not getrusage(), whose peak is that of the parent before this process began.
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(peak) * 1024


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps a process to a limit")
@pytest.mark.parametrize("legacy", [False, True])
def test_a_small_checkpoint_does_not_fill_the_memory(tmp_path: Path, legacy: bool) -> None:
    """Among what a pickle may hold without any code of its own are zeros, as many as it says."""
    path = tmp_path / "bomb.pt"
    torch.save({"zeros": Zeros()}, path, _use_new_zipfile_serialization=not legacy)
    assert path.stat().st_size < 2000
    with Child() as child:
        assert child.call(_peak_of_loading, 60, path) < 1_500_000_000


def test_the_limit_on_memory_is_lifted_again(tensors: Tensors, saved: Callable[[object], str]) -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    load_weights(MODEL, saved(tensors))
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


def test_many_disagreements_are_counted_and_the_first_are_listed(saved: Callable[[object], str]) -> None:
    with pytest.raises(LoadError, match=r"(1\d+) tensors disagree: missing .*; and 1\d+ more\.$") as caught:
        load_weights(MODEL, saved({f"x{i}": torch.empty(0) for i in range(1000)}))
    assert len(str(caught.value)) < 1000


def test_what_is_loaded_stays_when_the_file_changes(tensors: Tensors, saved: Callable[[object], str]) -> None:
    loaded = load_weights(MODEL, saved(tensors))
    path = Path(loaded.spec.removeprefix("file:"))
    path.write_bytes(bytes(path.stat().st_size))
    assert torch.equal(loaded.tensors["proj"], tensors["proj"])


def test_a_checkpoint_of_another_model_is_refused(saved: Callable[[object], str]) -> None:
    other = dict(load_weights("PE-Core-S16-384").tensors)
    with pytest.raises(LoadError, match=r"is not a PE-Core-T16-384.*mis-shaped"):
        load_weights(MODEL, saved(other))


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize("kept", [0, 100, 0.5, 0.999])
def test_a_truncated_checkpoint_is_refused(tensors: Tensors, tmp_path: Path, suffix: str, kept: float) -> None:
    path = tmp_path / f"checkpoint{suffix}"
    if suffix == ".pt":
        torch.save(tensors, path)
    else:
        save_file(tensors, path)
    os.truncate(path, int(kept if kept > 1 else kept * path.stat().st_size))
    with pytest.raises(LoadError, match=r"checkpoint.*truncated or damaged"):
        load_weights(MODEL, f"file:{path}")


@pytest.mark.parametrize("content", [b"R", b"Read me first.", b"PK\x03\x04", b"\x80\x02}q\x00(", bytes(64)], ids=repr)
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_file_of_something_else_is_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"checkpoint{suffix}"
    path.write_bytes(content)
    with pytest.raises(LoadError, match="checkpoint"):
        load_weights(MODEL, f"file:{path}")


class Payload:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.marker,))


@pytest.mark.parametrize("save", [torch.save, lambda o, p: p.write_bytes(pickle.dumps(o))], ids=["torch", "pickle"])
def test_code_in_a_checkpoint_is_not_run(save: Callable[[object, Path], None], tmp_path: Path) -> None:
    path, marker = tmp_path / "checkpoint.pt", tmp_path / "executed"
    save({"state_dict": Payload(marker)}, path)
    with pytest.raises(LoadError, match=r"code in it will not be run|truncated or damaged"):
        load_weights(MODEL, f"file:{path}")
    assert not marker.exists()


def test_a_checkpoint_that_is_no_state_dict_is_refused(saved: Callable[[object], str]) -> None:
    with pytest.raises(LoadError, match="holds a list"):
        load_weights(MODEL, saved([1, 2]))


def test_a_missing_file_is_named() -> None:
    with pytest.raises(LoadError, match=r"No checkpoint at '/no/such.pt'"):
        load_weights(MODEL, "file:/no/such.pt")


@pytest.mark.parametrize(
    "spec",
    [
        "",
        "seed:",
        "seed:-1",
        "seed:x",
        f"seed:{2**32}",
        f"seed:{'7' * 5000}",
        "seed:٣",
        "file:",
        "hf:",
        "PE-Core",
        "s3:x",
    ],
)
def test_a_spec_that_means_nothing_is_a_usage_error(spec: str) -> None:
    with pytest.raises(UsageError, match=r"are not 'seed:N', .* 'file:PATH' or 'hf:REPO"):
        load_weights(MODEL, spec)


def test_an_unknown_model_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="Unknown model 'PE-Core-Z'"):
        load_weights("PE-Core-Z")


HF = "import sys; from pe_validate import load_weights; print(load_weights(sys.argv[1], sys.argv[2]).sha256)"


def from_hub(home: Path, spec: str) -> subprocess.CompletedProcess[str]:
    # huggingface_hub reads its environment once, when imported.
    environment = os.environ | {"HF_HOME": str(home), "HF_HUB_OFFLINE": "1"}
    return subprocess.run([sys.executable, "-c", HF, MODEL, spec], env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("file", [None, "other.safetensors"])
def test_hub_files_load_from_the_hub_cache(tensors: Tensors, tmp_path: Path, file: str | None) -> None:
    repo = tmp_path / "hub" / f"models--facebook--{MODEL}"
    snapshot = repo / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text("0" * 40)
    if file:
        save_file(tensors, snapshot / file)
    else:
        torch.save(tensors, snapshot / f"{MODEL}.pt")
    done = from_hub(tmp_path, f"hf:facebook/{MODEL}" + (f":{file}" if file else ""))
    assert done.stdout.strip() == load_weights(MODEL, "seed:3").sha256, done.stderr


def test_a_revision_pins_what_is_loaded(tensors: Tensors, tmp_path: Path) -> None:
    repo, pinned = tmp_path / "hub" / f"models--facebook--{MODEL}", "1" * 40
    for revision, seed in (("0" * 40, 4), (pinned, 3)):
        snapshot = repo / "snapshots" / revision
        snapshot.mkdir(parents=True)
        torch.save(dict(load_weights(MODEL, f"seed:{seed}").tensors), snapshot / f"{MODEL}.pt")
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text("0" * 40)
    found = [from_hub(tmp_path, f"hf:facebook/{MODEL}{at}").stdout.strip() for at in ("", f"@{pinned}")]
    assert found == [load_weights(MODEL, f"seed:{seed}").sha256 for seed in (4, 3)]


def test_an_unreachable_hub_says_what_to_do(tmp_path: Path) -> None:
    done = from_hub(tmp_path, f"hf:facebook/{MODEL}")
    last = done.stderr.strip().splitlines()[-1]
    assert "cannot be reached and it is not in the local cache" in last
    assert "--weights file:PATH" in last
