"""`pincrew ctl` hands on everything behind the word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from support.shell import Shell


@pytest.mark.parametrize(
    "line",
    ["", "--help", "-h", "--enc=json --host /ip4/1.2.3.4/tcp/1 pin ls --filter pin", "pin add -ns x --json -- -y"],
)
def test_nothing_is_read_before(shell: Shell, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    seen: list[Sequence[str]] = []

    def main(arguments: Sequence[str], _: Mapping[str, str], program: str) -> int:
        seen.append(list(arguments))
        assert program == "pincrew ctl"
        return 62

    monkeypatch.setattr("pincrew.cli.ctl.main", main)
    assert shell("ctl", *line.split()).code == 62
    assert seen == [line.split()]


def test_it_is_ipfs_cluster_ctls(shell: Shell) -> None:
    result = shell("ctl", "--host", "/ip4/127.0.0.1/tcp/1", "id")
    assert (result.code, result.out.splitlines()[0]) == (1, "An error occurred:")
    assert "pincrew ctl pin add" in shell("ctl", "commands").out
