"""The grammar of Go's command lines, as ipfs-cluster-ctl has it. Pure.

Options take one dash or two, and their value behind a space or a `=`; flags take one behind a `=` only. Global options
precede the command; a command's own stand anywhere behind it, and `--` ends them. Of an option that is repeated the
last counts, but for those that gather. Two names of one option at once are refused.

Other than Go's own reading: what follows a flag that stands before an argument is still read as options (there
`pin add --ns CID --name x` loses the name), and arguments that a command has no place for are refused instead of
ignored.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from pincrew.ctl.durations import duration_s
from pincrew.ctl.faults import Exit, UsageFault

HELP_WORDS = ("help", "h")


class Kind(Enum):
    """What an option takes."""

    FLAG = auto()
    TEXT = auto()
    NUMBER = auto()
    DURATION = auto()
    TEXTS = auto()


_NOTHING: Mapping[Kind, Any] = {Kind.FLAG: False, Kind.TEXT: "", Kind.NUMBER: 0, Kind.DURATION: 0.0, Kind.TEXTS: ()}


@dataclass(frozen=True)
class Option:
    """One option under all of its names, the first of which is what the code calls it."""

    names: tuple[str, ...]
    kind: Kind
    help: str
    default: Any = None
    variable: str = ""  # of the environment, where it is not typed

    @property
    def value(self) -> Any:
        """Return what it is where nobody says."""
        return _NOTHING[self.kind] if self.default is None else self.default


HELP = Option(("help", "h"), Kind.FLAG, "Show help.")
VERSION = Option(("version", "v"), Kind.FLAG, "Print the version.")


@dataclass(frozen=True)
class Command:
    """A command, or a group of some. ``arguments_max`` None: as many as one likes."""

    name: str
    help: str
    arguments: str = ""
    arguments_max: int | None = 0
    description: str = ""
    options: tuple[Option, ...] = ()
    action: Callable[[Any], None] | None = None
    commands: tuple[Command, ...] = ()
    is_hidden: bool = False

    def child(self, name: str) -> Command | None:
        """Return a command of this group."""
        return next((command for command in self.commands if command.name == name), None)


@dataclass(frozen=True)
class Words:
    """A command line taken apart. ``path`` is the command with the groups it is in, the program's own first."""

    path: tuple[Command, ...]
    top: Mapping[str, Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    wants_help: bool = False
    wants_version: bool = False
    given: frozenset[str] = frozenset()  # the options that were typed

    @property
    def command(self) -> Command:
        """Return the command itself."""
        return self.path[-1]


def take_apart(program: Command, line: Sequence[str], environment: Mapping[str, str]) -> Words:
    """Read a command line. Raises UsageFault."""
    top, rest, typed = _options((*program.options, HELP, VERSION), line, environment, is_leaf=False)
    path: tuple[Command, ...] = (program,)
    wants_help = bool(top["help"])
    while rest and not wants_help and path[-1].commands:
        word, *rest = rest
        if word in HELP_WORDS:
            wants_help = True
            path = _named(path, rest)
            break
        found = path[-1].child(word)
        if found is None:
            raise UsageFault(f"No help topic for {word!r}", Exit.NO_SUCH_COMMAND)
        path = (*path, found)
        if found.commands:
            asked, rest, _ = _options((HELP,), rest, environment, is_leaf=False)
            wants_help = bool(asked["help"])
    if wants_help or top["version"] or path[-1].commands:
        return Words(path, top, wants_help=wants_help or not top["version"], wants_version=bool(top["version"]))
    own, arguments, typed = _options((*path[-1].options, HELP), rest, environment, is_leaf=True)
    most = path[-1].arguments_max
    if not own["help"] and most is not None and len(arguments) > most:
        raise UsageFault(f"Incorrect Usage: {path[-1].name} takes no argument {arguments[most]!r}")
    return Words(path, top, own, tuple(arguments), wants_help=bool(own["help"]), given=typed)


def every_command(program: Command) -> Iterator[tuple[str, Command]]:
    """Yield each command and group with the words behind the program's name that mean it."""
    for command in program.commands:
        yield command.name, command
        for words, below in every_command(command):
            yield f"{command.name} {words}", below


def _named(path: tuple[Command, ...], names: Sequence[str]) -> tuple[Command, ...]:
    """Return the command that `help` is asked about."""
    for name in names:
        found = path[-1].child(name)
        if found is None:
            raise UsageFault(f"No help topic for {name!r}", Exit.NO_SUCH_COMMAND)
        path = (*path, found)
    return path


def _options(
    options: Sequence[Option], line: Sequence[str], environment: Mapping[str, str], *, is_leaf: bool
) -> tuple[dict[str, Any], list[str], frozenset[str]]:
    """Read a leaf's options, or those before the first word. Returns them, the rest, and which were typed."""
    named = {name: option for option in options for name in option.names}
    values = {option.names[0]: option.value for option in options}
    for option in options:
        if option.variable and environment.get(option.variable):
            values[option.names[0]] = environment[option.variable]
    spelled: dict[str, str] = {}
    rest: list[str] = []
    left = list(line)
    while left:
        word = left.pop(0)
        if word == "--":
            rest += left
            break
        if not word.startswith("-") or word == "-":
            rest.append(word)
            if not is_leaf:
                rest += left
                break
            continue
        name, equals, text = word.removeprefix("-").removeprefix("-").partition("=")
        found = named.get(name)
        if found is None:
            raise UsageFault(f"Incorrect Usage: flag provided but not defined: -{name}")
        key = found.names[0]
        if spelled.setdefault(key, name) != name:
            raise UsageFault(f"Incorrect Usage: Cannot use two forms of the same flag: {name} {spelled[key]}")
        if found.kind is Kind.FLAG and not equals:
            text = "true"
        elif not equals:
            if not left:
                raise UsageFault(f"Incorrect Usage: flag needs an argument: -{name}")
            text = left.pop(0)
        value = _value(found, name, text)
        values[key] = (*values[key], value) if found.kind is Kind.TEXTS else value
    return values, rest, frozenset(spelled)


def _value(option: Option, name: str, text: str) -> Any:
    if option.kind is Kind.FLAG:
        known = {"1": True, "t": True, "true": True, "0": False, "f": False, "false": False}
        if text.lower() not in known:
            raise UsageFault(f'Incorrect Usage: invalid boolean value "{text}" for -{name}: parse error')
        return known[text.lower()]
    if option.kind is Kind.NUMBER:
        if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
            raise UsageFault(f'Incorrect Usage: invalid value "{text}" for flag -{name}: parse error')
        return int(text)
    if option.kind is Kind.DURATION:
        try:
            return duration_s(text)
        except ValueError as error:
            raise UsageFault(f'Incorrect Usage: invalid value "{text}" for flag -{name}: {error}') from error
    return text
