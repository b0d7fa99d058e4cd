"""The copies of the config document on disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from pincrew.follow import copies
from pincrew.follow.copies import Note, document_in_force, keep_in_force, pending_document, read_note

from pincrew.config_document import ConfigDocument, parse, render
from pincrew.errors import NotFound, StoreFault
from pincrew.paths import ClusterPaths
from support.signers import CURATOR, chain


def made(revision: int) -> ConfigDocument:
    return parse(render(CURATOR, chain(), name="crew", revision=revision, issued=0))


@pytest.fixture
def paths(tmp_path: Path) -> ClusterPaths:
    return ClusterPaths(tmp_path)


def test_what_was_kept_is_found_again(paths: ClusterPaths) -> None:
    keep_in_force(paths, made(1), Note(5, 'W/"odd \\ \\u00e9"', "ab"))
    assert document_in_force(paths) == made(1)
    assert read_note(paths, made(1)) == Note(5, 'W/"odd \\ \\u00e9"', "ab")


def test_a_note_about_other_bytes_is_not_believed(paths: ClusterPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_in_force(paths, made(1), Note(5, "old"))
    monkeypatch.setattr(copies, "keep_note", lambda *_: None)  # a crash between the two files
    keep_in_force(paths, made(2), Note(6, "new"))
    assert read_note(paths, document_in_force(paths)) == Note()


@pytest.mark.parametrize("content", [b"", b"\xff", b"x = [", b"sha256 = 1", b"=" * 20_000])
def test_a_damaged_note_is_none(paths: ClusterPaths, content: bytes) -> None:
    keep_in_force(paths, made(1), Note(5))
    paths.fetched.write_bytes(content)
    assert read_note(paths, made(1)) == Note()


def test_a_damaged_copy_is_a_fault_of_the_disk(paths: ClusterPaths) -> None:
    paths.config.write_bytes(made(1).raw[:-1])
    with pytest.raises(StoreFault, match="damaged"):
        document_in_force(paths)


def test_no_copy_is_not_found(paths: ClusterPaths) -> None:
    with pytest.raises(NotFound):
        document_in_force(paths)
    assert pending_document(paths) is None
