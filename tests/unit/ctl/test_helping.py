"""Help in the sections that people know, in 80 columns."""

from __future__ import annotations

import pytest

from pincrew.ctl.app import PROGRAM
from pincrew.ctl.grammar import take_apart
from pincrew.ctl.helping import help_text

EVERY = ["", "id", "peers", "peers rm", "add", "pin", "pin add", "pin update", "pin ls", "status", "health metrics"]


@pytest.mark.parametrize("line", EVERY)
def test_it_fits_and_names_the_command(line: str) -> None:
    words = take_apart(PROGRAM, [*line.split(), "--help"], {})
    text = help_text("ipfs-cluster-ctl", words.path)
    assert max(map(len, text.splitlines())) <= 80
    assert text.startswith(f"NAME:\n   {f'ipfs-cluster-ctl {line}'.strip()} - ")
    assert "\nUSAGE:\n" in text and "OPTIONS:\n" in text


def test_the_whole() -> None:
    text = help_text("pincrew ctl", (PROGRAM,))
    sections = [line for line in text.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert sections == ["NAME:", "USAGE:", "VERSION:", "DESCRIPTION:", "COMMANDS:", "GLOBAL OPTIONS:"]
    assert "\n   pincrew ctl [global options] command" in text
    assert "--encoding value, --enc value  Print text or json. (default: text)" in text
    assert "[$CLUSTER_CREDENTIALS]" in text
    assert "commands " not in text.partition("COMMANDS:")[2]


def test_names_that_are_too_long_have_a_line_of_their_own() -> None:
    lines = help_text("c", take_apart(PROGRAM, ["pin", "add", "-h"], {}).path).splitlines()
    at = lines.index("   --replication-min value, --rmin value")
    assert lines[at + 1].lstrip().startswith("Copies at least")
    assert "   [$" not in "\n".join(lines)


def test_lists_stay_lists() -> None:
    text = help_text("c", take_apart(PROGRAM, ["status", "-h"], {}).path)
    assert "\n     - pin_error\n     - pin_queued\n" in text
