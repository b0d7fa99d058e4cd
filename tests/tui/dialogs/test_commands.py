"""The commands that dialogs name."""

from __future__ import annotations

from pincrew.tui.dialogs.commands import command


def test_a_command_can_be_typed_as_it_stands() -> None:
    assert command("limits", "books", "--limit", "2TB") == "pincrew limits -c books --limit 2TB"
    assert command("removals accept", "my books; rm") == "pincrew removals accept -c 'my books; rm'"
    assert command("pin add", "b", "--name", "a b", cids=["bafy"]) == "pincrew pin add -c b --name 'a b' bafy"


def test_of_many_cids_the_first_is_shown() -> None:
    assert command("skip", "b", cids=["x"] * 1_201) == "pincrew skip -c b x … (and 1,200 more)"
