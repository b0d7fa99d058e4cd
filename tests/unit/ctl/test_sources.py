"""What is sent of files, folders and addresses; that the CIDs agree is in tests/e2e/test_ctl.py."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pincrew.ctl.faults import Stopped
from pincrew.ctl.sources import Source, body_of, source_of
from support.rest_peer import Told, running_peer

HEAD = 'Content-Disposition: form-data; name="file"; filename='


def sent(*arguments: str, recursive: bool = True, hidden: bool = False) -> list[str]:
    """Return each part as one line."""
    sources = [source_of(argument, recursive=recursive) for argument in arguments]
    body = b"".join(body_of(sources, "B", hidden=hidden)).decode()
    assert body.endswith("--B--\r\n")
    parts = body.split("--B\r\n")[1:]
    return [part.removeprefix(HEAD).replace("\r\n--B--", "").strip().replace("\r\n", " ") for part in parts]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "d" / "sub").mkdir(parents=True)
    for name in ("a b", ".hidden", "sub/ü"):
        (tmp_path / "d" / name).write_text(name[0])
    (tmp_path / "d" / "link").symlink_to("a b")
    monkeypatch.chdir(tmp_path)
    return tmp_path


STREAM, FOLDER = "application/octet-stream", "application/x-directory"
WHOLE = [
    f'"d" Content-Type: {FOLDER}',
    f'"d%2Fa%20b" Content-Type: {STREAM}  a',
    '"d%2Flink" Content-Type: application/symlink  a b',
    f'"d%2Fsub" Content-Type: {FOLDER}',
    f'"d%2Fsub%2F%C3%BC" Content-Type: {STREAM}  s',
]


def test_a_folder(here: Path) -> None:
    assert sent("d") == sent("./d/") == WHOLE
    assert sent("d", hidden=True)[1] == f'"d%2F.hidden" Content-Type: {STREAM}  .'


def test_the_folder_one_is_in(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(here / "d")
    assert sent(".") == WHOLE
    monkeypatch.chdir(here / "d" / "sub")
    assert sent("..") == WHOLE


def test_files_and_links(here: Path) -> None:
    assert sent("d/a b", "d/.hidden", recursive=False) == [
        f'"a%20b" Content-Type: {STREAM}  a', f'".hidden" Content-Type: {STREAM}  .'
    ]  # fmt: skip
    (here / "to-folder").symlink_to("d")
    assert sent("to-folder", recursive=False) == ['"to-folder" Content-Type: application/symlink  d']


@pytest.mark.parametrize(
    ("argument", "says"),
    [
        ("nowhere", "error : lstat nowhere: no such file or directory"),
        ("d", "error : d is a directory, but Recursive option is not set"),
        ("http://[/x", "error : error parsing path: "),
    ],
)
def test_what_cannot_be_added(here: Path, argument: str, says: str) -> None:
    with pytest.raises(Stopped) as stopped:
        source_of(argument, recursive=False)
    assert str(stopped.value).startswith(says)


def test_what_cannot_be_read(here: Path) -> None:
    os.mkfifo(here / "d" / "pipe")
    with pytest.raises(Stopped, match="neither a file nor a folder"):
        sent("d")


@pytest.mark.parametrize(
    ("url", "name"),
    [("http://h/a/b%20c?x=y", "b c"), ("https://h/a/", "a"), ("http://h", "h"), ("http://h:5/", "h")],
)
def test_names_of_addresses(url: str, name: str) -> None:
    assert source_of(url, recursive=False) == Source(name, url=url)


def web(host: str, path: str) -> str:
    return host.replace("/ip4/", "http://").replace("/tcp/", ":") + path


def test_an_address_is_passed_on() -> None:
    with running_peer() as server:
        server.on("GET", "/f", Told(302, headers={"Location": "/g"}))
        server.on("GET", "/g", Told(200, b"data"))
        [part] = sent(web(server.host, "/f"))
    assert part.startswith('"f" Abspath-Encoded: http%3A%2F%2F127.0.0.1%3A') and part.endswith(f"{STREAM}  data")


def test_an_address_that_does_not_deliver() -> None:
    with running_peer() as server:
        for told, says in (
            (Told(404), "got non-2XX status code 404"),
            (Told(200, b"half", breaks=True), "the download broke off|IncompleteRead"),
        ):
            server.on("GET", "/f", told)
            server.takes = lambda handler: setattr(handler, "close_connection", True) or False
            with pytest.raises(Stopped, match=says):
                sent(web(server.host, "/f"))
    with pytest.raises(Stopped, match="refused"):
        sent("http://127.0.0.1:1/f")
