"""The Swift package: its form, its own tests, and the device suite for real against ONNX Runtime."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from swift_log import messages, outcomes
from swift_package import PACKAGE, Swift

LINT = ("swift", "format", "lint", "--strict", "--recursive", "--parallel")
TEXT = "PE-Nano-text/onnx/fp32"
CASES = ("PE-Core-T16-384/onnx/fp32", "PE-Nano/onnx/fp32", TEXT)
STRICT = ("-Xswiftc", "-warnings-as-errors", "--disable-swift-testing")
JUDGED = ("loss", "determinism", "memory")
SHOWN = "LiveTests.testAFrameThatShowsAGoldensImageIsNamedAfterIt"
TYPED = "EmbeddingTests.testATextThatIsTypedGetsTheFeaturesOfTheGolden"
MEASURED = ("latency", "sustained latency, 2 s", "cold start")


def test_sources_are_formatted(swift: Swift) -> None:
    folders = [name for name in ("Package.swift", "Sources", "Tests", "Stubs", "App") if (PACKAGE / name).exists()]
    assert not swift.run(*LINT, *folders).strip()


def test_a_source_that_is_not_formatted_is_noticed(swift: Swift, tmp_path: Path) -> None:
    shutil.copy(PACKAGE / ".swift-format", tmp_path)
    (tmp_path / "Untidy.swift").write_text("let  a=1;\n", encoding="utf-8")
    done = swift.toolchain.run([*LINT, "Untidy.swift"], tmp_path, {})
    assert done.returncode
    assert "Untidy.swift:1:" in done.stdout


def test_tests_pass_under_the_address_sanitizer(swift: Swift, bundled: Callable[..., Path]) -> None:
    log = swift.run(
        *("swift", "test", "--sanitize", "address", "--scratch-path", str(swift.builds / "debug"), *STRICT),
        *("--skip", "LatencyTests", "--skip", "MemoryTests"),
        ASAN_OPTIONS="detect_leaks=0",  # XCTest keeps its cases
        CI="1",
        PE_VALIDATE_ONNXRUNTIME="1",
        PE_VALIDATE_RESOURCES=str(bundled("PE-Nano/onnx", TEXT)),
    )
    assert set(outcomes(log).values()) == {"passed"}, messages(log)


@pytest.fixture(scope="module")
def released(swift: Swift, bundled: Callable[..., Path]) -> tuple[str, dict[tuple[str, str], dict[str, object]]]:
    """The log of all tests, built for release, and the records of their report by case and test."""
    report = swift.builds / "report.json"
    report.unlink(missing_ok=True)
    log = swift.run(
        *("swift", "test", "--configuration", "release", "--scratch-path", str(swift.builds / "release"), *STRICT),
        CI="1",
        PE_VALIDATE_ONNXRUNTIME="1",
        PE_VALIDATE_REPORT=str(report),
        PE_VALIDATE_RESOURCES=str(bundled(*CASES)),
    )
    records = json.loads(report.read_text(encoding="utf-8"))["records"]
    return log, {(record["case"], record["test"]): record for record in records}


def test_no_test_of_a_release_fails_or_is_skipped(released: tuple[str, object]) -> None:
    log, _ = released
    print(*(line for line in log.splitlines() if line.startswith("preprocessing ")), sep="\n")
    assert set(outcomes(log).values()) == {"passed"}, messages(log)


@pytest.mark.parametrize("case", CASES)
def test_the_device_suite_judges_real_artifacts(
    released: tuple[str, dict[tuple[str, str], dict[str, object]]], case: str
) -> None:
    _, records = released
    for test in JUDGED:
        assert records[case, test]["outcome"] == "pass", records[case, test]["sentence"]
    for test in MEASURED:
        record = records[case, test]
        assert record["latency"], record
        assert record["outcome"] == "notJudged", record["sentence"]
        assert str(record["producer"]).startswith("ONNX Runtime"), record


def test_an_altered_artifact_fails_the_device_suite(swift: Swift, bundled: Callable[..., Path]) -> None:
    folder = bundled("PE-Nano/onnx")
    artifact = folder / "PE-Nano-fp32.onnx"
    content = bytearray(artifact.read_bytes())
    content[len(content) // 2] ^= 1
    artifact.write_bytes(content)
    log = _goldens(swift, folder)
    assert outcomes(log)["ConversionTests.testEveryArtifactAnswersEveryGoldenInput"] == "failed", messages(log)
    assert "PE-Nano-fp32.onnx' was altered" in log


def test_a_typed_text_that_is_not_the_goldens_fails_the_device_suite(
    swift: Swift, bundled: Callable[..., Path], tmp_path: Path
) -> None:
    manifest = shutil.copytree(bundled(TEXT), tmp_path / "Resources") / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"a photo of a cat"', '"a photo of a dog"'), encoding="utf-8")
    log = _suite(swift, manifest.parent, "EmbeddingTests")
    assert outcomes(log) == {TYPED: "failed"}, messages(log)
    assert 'the ids of "a photo of a dog"' in log
    assert "PE-Nano-text/onnx/fp32 fails loss on" in log


@pytest.mark.parametrize(
    ("case", "lost", "test", "said"),
    [
        ("PE-Nano/onnx", (), TYPED, "has no text tower"),
        (TEXT, ("tokenizer",), TYPED, "has no tokenizer"),
        (TEXT, (), SHOWN, "has no model that classifies images"),
    ],
    ids=["tower", "tokenizer", "images"],
)
def test_a_bundle_in_which_something_is_missing_skips_its_test_and_says_so(
    swift: Swift, bundled: Callable[..., Path], tmp_path: Path, case: str, lost: tuple[str, ...], test: str, said: str
) -> None:
    manifest = shutil.copytree(bundled(case), tmp_path / "Resources") / "manifest.json"
    content = json.loads(manifest.read_text(encoding="utf-8"))
    for name in lost:
        del content["bundle"][name]
    manifest.write_text(json.dumps(content), encoding="utf-8")
    log = _suite(swift, manifest.parent, test.partition(".")[0])
    assert outcomes(log) == {test: "skipped"}, messages(log)
    assert said in log


def test_an_artifact_without_a_runtime_says_what_it_needs(swift: Swift, bundled: Callable[..., Path]) -> None:
    log = _goldens(swift, bundled("PE-Nano/onnx", "PE-Nano/coreai/fp32", "PE-Nano/mlpackage/fp16"))
    assert set(outcomes(log).values()) == {"passed"}, messages(log)
    cannot = "unavailable: PE-Nano/{} cannot run here: this build has no runtime for '{}'{}."
    assert cannot.format("coreai/fp32", "coreai", ", which needs the SDK of iOS 27 or macOS 27") in log
    assert cannot.format("mlpackage/fp16", "mlpackage", "") in log


def test_missing_fixtures_fail_on_a_ci_and_skip_on_a_desk(swift: Swift, tmp_path: Path) -> None:
    name = "ConversionTests.testEveryArtifactAnswersEveryGoldenInput"
    assert outcomes(_goldens(swift, tmp_path, ci="1"))[name] == "failed"
    assert outcomes(_goldens(swift, tmp_path, ci=""))[name] == "skipped"


def _goldens(swift: Swift, folder: Path, ci: str = "1") -> str:
    """The log of the golden tests alone, with what was built before."""
    return _suite(swift, folder, "ConversionTests", ci)


def _suite(swift: Swift, folder: Path, name: str, ci: str = "1") -> str:
    command = ["swift", "test", "--skip-build", "--configuration", "release", "--disable-swift-testing"]
    command += ["--scratch-path", str(swift.builds / "release"), "--filter", f"ConversionTests.{name}"]
    environment = {"CI": ci, "PE_VALIDATE_ONNXRUNTIME": "1", "PE_VALIDATE_RESOURCES": str(folder)}
    return swift.toolchain.run(command, PACKAGE, environment, (PACKAGE.parent, swift.builds, folder)).stdout
