"""The commands of the embedded node's RPC stand in the docs, those of its own with all that they take."""

from __future__ import annotations

import json
import re
from urllib.parse import parse_qs

from pincrew.node.rpc.server import COMMANDS
from support.http_door import Rpc, with_rpc
from support.source_tree import ROOT

PROTOCOL = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
NODE = (ROOT / "docs" / "node.md").read_text(encoding="utf-8")
OWN = {command for command in COMMANDS if command.startswith("pincrew/")}


def test_every_command_is_named() -> None:
    kubos = re.search(r"`(id version [^`]+)`", NODE)
    assert kubos is not None
    assert set(kubos[1].split()) == set(COMMANDS) - OWN


def test_its_own_commands_are_described() -> None:
    assert set(re.findall(r"^\| `/api/v0/(pincrew/[^`]+)` \|", PROTOCOL, re.M)) == OWN


def test_the_example_of_each_is_what_it_answers() -> None:
    examples = re.findall(r"`POST /api/v0/(pincrew/[^?`]+)\?([^`]+)` answers\n`([^`]+)`", PROTOCOL)
    assert {command for command, _, _ in examples} == OWN

    async def test(rpc: Rpc) -> None:
        for command, query, answer in examples:
            assert await rpc.one(f"{command}?{query}") == json.loads(answer)
            row = next(line for line in PROTOCOL.splitlines() if line.startswith(f"| `/api/v0/{command}`"))
            assert set(parse_qs(query)) <= set(re.findall(r"`([a-z]+)`", row.split("|")[2]))
            assert [name.lower() for name in json.loads(answer)] == [
                name for name in re.findall(r"`([a-z]+)`", row.split("|")[2]) if name != "none"
            ]

    with_rpc(test)
