"""Command lines as Go's programs read them, and what is refused instead of lost."""

from __future__ import annotations

from typing import Any

import pytest

from pincrew.ctl.app import PROGRAM
from pincrew.ctl.faults import Exit, UsageFault
from pincrew.ctl.grammar import Words, every_command, take_apart


def read(line: str, **environment: str) -> Words:
    return take_apart(PROGRAM, line.split(), environment)


def named(words: Words) -> str:
    return " ".join(command.name for command in words.path[1:])


def test_global_options_precede_the_command() -> None:
    words = read("--enc json -t=5 --https -l /ip4/1.2.3.4/tcp/1 pin ls --filter pin")
    assert (named(words), words.arguments) == ("pin ls", ())
    assert (words.top["encoding"], words.top["timeout"], words.top["https"]) == ("json", 5, True)
    assert words.top["host"] == "/ip4/1.2.3.4/tcp/1"
    assert words.options["filter"] == "pin"
    with pytest.raises(UsageFault, match="not defined: -enc"):
        read("pin ls --enc json")


@pytest.mark.parametrize(
    ("line", "option", "value"),
    [
        ("pin add --rmin 1 x", "replication-min", 1),
        ("pin add -rmin=-1 x", "replication-min", -1),
        ("pin add x -r -1", "replication", -1),
        ("pin add x --ns", "no-status", True),
        ("pin add -no-status=false x", "no-status", False),
        ("pin add -w=T x", "wait", True),
        ("pin add --wt 1m30s x", "wait-timeout", 90.0),
        ("pin add --metadata a=b --metadata c=d x", "metadata", ("a=b", "c=d")),
        ("pin add --name one --name two x", "name", "two"),
        ("pin add --name= x", "name", ""),
        ("pin add --name --wait x", "name", "--wait"),
        ("pin add x", "mode", "recursive"),
    ],
)
def test_a_commands_own_options_stand_anywhere(line: str, option: str, value: Any) -> None:
    words = read(line)
    assert (words.arguments, words.options[option]) == (("x",), value)


def test_a_flag_takes_no_word_behind_it() -> None:
    """In Go's reading the CID would be taken for the flag's, and the name would be lost."""
    words = read("pin add --ns CID --name x")
    assert (words.arguments, words.options["name"], words.options["no-status"]) == (("CID",), "x", True)


def test_two_dashes_end_options() -> None:
    assert read("add -q -- -r --wait").arguments == ("-r", "--wait")
    assert read("add -").arguments == ("-",)


@pytest.mark.parametrize(
    ("line", "says", "code"),
    [
        ("--bogus", "flag provided but not defined: -bogus", Exit.FAILED),
        ("id --bogus", "flag provided but not defined: -bogus", Exit.FAILED),
        ("pin --bogus", "flag provided but not defined: -bogus", Exit.FAILED),
        ("pin add -rQ x", "flag provided but not defined: -rQ", Exit.FAILED),
        ("pin add --rmin 1 --replication-min 2 x", "Cannot use two forms of the same flag", Exit.FAILED),
        ("pin add --wait-limit x", 'invalid value "x" for flag -wait-limit: parse error', Exit.FAILED),
        ("pin add --wt 5 x", "missing unit", Exit.FAILED),
        ("pin add --wait=perhaps x", "invalid boolean value", Exit.FAILED),
        ("pin add x --name", "flag needs an argument: -name", Exit.FAILED),
        ("pin add one two", "add takes no argument 'two'", Exit.FAILED),
        ("id me", "takes no argument", Exit.FAILED),
        ("foo", "No help topic for 'foo'", Exit.NO_SUCH_COMMAND),
        ("peers add", "No help topic for 'add'", Exit.NO_SUCH_COMMAND),
        ("help foo", "No help topic for 'foo'", Exit.NO_SUCH_COMMAND),
    ],
)
def test_what_cannot_be_understood(line: str, says: str, code: Exit) -> None:
    with pytest.raises(UsageFault, match=says) as fault:
        read(line)
    assert fault.value.code == code


@pytest.mark.parametrize(
    ("line", "of"),
    [
        ("", ""),
        ("help", ""),
        ("h", ""),
        ("--help", ""),
        ("-h", ""),
        ("pin", "pin"),
        ("pin help", "pin"),
        ("pin -h", "pin"),
        ("help pin add", "pin add"),
        ("pin add one two --help", "pin add"),
    ],
)
def test_help(line: str, of: str) -> None:
    words = read(line)
    assert (words.wants_help, named(words)) == (True, of)


def test_version() -> None:
    for line in ("--version", "-v", "-v id"):
        words = read(line)
        assert (words.wants_version, words.wants_help) == (True, False)


def test_the_environment_is_what_nobody_typed() -> None:
    assert read("id", CLUSTER_CREDENTIALS="me:secret").top["basic-auth"] == "me:secret"
    assert read("--basic-auth you:x id", CLUSTER_CREDENTIALS="me:secret").top["basic-auth"] == "you:x"


def test_every_command_of_ipfs_cluster_ctl_is_there() -> None:
    """As `ipfs-cluster-ctl commands` of 1.1.6 lists them."""
    expected = """id; peers; peers ls; peers rm; add; pin; pin add; pin rm; pin update; pin ls; status; recover;
        version; health; health graph; health metrics; health alerts; health bandwidth; ipfs; ipfs gc; commands"""
    assert [words for words, _ in every_command(PROGRAM)] == [words.strip() for words in expected.split(";")]


def test_names_are_given_once() -> None:
    for words, command in every_command(PROGRAM):
        names = [name for option in command.options for name in option.names]
        assert len(set(names)) == len(names), words
        assert not {"help", "h"} & set(names), words
