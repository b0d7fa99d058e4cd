"""Fetched blobs in a file: found again after a crash, and only if they are what their name says."""

from __future__ import annotations

from pathlib import Path

import pytest

from pincrew.base_form import blob_hash
from pincrew.errors import StoreFault
from pincrew.limits import BASE_BLOB_BYTES_MAX
from pincrew.store.staging import StagedFile

BLOBS = [b"one", b"two" * 1000, b"three"]
ONE, TWO, THREE = (blob_hash(blob) for blob in BLOBS)
NAMES = ONE, TWO, THREE


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Not made yet, nor its folder."""
    return tmp_path / "cluster" / "staged"


def staged(path: Path) -> StagedFile:
    found = StagedFile(path)
    for blob in BLOBS:
        found[blob_hash(blob)] = blob
    return found


def held(found: StagedFile) -> list[bytes]:
    return [found[name] for name in NAMES if name in found]


def test_what_was_kept_is_found_again(path: Path) -> None:
    assert ONE not in StagedFile(path) and not path.exists()
    assert held(staged(path)) == BLOBS
    assert held(StagedFile(path)) == BLOBS
    assert path.parent.stat().st_mode & 0o077 == 0, "the list may be nobody else's business"


def test_what_is_not_there(path: Path) -> None:
    found = staged(path)
    assert bytes(32) not in found
    with pytest.raises(KeyError):
        found[bytes(32)]


def test_dropped_all_at_once_and_begun_anew(path: Path) -> None:
    found = staged(path)
    found.clear()
    assert held(found) == [] and not path.exists()
    found.clear()
    found[TWO] = BLOBS[1]
    assert held(StagedFile(path)) == [BLOBS[1]]


@pytest.mark.parametrize("cut", [1, len(BLOBS[2]), len(BLOBS[2]) + 1, len(BLOBS[2]) + 3, len(BLOBS[2]) + 5])
def test_a_half_written_end_is_written_over(path: Path, cut: int) -> None:
    staged(path)
    path.write_bytes(path.read_bytes()[:-cut])
    again = StagedFile(path)
    assert held(again) == (BLOBS[:2] if cut <= len(BLOBS[2]) + 4 else BLOBS[:1])
    again[THREE] = BLOBS[2]
    assert THREE in StagedFile(path) and StagedFile(path)[THREE] == BLOBS[2]


def test_a_damaged_one_has_no_name_after_a_restart(path: Path) -> None:
    found = staged(path)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"one", b"owe"))
    assert held(StagedFile(path)) == BLOBS[1:]
    with pytest.raises(KeyError):
        found[ONE]
    assert ONE not in found, "it will be fetched again"


@pytest.mark.parametrize("length", [0, BASE_BLOB_BYTES_MAX + 1, 2**32 - 1])
def test_a_damaged_length_ends_what_can_be_found(path: Path, length: int) -> None:
    staged(path)
    data = path.read_bytes()
    path.write_bytes(data[:7] + length.to_bytes(4) + data[11:])
    again = StagedFile(path)
    assert held(again) == BLOBS[:1]
    for name, blob in zip(NAMES[1:], BLOBS[1:], strict=True):
        again[name] = blob
    assert held(again) == BLOBS == held(StagedFile(path))


def test_a_full_disk_leaves_what_is_there(path: Path) -> None:
    """A device that is always full stands in its place."""
    path.parent.mkdir()
    path.symlink_to("/dev/full")
    found = StagedFile(path)
    with pytest.raises(StoreFault, match="No space left"):
        found[ONE] = BLOBS[0]
    assert ONE not in found
    found.clear()
    found[ONE] = BLOBS[0]
    assert held(found) == BLOBS[:1]
