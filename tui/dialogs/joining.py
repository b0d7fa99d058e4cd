"""Joining a cluster on one screen: what it is, who decides, and three answers, of which enter takes the defaults."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
from pincrew.tui import words
from pincrew.tui.dialog import Answer, Dialog
from pincrew.tui.dialogs.commands import command
from pincrew.tui.dialogs.field import Field
from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Checkbox, Input, Static

from pincrew import join_words
from pincrew.api.client import Client
from pincrew.api.shapes import AcceptRequest, NetworkLimits, NetworkLimitsRequest, Offer, Prospect
from pincrew.errors import Misuse, PincrewError
from pincrew.quantities import parse_size, typed_size

_LOOK, _JOIN, _SHOW = "look", "join", "show"
_OWN_NODE = "embedded"
_SIGNS = {"good": "✓", "warn": "·", "bad": "✗"}
_TERMS_FIRST = 5  # before the questions: what it is, who decides what


class JoinDialog(Dialog[str]):
    """Asks for a source, shows what it offers, and joins. ``joined`` is the name of the cluster, once there is one."""

    DEFAULT_CSS = """
    JoinDialog .row { height: auto; }
    JoinDialog .row > .word { width: 16; color: $text-muted; }
    JoinDialog .row > .said { width: 1fr; height: auto; }
    JoinDialog .apart { margin: 1 0 0 0; }
    JoinDialog .group { height: auto; }
    JoinDialog Checkbox { height: 1; border: none; padding: 0; background: $surface; margin: 0 0 0 16; width: 1fr; }
    JoinDialog .finding { height: auto; }
    JoinDialog .good { color: $text-success; }
    JoinDialog .warn { color: $text-warning; }
    JoinDialog .bad { color: $text-error; }
    JoinDialog.-narrow .row > .word { width: 12; }
    JoinDialog.-narrow Checkbox { margin: 0; }
    """

    heading = "Join a cluster"

    def __init__(self, source: str = "") -> None:
        super().__init__()
        self.joined = ""
        self._source = source
        self._offer: Offer | None = None
        self._prospect: Prospect | None = None
        self._network: NetworkLimits | None = None
        self._ipfs = ""
        self._can_start_at_login = False

    def body(self) -> ComposeResult:
        """Yield the question for a source; the rest comes with the offer."""
        with Vertical(id="asking", classes="group"):
            yield Static("Paste what its curators published: a link, a domain, or a file.\n", markup=False)
            yield Field("Source", self._source, name="source", placeholder="https://…")
        yield Vertical(id="terms", classes="group")
        with Vertical(id="form", classes="group apart"):
            yield Field("Your limit", name="limit", hint="200GB, 500GiB or none")
            yield Field("Fetch", name="download", hint="a second at most: 2MB, or none")
            yield Field("Send", name="upload", hint="a second at most: 500kB, or none")
            yield Field("Name", name="peer_name", hint="that others see; none if empty")
            yield Field("Network key", name="secret_file", placeholder="the file that its curators handed out")
            yield Checkbox("start when I log in", True, id="login", compact=True)
            yield Checkbox("use pincrew's own IPFS node instead", False, id="own_node", compact=True)
        yield Vertical(id="rest", classes="group apart")

    def answers(self) -> Sequence[Answer[str]]:
        """Return all that there may be."""
        return (Answer("Look at it", _LOOK), Answer("Join", _JOIN), Answer("Show it", _SHOW))

    def on_mount(self) -> None:
        """Ask for the source, or look at it where it is known."""
        for part in ("#terms", "#form", "#rest"):
            self.query_one(part).display = False
        self._offer_answers(_LOOK)
        self.call_after_refresh(self.query_one("#source", Input).focus)
        if self._source:
            self.answer(_LOOK)

    def command(self) -> str:
        """Return the equal command."""
        source = self.query_one("#source", Input).value.strip()
        if self._offer is None or self._offer.joined_as is not None:
            return command(f"follow {source}") if source and not source.startswith("-") else ""
        typed = {name: self._typed(name) for name in ("limit", "peer_name", "secret_file")}
        options = [part for name, text in typed.items() if text for part in (f"--{name.replace('_', '-')}", text)]
        return command("follow", "", source, *options, *(["--ipfs", self._ipfs] if self._ipfs else []))

    async def chosen(self, value: str) -> None:
        """Look at the source, or join what it offers."""
        if value == _LOOK:
            await self._look()
        elif value == _SHOW and self._offer is not None:
            self.joined = self._offer.joined_as or ""
            self.dismiss("")
        else:
            await self._join()

    # ---- what is offered -------------------------------------------------------------------------------------------

    async def _look(self) -> None:
        source = self._typed("source")
        if not source:
            raise Misuse("No source was typed")
        self.say("fetching it, and looking at your machine …", is_busy=True)

        can_start = self.terminal_view.options.can_start_at_login

        def ask(client: Client) -> tuple[Offer, Prospect | None, NetworkLimits | None, bool]:
            offer = client.offer(source, Path.cwd())
            if offer.joined_as is not None:
                return offer, None, None, False
            prospect = client.prospect(offer.offer, self._ipfs)
            return offer, prospect, client.network(), can_start is not None and can_start()

        offer, prospect, self._network, self._can_start_at_login = await self.backend.ask(ask, timeout_s=None)
        self._offer, self._prospect = offer, prospect
        self.say("")
        self.query_one("#asking").display = False
        self.query_one("#heading", Static).update(words.text(words.safe(join_words.heading(offer))))
        if prospect is None:
            await self._show_joined(offer)
        else:
            self._fill(offer, prospect)
            await self._show_terms(offer, prospect)
            self._offer_answers(_JOIN)
            self.query_one("#answer-1", Button).focus()
        self.say_command()

    async def _show_joined(self, offer: Offer) -> None:
        """Say that it is followed already."""
        terms = self.query_one("#terms", Vertical)
        await terms.remove_children()
        await terms.mount(Static(words.text(f"It is followed already, as {words.safe(offer.joined_as or '')}.")))
        terms.display = True
        self._offer_answers(_SHOW)

    def _fill(self, offer: Offer, prospect: Prospect) -> None:
        """Put the defaults into the form, and leave out what is not asked here."""
        limit = join_words.usual_limit(prospect)
        network = self._network
        login = self.query_one("#login", Checkbox)
        with self.prevent(Input.Changed, Checkbox.Changed):
            self.query_one("#limit", Input).value = limit or ""
            self.query_one("#download", Input).value = _rate(network.download if network else None)
            self.query_one("#upload", Input).value = _rate(network.upload if network else None)
        # What a Kubo sends, nobody can limit from outside.
        self.query_one("#field-upload").display = join_words.is_own_node(prospect)
        self.query_one("#field-secret_file").display = offer.needs_secret
        login.display = self._can_start_at_login
        self.query_one("#own_node").display = self._ipfs == _OWN_NODE or (
            not join_words.is_own_node(prospect) and prospect.node_version is None
        )
        self._say_limit()
        for part in ("#terms", "#form", "#rest"):
            self.query_one(part).display = True

    async def _show_terms(self, offer: Offer, prospect: Prospect) -> None:
        """Say the same as `pincrew follow` does."""
        request, now = self._request(), self.terminal_view.now()
        terms = join_words.terms(offer, request, are_options_named=False)
        rest = [
            *terms[_TERMS_FIRST:],
            join_words.Row("IPFS node", _node(prospect)),
            *join_words.finding(request, prospect, are_options_named=False),
            join_words.identity(offer),
        ]
        identity = Static(words.text(offer.cluster_id), classes="finding")
        findings = join_words.findings(prospect, request)
        lines = [_finding(_SIGNS[tone], text, tone) for tone, text in findings]
        # What is said against it stands where nobody has to scroll for it.
        warnings = [_finding("!", text, "warn") for text in offer.warnings]
        first = [_row(*row) for row in (*join_words.origin(offer, now), *terms[:_TERMS_FIRST])]
        for part, widgets in (
            ("#terms", [*first, *warnings]),
            ("#rest", [*(_row(*row) for row in rest), identity, *lines]),
        ):
            place = self.query_one(part, Vertical)
            await place.remove_children()
            await place.mount_all(widgets)
        self.query_one("#dialog").scroll_home(animate=False)

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        self.say_command()
        if event.input.id == "limit":
            self._say_limit()
        elif event.input.id == "peer_name" and self._offer is not None:
            terms = join_words.terms(self._offer, self._request(), are_options_named=False)
            seen = next(row.text for row in terms if row.word == join_words.OTHERS_SEE)
            for place in self.query(".seen").results(Static):
                place.update(words.text(words.safe(seen)))

    @on(Checkbox.Changed, "#own_node")
    def _own_node(self, event: Checkbox.Changed) -> None:
        """Look again: another node has another disk."""
        self._ipfs = _OWN_NODE if event.value else ""
        self.answer(_LOOK)

    @on(Input.Submitted)
    def _submitted(self) -> None:
        self.answer(_LOOK if self._offer is None else _JOIN)

    def _say_limit(self) -> None:
        """Say beside the limit what it means for this list."""
        field, typed = self.query_one("#field-limit", Field), self._typed("limit")
        offer = self._offer
        try:
            if typed.lower() in ("", join_words.NO_LIMIT) or offer is None:
                field.hint("200GB, 500GiB or none")
            else:
                field.hint(join_words.what_of_a_larger_list(parse_size(typed), "auto", offer.bytes_hint))
        except Misuse as error:
            field.hint(error.sentence)

    # ---- joining ---------------------------------------------------------------------------------------------------

    def _request(self) -> AcceptRequest:
        """Return what was answered."""
        return AcceptRequest(
            offer="" if self._offer is None else self._offer.offer,
            ipfs=self._ipfs,
            secret_file=str(Path(self._typed("secret_file")).expanduser().absolute())
            if self._typed("secret_file")
            else None,
            peer_name=self._typed("peer_name"),
            limit=self._typed("limit") or None,
        )

    async def _join(self) -> None:
        request, line = self._request(), self._line()
        if request.limit is None:
            raise Misuse("How much it may hold was not said", next_step="Type a size like `200GB`, or `none`")
        if request.limit.lower() != join_words.NO_LIMIT:
            parse_size(request.limit)
        self.say("joining …", is_busy=True)
        followed = await self.backend.ask(lambda client: client.accept(request), timeout_s=None)
        self.joined = followed.cluster
        said = f"{followed.cluster} is followed now. Closing this view does not stop it."
        trouble = await self._afterwards(line)
        self.dismiss(f"{said} {trouble}".strip())

    async def _afterwards(self, line: NetworkLimitsRequest | None) -> str:
        """Do what was asked for besides; the cluster is joined whether or not that works. Returns what did not."""
        start = self.terminal_view.options.start_at_login
        try:
            if line is not None:
                await self.backend.ask(lambda client: client.change_network(line))
            if start is not None and self._can_start_at_login and self.query_one("#login", Checkbox).value:
                await self.backend.ask(lambda _: start())
        except PincrewError as error:
            return error.sentence
        return ""

    def _line(self) -> NetworkLimitsRequest | None:
        """Return other limits of the line, None where they are left as they are. Raises Misuse."""
        changes = {}
        for name in ("download", "upload"):
            text = self._typed(name)
            before = _rate(getattr(self._network, name, None))
            if text and text != before and self.query_one(f"#field-{name}").display:
                if text.lower() != join_words.NO_LIMIT:
                    parse_size(text)
                changes[name] = text
        return msgspec.structs.replace(NetworkLimitsRequest(), **changes) if changes else None

    def _typed(self, name: str) -> str:
        return self.query_one(f"#{name}", Input).value.strip()

    def _offer_answers(self, *values: str) -> None:
        for number, answer in enumerate(self.answers()):
            self.query_one(f"#answer-{number}", Button).display = answer.value in values


def _rate(value: int | None) -> str:
    return join_words.NO_LIMIT if value is None else typed_size(value)


def _node(prospect: Prospect) -> str:
    if join_words.is_own_node(prospect):
        return join_words.OWN_NODE
    return "your Kubo" if prospect.node_version is not None else "your Kubo, once it is started"


def _finding(sign: str, text: str, tone: str) -> Static:
    return Static(words.text(f"{sign} {words.safe(text)}"), classes=f"finding {tone}")


def _row(word: str, text: str) -> Horizontal:
    return Horizontal(
        Static(words.text(word), classes="word"),
        Static(words.text(words.safe(text)), classes=f"said{' seen' if word == join_words.OTHERS_SEE else ''}"),
        classes="row",
    )
