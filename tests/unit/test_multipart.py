"""What is sent is what Kubo's `add -r` sends; that the CIDs agree is in tests/contract."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pincrew.multipart import FILE, FOLDER, SYMLINK, chunks_of, files_of, multipart, size_of


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


def test_of_a_pipe_what_has_come_is_sent_at_once() -> None:
    reading, writing = os.pipe()
    pieces = chunks_of(reading)
    for piece in (b"one", b"two"):
        os.write(writing, piece)
        assert next(pieces) == piece, "no piece is waited for until it is full"
    os.close(writing)
    assert list(pieces) == []
    os.close(reading)


def test_a_pipe_may_not_be_silent_for_ever() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"one")
    pieces = chunks_of(reading, 0.01)
    assert next(pieces) == b"one"
    with pytest.raises(TimeoutError, match="nothing came for too long"):
        next(pieces)
    os.close(writing)
    assert list(chunks_of(reading, 0.01)) == []
    os.close(reading)


@pytest.mark.slow
def test_a_process_can_end_while_it_waits_for_a_pipe() -> None:
    script = """if True:
        import sys, threading
        from pincrew.multipart import chunks_of
        pieces, first = chunks_of(sys.stdin.fileno()), threading.Event()
        threading.Thread(target=lambda: [first.set() for _ in pieces], daemon=True).start()
        first.wait()
        sys.exit(3)
    """
    reading, writing = os.pipe()
    os.write(writing, b"one")
    try:
        assert subprocess.run([sys.executable, "-c", script], stdin=reading, timeout=30, check=False).returncode == 3
    finally:
        os.close(writing)
        os.close(reading)


def test_the_body() -> None:
    body = b"".join(multipart([("a b/ü", FILE, [b"one", b"two"])], "x"))
    assert body == (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a%20b%2F%C3%BC"\r\n'
        b"Content-Type: application/octet-stream\r\n\r\nonetwo\r\n--x--\r\n"
    )
