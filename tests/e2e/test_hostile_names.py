"""Names with control characters, from whoever curates: no command of a follower hands one of them to the terminal."""

from __future__ import annotations

import json
import unicodedata

import pytest

from support.machines import Crew, made_up_cids, until

pytestmark = [pytest.mark.slow, pytest.mark.long]
# It would clear the screen, ring, begin a line of its own, set the window's title, and turn the direction of writing.
NAME = "fi\x1b[2J\x07lm\r\nroot\x1b]0;title\x07\u202e\u2066\x9b31m\x00 end"
WHOLE = ("status", "pins", "pin ls", "errors", "events", "peers", "coverage", "limits", "doctor", "source show")
MORE = ("pins --find film", "pin status", "verify --all", "removals show", "retry --all-errors", "state verify list")


def test_no_name_steers_a_terminal(crew: Crew) -> None:
    curator = crew.machine("curator")
    follower = crew.machine("follower", PINCREW_PIN_NO_PROGRESS="2s")
    made = curator.create("archive")
    ready = curator.serve("archive", "--publish", "127.0.0.1:0")
    cids = made_up_cids(3, "names")
    lines = "\n".join(json.dumps({"cid": cid, "name": NAME, "metadata": {NAME[:9]: NAME}}) for cid in cids)
    curator.run("pin", "add", "-", stdin=lines)
    follower.follow(f"{ready['publish']}#{made['id']}", "--all", "--peer-name", "ann", node="embedded")
    follower.until("archive", lambda seen: seen.pins.error >= 1, "nobody has what they name")
    (follower.folder / "list").write_text(follower.run("state", "export").out)
    follower.run("skip", cids[0])
    until(lambda: follower.json_lines("pins", "--state", "skipped"), "it is skipped")
    for words in (*WHOLE, *MORE):
        said = follower.run(*words.split(), code=None)
        steering = {text for text in said.out + said.err if unicodedata.category(text) in ("Cc", "Cf", "Cs")} - {"\n"}
        assert not steering, f"{words}: {steering!r}\n{said}"
    assert follower.json_lines("pins")[0]["name"] == NAME, "in JSON it is what it is"
    for words in ("pin ls", "pins", "status", "errors", "events"):
        said = curator.run(*words.split(), code=None)
        assert not {text for text in said.out + said.err if unicodedata.category(text) in ("Cc", "Cf")} - {"\n"}, words
