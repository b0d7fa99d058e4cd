"""Terminals, pipes, colours and widths."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from pincrew.cli.output import Output, encode_object, wrapped


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    encoding = "utf-8"  # type: ignore[assignment]

    def isatty(self) -> bool:
        return True


class Latin(io.StringIO):
    """A stream without our signs."""

    encoding = "iso-8859-1"  # type: ignore[assignment]


def on_terminal(**environment: str) -> Output:
    return Output(environment={"TERM": "xterm", **environment}, out=Terminal(), err=Terminal())


def written(output: Output) -> str:
    assert isinstance(output.out, io.StringIO)
    return output.out.getvalue()


@pytest.mark.parametrize(
    ("environment", "has_color", "is_live"),
    [
        ({}, True, True),
        ({"NO_COLOR": "1"}, False, True),
        ({"PINCREW_PLAIN": "1"}, False, False),
        ({"TERM": "dumb"}, False, False),
        ({"TERM": ""}, False, False),
        ({"CI": "true"}, True, False),
    ],
)
def test_what_a_terminal_gets(environment: dict[str, str], has_color: bool, is_live: bool) -> None:
    output = on_terminal(**environment)
    assert (output.has_color, output.is_live) == (has_color, is_live)
    assert ("\x1b" in output.styled("x", "good")) == has_color


def test_a_pipe_gets_neither_colour_nor_movement() -> None:
    output = Output(environment={"TERM": "xterm"}, out=io.StringIO(), err=Terminal())
    assert (output.has_color, output.is_live, output.is_plain) == (False, False, True)


def test_signs_become_ascii_where_they_cannot_be_shown() -> None:
    output = Output(environment={}, out=Latin(), err=io.StringIO())
    output.data("✓ complete — …")
    assert written(output) == "v complete - ...\n"


def test_a_table_fits_a_terminal_and_is_whole_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [["a" * 70, "1"], ["b" * 50, "22"]]
    for columns in (80, 40):
        monkeypatch.setenv("COLUMNS", str(columns))
        output = on_terminal(NO_COLOR="1")
        output.table(["name", "pins"], rows, right=(1,))
        assert max(len(line) for line in written(output).splitlines()) <= columns
    pipe = Output(environment={}, out=Terminal(), err=io.StringIO())
    pipe.is_terminal = False
    pipe.table(["name", "pins"], rows)
    assert "a" * 70 in written(pipe)


def test_objects_begin_with_their_schema() -> None:
    class Thing(msgspec.Struct):
        name: str

    class Versioned(msgspec.Struct):
        schema: int
        name: str

    assert encode_object(Thing("x")) == '{"schema":1,"name":"x"}'
    assert encode_object(Versioned(2, "x")) == '{"schema":2,"name":"x"}'


def test_json_says_nothing_on_the_side() -> None:
    output = Output(is_json=True, environment={}, out=io.StringIO(), err=io.StringIO())
    output.say("words")
    assert isinstance(output.err, io.StringIO)
    assert output.err.getvalue() == ""


def test_talk_is_broken_between_words_and_keeps_its_indent() -> None:
    cid = "b" + "a" * 58
    text = f"Short\n\n  {'word ' * 20}end\npincrew: {cid} is long\n\x1b[1m{'styled ' * 20}\x1b[0m"
    lines = wrapped(text, 40).split("\n")
    assert lines[:2] == ["Short", ""]
    assert all(line.startswith("  word") for line in lines[2:5])
    assert cid in lines, "what is copied stays whole"
    assert lines[-1].count("styled") == 20
    assert max(len(line) for line in lines if cid not in line and "\x1b" not in line) <= 40


@pytest.mark.parametrize(
    ("environment", "arguments", "is_coloured"),
    [
        ({"TERM": "xterm"}, [], True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, [], False),
        ({"TERM": "dumb"}, [], False),
        ({"TERM": "xterm", "PINCREW_PLAIN": "1"}, [], False),
        ({"TERM": "xterm"}, ["--plain"], False),
    ],
)
def test_a_real_terminal_gets_colour_only_where_it_may(
    environment: dict[str, str], arguments: list[str], is_coloured: bool, tmp_path: Path
) -> None:
    ours, theirs = pty.openpty()
    kept = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PINCREW_HOME": str(tmp_path), "LANG": "C.UTF-8"}
    with subprocess.Popen(
        [sys.executable, "-m", "pincrew", "doctor", *arguments],
        env={**kept, "PINCREW_IPFS": "127.0.0.1:9", **environment},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        said = b""
        with suppress(OSError):  # how the end of a terminal is told
            while part := os.read(ours, 65_536):
                said += part
        os.close(ours)
    assert process.returncode == 0 and b"pincrew" in said
    assert (b"\x1b" in said) is is_coloured
