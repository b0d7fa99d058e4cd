"""What is sent is what Kubo's `add -r` sends; that the CIDs agree is in tests/contract."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pincrew.multipart import FILE, FOLDER, SYMLINK, files_of, multipart, size_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "films"
    (folder / "b").mkdir(parents=True)
    (folder / "b" / "two").write_bytes(b"22")
    (folder / "a").write_bytes(b"1")
    (folder / ".c").write_bytes(b"333")
    (folder / "d").symlink_to("nowhere")
    return folder


def test_a_folder_in_the_order_of_names(folder: Path) -> None:
    parts = [(path, kind, b"".join(content)) for path, kind, content in files_of(folder, "root", hidden=False)]
    assert parts == [
        ("root", FOLDER, b""),
        ("root/a", FILE, b"1"),
        ("root/b", FOLDER, b""),
        ("root/b/two", FILE, b"22"),
        ("root/d", SYMLINK, b"nowhere"),
    ]
    assert [path for path, _, _ in files_of(folder, "root")][1] == "root/.c"
    assert (size_of(folder, hidden=False), size_of(folder), size_of(folder / ".c", hidden=False)) == (3, 6, 3)


def test_what_is_neither_is_refused(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    with pytest.raises(OSError, match="neither a file nor a folder"):
        list(files_of(folder, "root"))


def test_the_body() -> None:
    body = b"".join(multipart([("a b/ü", FILE, [b"one", b"two"])], "x"))
    assert body == (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a%20b%2F%C3%BC"\r\n'
        b"Content-Type: application/octet-stream\r\n\r\nonetwo\r\n--x--\r\n"
    )
