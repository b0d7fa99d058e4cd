"""The commands as a whole: from a command line to an exit code."""

from __future__ import annotations

import os
import re
import ssl
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

from pincrew import __version__
from pincrew.ctl.adding import ADD
from pincrew.ctl.call import Call
from pincrew.ctl.client import Client, Credentials
from pincrew.ctl.faults import Exit, Refused, Stopped, UsageFault
from pincrew.ctl.grammar import Command, Kind, Option, Words, every_command, take_apart
from pincrew.ctl.health import HEALTH, IPFS
from pincrew.ctl.helping import help_text
from pincrew.ctl.hosts import endpoints_of
from pincrew.ctl.output import Output
from pincrew.ctl.peers import ID, PEERS, VERSION
from pincrew.ctl.pins import PIN
from pincrew.ctl.tracking import RECOVER, STATUS

_ENCODINGS = ("text", "json")
_SECRET_BYTES = 32

# Its action never runs: it needs no peer.
_COMMANDS = Command("commands", "List all commands", is_hidden=True)

PROGRAM = Command(
    "",
    "Manage a cluster through the REST API of one of its peers",
    description="The peer is named with --host, as a multiaddress: /ip4/ADDRESS/tcp/PORT, /dns/NAME/tcp/PORT or "
    "/unix/PATH; one that ends in /p2p/PEER_ID is asked over libp2p. Of several, separated by commas, the first that "
    "answers is asked; so it is with a name that has several addresses.\n\n"
    "Global options precede the command. Exit codes: 0 done, 1 failed here or nobody answered, "
    "2 the peer answered with an error, 62 --wait ran out of time.",
    options=(
        Option(("host", "l"), Kind.TEXT, "Where the API is; several with commas.", "/ip4/127.0.0.1/tcp/9094"),
        Option(("secret",), Kind.TEXT, "Over libp2p: the secret of a closed cluster, in hexadecimal digits."),
        Option(("https", "s"), Kind.FLAG, "Speak TLS."),
        Option(("no-check-certificate",), Kind.FLAG, "With --https: trust whoever answers."),
        Option(("encoding", "enc"), Kind.TEXT, "Print text or json.", "text"),
        Option(("timeout", "t"), Kind.NUMBER, "Seconds that a request may take; 0: any time.", 0),
        Option(("debug", "d"), Kind.FLAG, "Show where a fault of this program is."),
        Option(
            ("basic-auth",),
            Kind.TEXT,
            "user[:password]; speaks TLS, unless --force-http.",
            variable="CLUSTER_CREDENTIALS",
        ),
        Option(("force-http", "f"), Kind.FLAG, "With --basic-auth: speak plain HTTP."),
    ),
    commands=(ID, PEERS, ADD, PIN, STATUS, RECOVER, VERSION, HEALTH, IPFS, _COMMANDS),
)


def main(arguments: Sequence[str], environment: Mapping[str, str], program: str) -> int:
    """Run one command line; return its exit code. ``program`` is what was typed before it."""
    is_debugged = False
    try:
        words = take_apart(PROGRAM, arguments, environment)
        is_debugged = words.top["debug"]
        return _run(words, program)
    except UsageFault as fault:
        print(fault, file=sys.stderr)
        if fault.code is Exit.FAILED:
            print(f"See `{program} --help`.", file=sys.stderr)
        return fault.code
    except Stopped as stopped:
        print(stopped, file=sys.stderr)
        return stopped.code
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough. Python must not find that out again while it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.FAILED
    except Exception as error:  # a bug of ours, or what no layer below expected: it is told like anything else
        if is_debugged:
            raise
        print(f"error : something went wrong inside pincrew: {type(error).__name__}: {error}", file=sys.stderr)
        return Exit.FAILED


def _run(words: Words, program: str) -> Exit:
    if words.wants_help:
        print(help_text(program, words.path), end="")
    elif words.wants_version:
        print(f"{program} version {__version__} (pincrew)")
    elif words.command is _COMMANDS:
        print("\n".join(f"{program} {line}" for line, _ in every_command(PROGRAM)))
    else:
        return _carried_out(words)
    sys.stdout.flush()
    return Exit.DONE


def _carried_out(words: Words) -> Exit:
    if words.top["encoding"] not in _ENCODINGS:
        raise Stopped("", "unsupported encoding")
    output = Output(sys.stdout, is_json=words.top["encoding"] == "json")
    assert words.command.action is not None
    with closing(_client(words.top)) as client:
        try:
            words.command.action(Call(words, client, output))
        except Refused as refused:
            output.refusal(refused)
            return refused.code
    return Exit.DONE


def _client(top: Mapping[str, Any]) -> Client:
    """Return the client that the global options describe. Raises Stopped."""
    try:
        endpoints = endpoints_of(top["host"])
    except ValueError as error:
        raise Stopped("parsing host multiaddress", str(error)) from error
    if top["secret"] and not re.fullmatch(f"[0-9a-fA-F]{{{2 * _SECRET_BYTES}}}", top["secret"]):
        raise Stopped("parsing secret", f"it is not {_SECRET_BYTES} bytes in hexadecimal digits")
    user, _, password = top["basic-auth"].partition(":")
    credentials = Credentials(user, password) if user else None
    has_tls = top["https"] or (credentials is not None and not top["force-http"])
    return Client(
        endpoints,
        tls=_tls(is_checked=not top["no-check-certificate"]) if has_tls else None,
        credentials=credentials,
        timeout_s=float(top["timeout"]) if top["timeout"] > 0 else None,
        secret=bytes.fromhex(top["secret"]) or None,
    )


def _tls(*, is_checked: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not is_checked:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
