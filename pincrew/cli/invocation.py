"""What a command is given: the home, the client, the output; and how functions become commands.

Every command takes `--json`, `--plain` and `--debug`; ``command`` adds them, so that no command spells them out.
"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from pincrew.api.client import Client
from pincrew.cli.output import Output
from pincrew.paths import Home

ClusterOption = Annotated[
    str | None,
    typer.Option("--cluster", "-c", metavar="NAME", help="The cluster, where more than one would fit."),
]


@dataclass
class Invocation:
    """One run of one command."""

    output: Output
    environment: Mapping[str, str]

    @property
    def home(self) -> Home:
        """The home that PINCREW_HOME names, or the usual one."""
        return Home.of(self.environment)

    @functools.cached_property
    def client(self) -> Client:
        """The client of this home's daemon."""
        return Client(self.home.daemon_socket(self.environment))


_GLOBAL_OPTIONS = {
    "as_json": Annotated[bool, typer.Option("--json", help="Print JSON for programs.")],
    "plain": Annotated[bool, typer.Option("--plain", help="No colour, no boxes, nothing that moves.")],
    "debug": Annotated[bool, typer.Option("--debug", help="Write the traceback of a failure to a file.")],
}


class _Command(TyperCommand):
    """A command whose help names arguments as people write them: typer would say `{SOURCE}` and `CID <list[str]>`."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return ["[OPTIONS]", *(_usage(argument) for argument in self._arguments())]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        arguments = [(argument.metavar or argument.name, argument.help or "") for argument in self._arguments()]
        records = [one.get_help_record(ctx) for one in self.get_params(ctx) if one.param_type_name == "option"]
        for title, rows in (("Arguments", arguments), ("Options", [row for row in records if row is not None])):
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def _arguments(self) -> list[Any]:
        return [one for one in self.params if one.param_type_name == "argument" and not getattr(one, "hidden", False)]


def _usage(argument: Any) -> str:
    """Return what a usage line says of an argument: `CID...` where one is needed at least, `[CID...]` where none is."""
    word = argument.metavar or argument.name
    if argument.nargs == 1:
        many = word
    elif word.endswith("..."):
        return str(word)  # its command asks for one itself, in better words
    else:
        many = f"{{{word}}}..." if "|" in word else f"{word}..."
    return many if argument.required else f"[{many}]"


def command(group: typer.Typer, name: str, **options: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a function the command ``name`` of ``group``. Its first parameter is the `Invocation`.

    What it returns is the exit code; None is 0.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
        added = [
            inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=annotation)
            for key, annotation in _GLOBAL_OPTIONS.items()
        ]

        def run(**values: Any) -> Any:
            output = Output(is_json=values.pop("as_json"), is_plain=values.pop("plain"))
            values.pop("debug")  # read from the command line itself, since even parsing it may fail
            return function(Invocation(output, os.environ), **values)

        parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own] + added
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        run.__doc__ = inspect.getdoc(function)
        run.__name__ = function.__name__
        group.command(name, cls=_Command, **options)(run)
        return function

    return decorate
