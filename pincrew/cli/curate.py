"""`create`, `publish` and `serve`: what a curator does beside pinning."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from pincrew.cli import background, choosing, selection
from pincrew.cli.answers import Created, PublishedFile
from pincrew.cli.exit_codes import ExitCode
from pincrew.cli.invocation import ClusterOption, Invocation, command
from pincrew.cli.options import AnnounceOption, IpfsOption, ListenOption, PeerNameOption
from pincrew.cli.serve_check import ServeCheck
from pincrew.config_document import parse
from pincrew.errors import DaemonNotRunning, Misuse, NotFound
from pincrew.files import write_file
from pincrew.node_choice import checked_choice
from pincrew.paths import ClusterPaths
from pincrew.quantities import parse_duration
from pincrew.settings_files import cluster_in_force, load_settings
from pincrew.trust_view import kept_trust
from pincrew.trusted import creation, publishing

_WATCH_S = 2.0
_DAY_S = 86_400


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    command(app, "create")(create)
    command(app, "publish")(publish)
    command(app, "serve")(serve)


def create(
    invocation: Invocation,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name of the cluster.")],
    listen: ListenOption = None,
    announce: AnnounceOption = None,
    description: Annotated[str, typer.Option(metavar="TEXT", help="What it is, for those who are asked to join.")] = "",
    closed: Annotated[
        bool, typer.Option("--closed", help="Only who has the private network key can join; you hand it out.")
    ] = False,
    ipfs: IpfsOption = "",
    peer_name: PeerNameOption = "",
) -> None:
    """Make a cluster that this machine curates. Starts nothing.

    It gets an owner key, a curator's identity and its first trust record.

    Example: `pincrew create books --description 'Books that are free to copy'`
    """
    settings = load_settings(invocation.home.settings, invocation.environment)
    node = choosing.chosen(invocation, checked_choice(ipfs), settings, is_agreed=not choosing.can_ask(invocation))
    made = creation.create(
        invocation.home,
        name,
        now_s=int(time.time()),
        listen=listen or [],
        announce=announce or [],
        description=description,
        is_closed=closed,
        ipfs=node.ipfs,
        peer_name=peer_name,
    )
    output = invocation.output
    if output.is_json:
        output.object(
            Created(
                name=made.name,
                id=made.cluster_id.hex(),
                peer_id=made.peer_id,
                home=str(made.paths.folder),
                owner_key=str(made.owner_key),
                secret=str(made.secret) if made.secret else None,
            )
        )
        return
    output.data(f"Created {made.name}, cluster {made.cluster_id.hex()}")
    output.data(f"  folder      {made.paths.folder}")
    output.data(f"  peer id     {made.peer_id}")
    output.data(f"  listens on  {', '.join(made.listen)}")
    output.data(f"  IPFS node   {choosing.described(node, settings)}")
    output.data(f"  owner key   {made.owner_key}")
    if made.secret:
        output.data(f"  network key {made.secret}")
        output.say("\nHand the private network key to those who may join, apart from the published document.")
    output.say(
        "\nWho has the owner key owns the cluster. Move it to a safe place off this machine, and keep a second copy."
        f"\nNext: `pincrew serve {made.name}`, then `pincrew add FILE`, then `pincrew publish -o {made.name}.toml`."
    )


def publish(
    invocation: Invocation,
    cluster: ClusterOption = None,
    output_file: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where to write it.")
    ] = None,
    force_secret: Annotated[
        bool, typer.Option("--force-secret", help="Put the private network key inside: then everybody has it.")
    ] = False,
    silent_after: Annotated[
        str,
        typer.Option(
            "--silent-after", metavar="TIME|none", help="Followers are told when nothing changes for so long."
        ),
    ] = "",
) -> None:
    """Write the config document with which others join.

    Prints the line to send them. Without -o it is only kept in the cluster's folder, from where `serve --publish`
    offers it.

    Example: `pincrew publish -o books.toml --silent-after 30d`
    """
    paths = selection.curated(invocation.home, cluster)
    file = output_file.absolute() if output_file else None
    silent_after_days = _days(silent_after)
    try:
        made = _publish_running(invocation, paths, file, force_secret, silent_after_days)
    except DaemonNotRunning:
        made = _publish_stopped(invocation, paths, file, force_secret, silent_after_days)
    output = invocation.output
    if output.is_json:
        output.object(made)
        return
    output.say(f"Wrote revision {made.revision} to {made.path}.")
    if made.follow.endswith(made.path) or f"{made.path}#" in made.follow:
        output.say("Put that file where others can fetch it, and send them this line with its address instead:")
    else:
        output.say("Send this line to those who may join:")
    output.data(made.follow)


def _publish_running(
    invocation: Invocation, paths: ClusterPaths, file: Path | None, force_secret: bool, silent_after_days: int | None
) -> PublishedFile:
    """Let the daemon make the document: it knows its addresses and who follows."""
    made = invocation.client.publish(paths.name, force_secret=force_secret, silent_after_days=silent_after_days)
    raw = made.document.encode()
    if file is not None:
        write_file(file, raw, 0o644)
    path = file or paths.config
    try:
        url = invocation.client.ready(paths.name).publish
    except NotFound:
        url = None
    follow = publishing.follow_line(parse(raw), url or str(path))
    return PublishedFile(path=str(path), sha256=made.sha256, revision=made.revision, follow=follow)


def _days(text: str) -> int | None:
    """Return the days of `30d`, 0 for `none`, None where nothing was said. Raises Misuse."""
    if not text or text == "none":
        return None if not text else 0
    seconds = parse_duration(text)
    if not seconds or seconds % _DAY_S:
        raise Misuse(f"`--silent-after {text}` is not a number of days", next_step="Write `30d`, `2w` or `none`")
    return int(seconds // _DAY_S)


def _publish_stopped(
    invocation: Invocation, paths: ClusterPaths, file: Path | None, force_secret: bool, silent_after_days: int | None
) -> PublishedFile:
    """Make the document without a daemon: with the addresses that were chosen, else those published last."""
    settings = cluster_in_force(paths.settings, invocation.environment)
    last = publishing.published(paths)
    chosen = settings.announce or tuple(text for text in settings.listen if not _is_wildcard(text))
    if not chosen and not last.peers:
        raise DaemonNotRunning(
            "Under which addresses others reach this machine, only its daemon can tell",
            where=paths.name,
            means="Nothing was written",
            next_step="Start it: `pincrew daemon start`",
        )
    others: Sequence[Sequence[str]] = [[address] for address in last.peers]
    made = publishing.publish(
        paths,
        addresses=chosen,
        now_s=int(time.time()),
        others=others,
        chain=kept_trust(paths),
        output=file,
        silent_after_days=silent_after_days,
        is_secret_forced=force_secret,
    )
    return PublishedFile(path=str(made.path), sha256=made.sha256, revision=made.revision, follow=made.follow)


def serve(
    invocation: Invocation,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The cluster.")],
    publish: Annotated[str, typer.Option(metavar="HOST:PORT", help="Offer its config document over HTTP there.")] = "",
    rest: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Offer ipfs-cluster's REST API there (127.0.0.1:9094).")
    ] = "",
    check: Annotated[
        bool, typer.Option("--check", help="Start nothing: say what would be used, and what is wrong.")
    ] = False,
) -> int:
    """Run a cluster in the foreground. Ends on SIGINT or SIGTERM.

    In the running daemon, or as the daemon. Prints one line `ready NAME peer=... p2p=... api=... [publish=URL]` when it
    truly accepts work.

    Example: `pincrew serve books --publish 0.0.0.0:8000`
    """
    paths = selection.cluster(invocation.home, name)
    if check:
        return ServeCheck(invocation, paths, publish, rest).run()
    if background.running(invocation.client) is None:
        from pincrew.daemon import run_daemon  # libp2p, pycrdt and trio come with it

        return int(run_daemon(invocation.home, serve=paths.name, publish=publish or None, rest=rest) or ExitCode.DONE)
    return _serve_within(invocation, paths.name, publish or None, rest)


def _serve_within(invocation: Invocation, name: str, publish: str | None, rest: str) -> int:
    """Enable a cluster in the running daemon for as long as this process lives."""
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    invocation.client.run_cluster(name, publish, rest)
    try:
        invocation.output.data(invocation.client.ready(name).line)
        invocation.output.out.flush()
        while not ended.wait(_WATCH_S):
            invocation.client.ready(name)  # a daemon that went away is told, with exit code 3
    finally:
        if background.running(invocation.client) is not None:
            invocation.client.stop_cluster(name)
    return ExitCode.DONE


def _is_wildcard(address: str) -> bool:
    return address.startswith(("/ip4/0.0.0.0/", "/ip6/::/"))
