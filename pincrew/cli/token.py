"""`token`: who may use a cluster's REST API over TCP, and how far."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from pincrew import limits
from pincrew.api.lines import time_text
from pincrew.cli import selection
from pincrew.cli.answers import TokenLine, TokenMade
from pincrew.cli.invocation import ClusterOption, Invocation, command
from pincrew.errors import Misuse
from pincrew.quantities import duration_text, parse_duration
from pincrew.rest.access import GRANTED, Scope, Token
from pincrew.tokens import TokenBook

_NEVER = "never"


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Who may use the REST API, and how far.")
    command(group, "new")(new)
    command(group, "ls")(show)
    command(group, "revoke")(revoke)
    app.add_typer(group, name="token")


def new(
    invocation: Invocation,
    cluster: ClusterOption = None,
    scope: Annotated[str, typer.Option(metavar="read|pin|admin", help="How far it goes.")] = Scope.READ.value,
    expires: Annotated[str, typer.Option(metavar="TIME|never", help="For how long it is good.")] = duration_text(
        limits.TOKEN_LIFETIME_S
    ),
    name: Annotated[str, typer.Option(metavar="NAME", help="Whom it is for; shown by `token ls`.")] = "",
) -> None:
    """Make a bearer token for the REST API and print it, once. Works with and without the daemon.

    From the first one on, that API asks who calls on TCP; its unix socket asks nobody.

    Example: `pincrew token new --scope pin --expires 90d --name uploads`
    """
    paths = selection.cluster(invocation.home, cluster)
    if scope not in GRANTED:
        raise Misuse(f"There is no scope {scope!r}", next_step=f"There are: {', '.join(GRANTED)}")
    now = time.time_ns() // 1_000_000
    book = TokenBook(paths.tokens)
    is_first = book.tokens() is None
    made, text = book.make(Scope(scope), name=name, now_ms=now, expires=_end(expires, now))
    output = invocation.output
    if output.is_json:
        line = _line(paths.name, made, now)
        output.object(TokenMade(line.cluster, line.id, line.name, line.scope, line.created, line.expires, token=text))
        return
    output.data(text)
    until = f"until {time_text(made.expires)}" if made.expires is not None else "until it is revoked"
    output.say(f"It may {_MAY[made.scope]} {paths.name}, {until}. Nobody can show it again.")
    output.say(f"Callers send it as `Authorization: Bearer ...`. Revoke it: `pincrew token revoke {made.id}`.")
    if is_first:
        output.say(f"The REST API of {paths.name} asks on TCP who calls from now on.")


def show(invocation: Invocation, cluster: ClusterOption = None) -> None:
    """Show the tokens that were made, without their texts. Works with and without the daemon.

    Example: `pincrew token ls`
    """
    paths = selection.cluster(invocation.home, cluster)
    now = time.time_ns() // 1_000_000
    lines = [_line(paths.name, token, now) for token in TokenBook(paths.tokens).tokens() or ()]
    output = invocation.output
    if output.is_json:
        output.lines(lines)
    elif not lines:
        output.data(f"No token of {paths.name} is good. `pincrew token new` makes one.")
    else:
        rows = [[line.id, line.scope, line.name, line.created, _end_text(line)] for line in lines]
        output.table(["id", "scope", "name", "created", "expires"], rows)


def revoke(
    invocation: Invocation,
    token: Annotated[str, typer.Argument(metavar="ID", help="The token, as `token ls` names it.")],
    cluster: ClusterOption = None,
) -> None:
    """Take a token away. It holds at once, with and without the daemon.

    Example: `pincrew token revoke 5f0c9a1e`
    """
    paths = selection.cluster(invocation.home, cluster)
    revoked = TokenBook(paths.tokens).revoke(token)
    if invocation.output.is_json:
        invocation.output.object(_line(paths.name, revoked, time.time_ns() // 1_000_000))
        return
    invocation.output.data(f"Revoked {revoked.id}" + (f" ({revoked.name})" if revoked.name else ""))


_MAY = {Scope.READ: "read", Scope.PIN: "read and pin in", Scope.ADMIN: "do everything in"}


def _end(text: str, now_ms: int) -> int | None:
    """Return when a token is over, which is made now. Raises Misuse."""
    if text.strip().lower() == _NEVER:
        return None
    seconds = parse_duration(text)
    if not 0 < seconds <= limits.TOKEN_LIFETIME_S_MAX:
        raise Misuse(
            f"A token cannot be good for {text!r}",
            where="--expires",
            next_step=f"Give up to {duration_text(limits.TOKEN_LIFETIME_S_MAX)}, or `never`",
        )
    return now_ms + int(seconds * 1_000)


def _line(cluster: str, token: Token, now_ms: int) -> TokenLine:
    return TokenLine(
        cluster=cluster,
        id=token.id,
        name=token.name,
        scope=token.scope.value,
        created=time_text(token.created) or "",
        expires=time_text(token.expires),
        over=token.is_expired(now_ms),
    )


def _end_text(line: TokenLine) -> str:
    return _NEVER if line.expires is None else f"{line.expires} (over)" if line.over else line.expires
