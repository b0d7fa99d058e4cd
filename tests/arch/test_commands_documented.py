"""Every command, flag, setting, exit code, shape and route is in the docs, and nothing else is."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pincrew.api import shapes
from pincrew.cli import answers
from pincrew.cli.exit_codes import MEANING
from pincrew.settings import ClusterSettings, NodeSettings, Settings
from pincrew.settings_files import cluster_environment_names, environment_names
from support.command_tree import commands, options

DOCS = Path(__file__).parents[2] / "docs"
COMMANDS = (DOCS / "commands.md").read_text(encoding="utf-8")
NODE = (DOCS / "node.md").read_text(encoding="utf-8")
JSON = (DOCS / "json.md").read_text(encoding="utf-8")
SHARED = ["--json", "--plain", "--debug"]
FOREIGN = {"ctl"}  # has options of another program, which docs/ctl.md tells


def sections(text: str, heading: str) -> dict[str, str]:
    """Return what stands under each heading of a form."""
    parts = re.split(rf"^{heading}$", text, flags=re.MULTILINE)
    return {
        name: re.split(r"^##? ", body, flags=re.MULTILINE)[0]
        for name, body in zip(parts[1::2], parts[2::2], strict=True)
    }


SECTIONS = sections(COMMANDS, r"### `pincrew (.+)`")
SHAPES = sections(JSON, r"### (\w+)")


def structs() -> list[type[msgspec.Struct]]:
    return [
        value
        for module in (shapes, answers)
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, msgspec.Struct)
        and value.__module__.startswith(module.__name__)
    ]


def test_the_documented_commands_are_those_that_exist() -> None:
    assert set(SECTIONS) == {line for line, _ in commands()}


@pytest.mark.parametrize(("line", "command"), list(commands()), ids=[line for line, _ in commands()])
def test_the_documented_flags_are_those_that_exist(line: str, command: Any) -> None:
    documented = re.findall(r"^\| (?:`-\w`, )?`(--[a-z-]+)`", SECTIONS[line], flags=re.MULTILINE)
    assert documented == [name for name in options(command) if name not in SHARED]
    assert line in FOREIGN or set(SHARED) <= set(options(command))


def test_the_shared_flags() -> None:
    assert re.findall(r"^\| `(--[a-z-]+)`", COMMANDS.partition("## Exit codes")[0], flags=re.MULTILINE) == SHARED


def test_exit_codes() -> None:
    table = re.findall(r"^\| (\d+) \| (.+) \|$", COMMANDS, flags=re.MULTILINE)
    assert [(int(code), text) for code, text in table] == [(int(code), text) for code, text in MEANING.items()]


def test_settings_and_their_variables() -> None:
    for field in fields(Settings):
        assert f"| `{field.name}` | `PINCREW_{field.name.upper()}` |" in COMMANDS
    named = set(re.findall(r"PINCREW_[A-Z0-9_]+", COMMANDS))
    assert {*environment_names(), *cluster_environment_names()} <= named
    for field in fields(ClusterSettings):
        assert f"\n| `{field.name}` | " in COMMANDS
    for field in fields(NodeSettings):
        assert f"`{field.name}`" in NODE, f"docs/node.md says nothing of {field.name}"


def test_the_documented_shapes_are_those_that_exist() -> None:
    assert set(SHAPES) == {struct.__name__ for struct in structs()}


@pytest.mark.parametrize("struct", structs(), ids=lambda struct: struct.__name__)
def test_the_documented_keys_are_those_of_the_shape(struct: type[msgspec.Struct]) -> None:
    documented = re.findall(r"^\| `(\w+)` \|", SHAPES[struct.__name__], flags=re.MULTILINE)
    assert documented == list(struct.__struct_fields__)


def test_routes() -> None:
    def routes(text: str) -> list[tuple[str, str]]:
        return re.findall(r"^ *(GET|POST|DELETE) +(/api/v1\S+)", text, flags=re.MULTILINE)

    assert shapes.__doc__
    assert routes(JSON) == routes(shapes.__doc__)
    assert len(routes(JSON)) > 20
