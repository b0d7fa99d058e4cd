"""The terminal view in a real terminal multiplexer, against a real daemon with content moving: what its user sees."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.machines import LISTEN, Crew, Machine, command, until
from support.multiplexer import NO_TMUX, Multiplexer, find_tmux

pytestmark = [pytest.mark.slow, pytest.mark.thorough, pytest.mark.skipif(find_tmux() is None, reason=NO_TMUX)]

_FILES, _FILE_BYTES = 24, 400_000


@contextmanager
def in_tmux(machine: Machine, *words: str, size: tuple[int, int] = (100, 30)) -> Iterator[Multiplexer]:
    environment = {**machine.environment, "TERM": "screen-256color"}
    terminal = Multiplexer(command(*words), environment=environment, folder=machine.folder, size=size)
    try:
        yield terminal
    finally:
        terminal.end()


@pytest.fixture
def source(crew: Crew) -> str:
    """A curator with films, one of whose names would like to be markup."""
    curator = crew.machine("curator")
    made = curator.create("films", node="embedded")
    ready = curator.serve("films", "--publish", "127.0.0.1:0")
    for number in range(_FILES):
        (curator.folder / f"reel-{number:02}.mkv").write_bytes(os.urandom(_FILE_BYTES))
    curator.run("add", *(f"reel-{number:02}.mkv" for number in range(_FILES)))
    (curator.folder / "odd").write_bytes(os.urandom(1_000))
    curator.run("add", "odd", "--name", "[red]Nosferatu[/red] 吸血鬼")
    curator.client.publish("films")
    return f"{ready['publish']}#{made['id']}"


def test_a_walk(crew: Crew, source: str) -> None:
    """Join, watch it come, find a pin, read about it, pause, resume, lose the daemon, start it, leave the view."""
    ana = crew.machine("ana")
    joining = ("follow", source, "--yes", "--listen", LISTEN, "--ipfs", "embedded", "--limit", "1GB")
    with in_tmux(ana, *joining) as terminal:
        try:
            terminal.until("1 Overview", "Progress", "films")
            moving = terminal.until("pinn")
            assert "\ufffd" not in moving
            screen = terminal.until("✓ complete", f"{_FILES + 1} of {_FILES + 1} pins", "100 %")
            ana.adopt()
            assert "Network" in screen and "reel-" in screen and "of 1.00 GB limit" in screen
            _find(terminal)
            _pause(terminal)
            terminal.resize(20, 5)
            terminal.until("✓", without="Progress")
            terminal.resize(140, 36)
            terminal.until("Network", "added", "✓ pinned")
            terminal.resize(100, 30)
            terminal.until("Network", without="y copy CID")
            ana.kill()
            terminal.until("reconnecting", "s starts it", "reel-")
            terminal.press("s")
            terminal.until("✓ complete", "reel-", without="reconnecting")
            ana.adopt()
            terminal.press("q")
            terminal.until("Following goes on in the background", "ended with 0")
        finally:
            ana.adopt()
    assert until(lambda: ana.summary("films"), "the daemon goes on").state == "complete"


def _find(terminal: Multiplexer) -> None:
    terminal.press("/")
    terminal.type("nosf")
    terminal.until("“nosf”", "1 pin", "[red]Nosferatu[/red] 吸血鬼", without="reel-")
    terminal.press("Enter")
    terminal.until("⏎ Details")
    terminal.press("Enter")
    terminal.until("y copy CID", "added", "✓ pinned 1.00 kB")
    terminal.press("Escape")
    terminal.until("“nosf”", without="y copy CID")
    terminal.press("Escape")
    terminal.until("all states", "reel-")


def _pause(terminal: Multiplexer) -> None:
    terminal.press("p")
    terminal.until("pincrew pause")
    terminal.press("Escape")
    terminal.until("✓ complete", without="pincrew pause")
    for key, said in (
        ("3", "curator"),
        ("4", "No pin is in error"),
        ("5", "is pinned"),
        ("d", "node"),
        ("1", "Progress"),
    ):
        terminal.press(key)
        terminal.until(said)


def test_a_pipe_never_gets_it(crew: Crew, source: str, tmp_path: Path) -> None:
    """Textual would draw into whatever stderr is: it is never asked to."""
    ana = crew.machine("ana")
    said = ana.follow(source, node="embedded")
    assert "\x1b" not in said.all
    for words in ((), ("tui",)):
        alone = ana.run(*words, code=None)
        assert "\x1b" not in alone.all and "pincrew" in alone.all
