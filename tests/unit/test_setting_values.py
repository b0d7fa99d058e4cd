"""Values as people write them, and words for what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from pincrew.errors import Misuse
from pincrew.settings import NodeSettings, Settings
from pincrew.settings_files import (
    load_settings,
    with_texts,
)

ID = "ab" * 32


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('unpin_grase = "1h"', "unpin_grase.*Did you mean `unpin_grace`"),
        ("unpin_grace = 90", 'a time like "24h"'),
        ('unpin_grace = "90"', "with a unit"),
        ("pins_in_flight = 0", "whole number from 1"),
        ("pins_in_flight = true", "whole number"),
        ('mdns = "yes"', "true or false"),
        ("ipfs = 5", "text in quotes"),
        ("ipfs = ", "not TOML"),
        ("ipfs = " + "[" * 5000, "not TOML"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(Misuse, match=words) as caught:
        load_settings(write(tmp_path / "s.toml", text), {})
    assert "s.toml" in caught.value.where


def test_limits_of_the_node_are_changed_by_what_a_person_writes() -> None:
    changed = with_texts(NodeSettings(upload_limit=5), {"storage_limit": "200GB", "connections": "7"})
    assert changed == NodeSettings(upload_limit=5, storage_limit=200_000_000_000, connections=7)
    assert with_texts(changed, {"storage_limit": "none"}).storage_limit is None
    for name, text in (("storage_limit", "0"), ("upload_limit", "fast"), ("connections", "0")):
        with pytest.raises(Misuse):
            with_texts(changed, {name: text})


def test_a_secret_of_the_wrong_kind_is_not_shown(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match="That is not what this setting takes: text in quotes") as caught:
        load_settings(write(tmp_path / "settings.toml", 'on_event_url = ["https://x/T0K3N"]\n'), {})
    assert "T0K3N" not in caught.value.sentence
    assert "T0K3N" not in repr(Settings(on_event_url="https://x/T0K3N"))
