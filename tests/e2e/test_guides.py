"""The guides' transcripts: what is typed in them exists, and still comes to the same (`long`)."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from support.command_tree import commands
from support.transcripts import DOCS, PAGES, blocks, played

SHOWN = {name: text for page in PAGES for name, text in blocks((DOCS / page).read_text(encoding="utf-8")).items()}


def typed(text: str) -> list[str]:
    """Return the commands of a transcript."""
    return [line.removeprefix("$ ") for line in text.splitlines() if line.startswith("$ ")]


def shape(text: str) -> list[str]:
    """Return what may not change without somebody looking: commands, and what rows are labelled with."""
    same = re.sub(r"[0-9a-f]{64}", "ID", re.sub(r"127\.0\.0\.1:\d+", "HOST", text))
    found = re.findall(r"^(?:\$ .*| {0,2}[A-Za-z][A-Za-z ]*?(?= {2}))", same, re.MULTILINE)
    return [line for line in found if line != "no room for"]  # which pins are its part is another chance each time


@pytest.mark.parametrize("page", PAGES)
def test_every_transcript_is_filled(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    found = blocks(text)
    assert text.count("<!-- transcript: ") == len(found)
    assert all(typed(each) for each in found.values())


@pytest.mark.parametrize("line", sorted({line for text in SHOWN.values() for line in typed(text)}))
def test_what_is_typed_exists(line: str) -> None:
    program, *words = shlex.split(line)
    assert program == "pincrew"
    tree = dict(commands())
    name = next(" ".join(words[:count]) for count in (2, 1) if " ".join(words[:count]) in tree)
    known = {option for parameter in tree[name].params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert {word for word in words if word.startswith("-") and word != "-"} <= known


@pytest.mark.long
@pytest.mark.kubo
def test_they_still_come_to_the_same(kubo_program: Path) -> None:
    again = played(kubo_program)
    assert SHOWN.keys() <= again.keys()
    for name, text in SHOWN.items():
        assert shape(again[name]) == shape(text), f"{name}: PYTHONPATH=tests python -m support.transcripts"
