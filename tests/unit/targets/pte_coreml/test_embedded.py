"""The package inside a program is unpacked as ExecuTorch unpacks it, and never beside the folder that it is given."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pe_validate.system.errors import RunError
from pe_validate.system.process import Child
from pe_validate.targets.pte_coreml.embedded import write_package

Listing = dict[str, list[dict[str, Any]]]


def payload_of(program: Path) -> bytes:
    from pe_validate.targets.xnnpack.reader import deserialize_pte_binary

    content = deserialize_pte_binary(program.read_bytes()).program
    return bytes(content.backend_delegate_data[0].data)


def unpacked_by_executorch(payload: bytes, folder: Path) -> None:
    from executorch.backends.apple.coreml import executorchcoreml

    assert executorchcoreml.unflatten_directory_contents(payload, str(folder))


@pytest.fixture(scope="module")
def payload(tiny: Path) -> bytes:
    with Child() as child:
        return child.call(payload_of, 120, tiny / "tiny.coreml.pte")


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_it_is_unpacked_as_executorch_does(payload: bytes, tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.mkdir()
    theirs.mkdir()
    assert write_package(payload, ours).suffix == ".mlpackage"
    with Child() as child:
        child.call(unpacked_by_executorch, 120, payload, theirs)
    found = files(theirs)
    assert len(found) >= 5
    assert {f"lowered_module/{name}": content for name, content in files(ours).items()} == found


def altered(payload: bytes, change: Callable[[Listing], object]) -> bytes:
    listing, end = json.JSONDecoder().raw_decode(payload[::-1].decode("latin-1"))
    change(listing)
    return payload[:-end] + json.dumps(listing).encode()[::-1]


def renamed(new: str) -> Callable[[Listing], object]:
    """The file ``metadata.json`` of the root."""

    def change(listing: Listing) -> None:
        root = listing["nodes"][-1]
        root["children"][new] = root["children"].pop("metadata.json")
        listing["nodes"][0]["name"] = new

    return change


def inside_itself(listing: Listing) -> None:
    listing["nodes"][-1]["children"]["again"] = len(listing["nodes"]) - 1


def twice(listing: Listing) -> None:
    listing["nodes"][-1]["children"]["again"] = 0


def region(**values: int) -> Callable[[Listing], object]:
    return lambda listing: listing["nodes"][0]["dataRegion"].update(values)


def many_that_overlap(listing: Listing) -> None:
    """A hundred files that are each all of the payload."""
    for number in range(100):
        listing["nodes"].insert(
            0, {"children": {}, "dataRegion": {"offset": 0, "size": 10_000}, "kind": 0, "name": "x"}
        )
        for node in listing["nodes"]:
            node["children"] = {name: place + 1 for name, place in node["children"].items()}
        listing["nodes"][-1]["children"][f"copy{number}"] = 0


HOSTILE: dict[str, Callable[[Listing], object]] = {
    **{name: renamed(name) for name in ("../escaped", "../../escaped", "/tmp/escaped", "a/../../b", "..", ".", "")},
    **{repr(name): renamed(name) for name in ("a\\b", "a\0b", "a\nb", "x" * 300)},
    "inside itself": inside_itself,
    "one file in two places": twice,
    "larger than it is": region(size=2**40),
    "before it": region(offset=-1),
    "after it": region(offset=2**40),
    "no such node": lambda listing: listing["nodes"][-1]["children"].update(other=99),
    "no nodes": lambda listing: listing.update(nodes=[]),
    "other words": lambda listing: listing.update(knots=listing.pop("nodes")),
    "a bomb": many_that_overlap,
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_listing_is_one_sentence_and_nothing_is_written_outside(
    payload: bytes, tmp_path: Path, change: Callable[[Listing], object]
) -> None:
    folder = tmp_path / "one" / "two"
    folder.mkdir(parents=True)
    with pytest.raises(RunError, match="Core ML delegate holds no files that can be read: ") as failure:
        write_package(altered(payload, change), folder)
    assert str(failure.value).isprintable()
    assert [path for path in tmp_path.rglob("*") if path.is_file() and folder not in path.parents] == []


@pytest.mark.parametrize("content", [b"", b"}", b"{" * 100_000, bytes(1000)], ids=["empty", "end", "deep", "zeros"])
def test_what_is_no_payload_is_one_sentence(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds no files that can be read"):
        write_package(content, tmp_path)
