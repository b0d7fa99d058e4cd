"""The command line as a whole: the groups of commands, and what becomes of whatever goes wrong in one.

Nobody sees a traceback: what is wrong is said in a sentence on stderr and in the exit code, and `--debug` writes the
traceback to a file.
"""

from __future__ import annotations

import difflib
import importlib
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from typing import Any

import typer

from pincrew.cli import program, terminal_view
from pincrew.cli.exit_codes import ExitCode
from pincrew.cli.invocation import Invocation
from pincrew.cli.output import Output
from pincrew.errors import PincrewError

# typer does not export the class of what a user typed wrong; it is what all its complaints derive from.
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]
_HELP = "Usage: "
_INTRODUCTION = """pincrew keeps data sets alive on IPFS, together.

  pincrew follow SOURCE     join: copy what a list names into your IPFS node
  pincrew status            how far it is
  pincrew tui               watch and steer it in the terminal
  pincrew leave             stop and let go of it

  pincrew create NAME       make a list that others can follow
  pincrew add FILE          add something to your node and put it on the list
  pincrew publish           write the file with which others join

  pincrew demo              watch all of that on this machine
  pincrew doctor            check this machine
  pincrew --help            every command"""


# Which module makes which commands, in the order of the help. Only the module of what is typed is imported: all of them
# together take each command a tenth of a second and 6 MiB more.
_MODULES: dict[str, tuple[str, ...]] = {
    "follow": ("follow", "leave"),
    "terminal_view": ("tui",),
    "status": ("status", "peers", "errors", "events"),
    "pins": ("pins",),
    "retry": ("retry",),
    "limits": ("limits",),
    "pause": ("pause", "resume"),
    "choices": ("skip", "next"),
    "verify": ("verify",),
    "add": ("add",),
    "pin": ("pin",),
    "state": ("state",),
    "curate": ("create", "publish", "serve"),
    "daemon": ("daemon",),
    "autostart": ("autostart",),
    "node": ("node",),
    "removals": ("removals",),
    "coverage": ("coverage",),
    "source": ("source",),
    "trust": ("trust",),
    "token": ("token",),
    "ctl": ("ctl",),
    "doctor": ("doctor",),
    "demo": ("demo",),
    "compat": ("compat",),
    "program": ("version", "completion"),
}


def application(word: str = "") -> typer.Typer:
    """Return the tree of commands; that of the module that makes the command ``word`` alone, where there is one."""
    app = typer.Typer(
        name="pincrew",
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        invoke_without_command=True,
        help="Keep data sets alive on IPFS, together.",
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )

    @app.callback()
    def introduction(context: typer.Context) -> None:
        if context.invoked_subcommand is None:
            _show_or_introduce()

    chosen = [module for module, names in _MODULES.items() if word in names]
    for module in chosen or _MODULES:
        importlib.import_module(f"pincrew.cli.{module}").register(app)
    return app


def _show_or_introduce() -> None:
    """Open the terminal view where there is a terminal and something to show, else tell how to begin."""
    invocation = Invocation(Output(), os.environ)
    if terminal_view.is_useful(invocation):
        terminal_view.show(invocation)
    else:
        print(_INTRODUCTION)


def _complete_as_typer_does() -> None:
    """Make typer's ways of completing known: it does so by itself only for apps that install their own scripts."""
    from typer import completion

    completion.completion_init()  # type: ignore[attr-defined]


def run(arguments: Sequence[str]) -> int:
    """Run one command line; return its exit code. Raises nothing but SystemExit from shell completion."""
    is_debug = "--debug" in arguments
    # Bare `pincrew` may open the view, which needs as little as `tui`. A shell that completes wants to know them all.
    word = arguments[0] if arguments else "tui"
    if program.COMPLETION_VARIABLE in os.environ:
        _complete_as_typer_does()
        word = ""
    try:
        result = application(word)(list(arguments), prog_name="pincrew", standalone_mode=False)
        sys.stdout.flush()
        return int(result) if isinstance(result, int) else ExitCode.DONE
    except PincrewError as error:
        return _told(error.sentence, error.exit_code, is_debug)
    except _UsageError as error:
        text = _usage_text(error)
        if not text.startswith(_HELP):
            return _told(text, ExitCode.USAGE, is_debug)
        print(text, file=sys.stderr)  # a group of commands alone: its help, which is no complaint
        return ExitCode.USAGE
    except (KeyboardInterrupt, typer.Abort):
        print(file=sys.stderr)
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough. Python must not find that out again while it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.FAILED
    except Exception as error:  # a bug of ours, or what no layer below expected: it is told like anything else
        hint = "" if is_debug else " Type the same again with `--debug` and report the file that it names."
        text = f"Something went wrong inside pincrew: {type(error).__name__}: {error}.{hint}"
        return _told(text, ExitCode.FAILED, is_debug)


def _told(sentence: str, code: int, is_debug: bool) -> int:
    """Say what went wrong, from inside an `except`."""
    output = Output()
    output.say(f"pincrew: {sentence}")
    if is_debug:
        descriptor, path = tempfile.mkstemp(prefix="pincrew-", suffix=".traceback.txt")
        with os.fdopen(descriptor, "w") as file:
            file.write(traceback.format_exc())
        output.say(f"pincrew: the traceback is in {path}")
    return code


def _usage_text(error: Exception) -> str:
    """Return a complaint about the command line, with where to read on."""
    text = str(getattr(error, "format_message", lambda: error)()).strip().replace("Value error, ", "")
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "pincrew"
    if text.startswith(_HELP):
        return text
    if text.startswith("No such") and "Did you mean" not in text and "Possible" not in text:
        text = text.rstrip(".") + _nearest(text, context)
    return f"{text if text.endswith(('.', '?', '!')) else text + '.'} See `{path} --help`."


def _nearest(text: str, context: Any) -> str:
    """Return the words that exist here, nearest first: typer names only those that are very near."""
    typed = text.replace("'", "").rstrip(".").rsplit(maxsplit=1)[-1]
    here = context.command if context is not None else None
    words = [option for parameter in getattr(here, "params", ()) for option in getattr(parameter, "opts", ())]
    if not typed.startswith("-"):
        words = list(getattr(here, "commands", {}))
    nearest = difflib.get_close_matches(typed, words, 3, 0.0)
    return f". Nearest: {', '.join(nearest)}." if nearest else ""
