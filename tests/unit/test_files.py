"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from pincrew import files
from pincrew.errors import Conflict, NotFound, StoreFault
from pincrew.files import create_file, last_words, own_folder, private_folder, read_file, write_file, written_file


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_is_written_for_its_owner_alone(tmp_path: Path) -> None:
    write_file(tmp_path / "f", b"one")
    write_file(tmp_path / "f", b"two")
    assert (tmp_path / "f").read_bytes() == b"two"
    assert mode(tmp_path / "f") == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_a_write_that_fails_leaves_the_old_file_and_no_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_file(tmp_path / "f", b"one")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreFault, match="Free some space"):
        write_file(tmp_path / "f", b"two")
    assert (tmp_path / "f").read_bytes() == b"one"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_bytes_and_names_are_synced_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    sync, replace = os.fsync, Path.replace
    kind = {True: "folder", False: "file"}

    def noted_sync(fd: int) -> None:
        steps.append(kind[stat.S_ISDIR(os.fstat(fd).st_mode)])
        sync(fd)

    def noted_replace(path: Path, target: Path) -> Path:
        steps.append("rename")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", noted_sync)
    monkeypatch.setattr(Path, "replace", noted_replace)
    write_file(tmp_path / "f", b"x")
    assert steps == ["file", "rename", "folder"]


def test_nothing_is_overwritten_by_creating(tmp_path: Path) -> None:
    create_file(tmp_path / "f", b"one")
    with pytest.raises(Conflict):
        create_file(tmp_path / "f", b"two")
    assert (tmp_path / "f").read_bytes() == b"one"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_a_disk_without_hard_links_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    create_file(tmp_path / "f", b"one")
    with pytest.raises(Conflict):
        create_file(tmp_path / "f", b"two")
    assert (tmp_path / "f").read_bytes() == b"one"


def test_reading_is_bounded_and_says_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"12345")
    assert read_file(tmp_path / "f", 5) == b"12345"
    with pytest.raises(StoreFault, match="larger than 4 bytes"):
        read_file(tmp_path / "f", 4)
    with pytest.raises(NotFound):
        read_file(tmp_path / "absent", 5)
    with pytest.raises(StoreFault):
        read_file(tmp_path, 5)


def test_folders_are_made_private_whatever_the_umask(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        private_folder(tmp_path / "a" / "b")
    finally:
        os.umask(old)
    assert mode(tmp_path / "a") == mode(tmp_path / "a" / "b") == 0o700
    assert private_folder(tmp_path / "a") == tmp_path / "a"


def test_a_folder_of_the_users_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir(mode=0o755)
    private_folder(tmp_path / "theirs")
    assert mode(tmp_path / "theirs") == 0o755


def test_a_file_in_the_way_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    for path in (tmp_path / "f", tmp_path / "f" / "below"):
        with pytest.raises(StoreFault):
            private_folder(path)


def test_a_folder_that_others_can_enter_is_not_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert own_folder(tmp_path / "mine") == own_folder(tmp_path / "mine")
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o755)
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    (tmp_path / "file").touch(mode=0o600)
    for name in ("open", "link", "file"):
        with pytest.raises(StoreFault, match="Somebody else"):
            own_folder(tmp_path / name)
    monkeypatch.setattr(files.os, "getuid", lambda: 12345)
    with pytest.raises(StoreFault, match="Somebody else"):
        own_folder(tmp_path / "mine")


def test_the_last_words_are_a_sentence_of_ours_if_there_is_one(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("old\n")
    length = log.stat().st_size
    assert last_words(log, length) == "It ended without a word"
    log.write_text("old\nINFO starting\npincrew: The port is taken.\nINFO ended\n")
    assert last_words(log, length) == "The port is taken."
    log.write_text("old\nsomething else\n")
    assert last_words(log, length) == "something else"
    assert last_words(tmp_path / "none", 0) == "It ended without a word"


def test_what_is_written_bit_by_bit_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "long"
    with written_file(path) as file:
        file.write(b"one ")
        assert not path.exists()
        file.write(b"two")
    assert path.read_bytes() == b"one two"
    with pytest.raises(ZeroDivisionError), written_file(path) as file:
        file.write(b"half")
        raise ZeroDivisionError
    assert path.read_bytes() == b"one two"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(StoreFault, match="Cannot write"), written_file(tmp_path / "no" / "such"):
        pass
