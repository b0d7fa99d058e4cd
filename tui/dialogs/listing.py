"""What a curator does to the list: a CID is put on it, a pin gets another name or expiry, pins are taken off it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, timedelta

import msgspec
from pincrew.tui import words
from pincrew.tui.dialog import Answer
from pincrew.tui.dialogs.commands import command
from pincrew.tui.dialogs.field import Field
from pincrew.tui.dialogs.marked import Marked, look_at
from pincrew.tui.dialogs.planned import Planned
from textual import on
from textual.app import ComposeResult
from textual.widgets import Input

from pincrew import figures
from pincrew.api.shapes import PinObject, PinRequest
from pincrew.cid import cid_text, parse_cid
from pincrew.errors import Misuse, NotFound
from pincrew.quantities import parse_duration
from pincrew.values import PinMode

_DO = "do"
_NEVER = "never"
_EXPIRY_HINT = "30d, 12h … from now, or never"


class _Written(Planned):
    """A form with a name and an expiry. What is typed is checked before it can be written."""

    def on_input_changed(self) -> None:
        """Check anew, and show the equal command."""
        self.say("")
        self.say_command()
        self.offer(self.possible())

    @on(Input.Submitted)
    def _submitted(self) -> None:
        if self.possible():
            self.answer(_DO)

    def typed(self, name: str) -> str:
        """Return what stands in a field."""
        return self.query_one(f"#{name}", Input).value.strip()

    def expiry(self) -> str | None:
        """Return when the pin is to expire, None for never. Raises Misuse for what is no time."""
        text = self.typed("expire")
        if text in ("", _NEVER):
            return None
        at = self.terminal_view.now() + timedelta(seconds=parse_duration(text))
        return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class AddDialog(_Written):
    """Asks for a CID and its name."""

    heading = "Put a pin on the list"

    def body(self) -> ComposeResult:
        """Yield the form."""
        yield Field("CID", name="cid", placeholder="bafy…")
        yield Field("Name", name="name", placeholder="what people will find it by")
        yield Field("Expires", _NEVER, name="expire", hint=_EXPIRY_HINT)
        yield from super().body()

    def on_mount(self) -> None:
        """Let the CID be typed at once: nothing can be lost here."""
        self.call_after_refresh(self.query_one("#cid", Input).focus)

    async def look(self) -> str:
        """Say what that means."""
        summary = self.terminal_view.summary(self.named_cluster)
        pins = "" if summary is None else f" The list has {figures.plural(summary.pins.total, 'pin')} now."
        return f"\nEverybody who follows {words.safe(self.named_cluster)} will fetch and keep it.{pins}"

    def answers(self) -> Sequence[Answer[str]]:
        """Return the one."""
        return (Answer("Add", _DO),)

    def possible(self) -> frozenset[str]:
        """Adding, once a CID was typed."""
        return frozenset({_DO} if self.typed("cid") else ())

    def command(self) -> str:
        """Return the equal command."""
        name, expire, cid = self.typed("name"), self.typed("expire"), self.typed("cid")
        options = [*(["--name", name] if name else [])]
        options += ["--expire-in", expire] if expire not in ("", _NEVER) else []
        return command("pin add", self.named_cluster, *options, cids=[cid or "CID"])

    async def act(self, value: str) -> str:
        """Write it."""
        cid = cid_text(parse_cid(self.typed("cid")))
        request = PinRequest(cid=cid, name=self.typed("name"), expire_at=self.expiry())
        cluster = self.named_cluster
        await self.ask(lambda client: client.write_pins(cluster, [request]))
        return f"{request.name or cid} is on the list of {cluster}."


class EditDialog(_Written):
    """Shows a pin's name and expiry, to be changed."""

    heading = "Change a pin"

    def __init__(self, cluster: str, cid: str) -> None:
        super().__init__(cluster)
        self._cid = cid
        self._pin: PinObject | None = None
        self._bytes: int | None = None

    def body(self) -> ComposeResult:
        """Yield the form."""
        yield from super().body()
        yield Field("Name", name="name")
        yield Field("Expires", name="expire", placeholder="as it is", hint=_EXPIRY_HINT)

    def on_mount(self) -> None:
        """Let the name be typed at once: nothing is written until something else stands there."""
        self.call_after_refresh(self.query_one("#name", Input).focus)

    async def look(self) -> str:
        """Ask what stands on the list now."""
        cluster, cid = self.named_cluster, self._cid
        pin, marked = await self.ask(
            lambda client: (next(client.pinset(cluster, [cid]), None), look_at(client, cluster, [cid]))
        )
        if pin is None:
            raise NotFound("It is not on the list any more", where=cid)
        if self._pin is None:
            with self.prevent(Input.Changed):
                self.query_one("#name", Input).value = pin.name
        self._pin = pin
        self._bytes = next((line.size for line in marked.lines), None)
        expiry = pin.rewritten().expire_at
        until = f"expires {figures.wall_time(expiry, self.terminal_view.now())}" if expiry else "never expires"
        return f"{pin.cid}\n{figures.size(self._bytes)}, {until}\n"

    def answers(self) -> Sequence[Answer[str]]:
        """Return the one."""
        return (Answer("Change", _DO),)

    def possible(self) -> frozenset[str]:
        """Changing, once something was."""
        pin = self._pin
        is_other = pin is not None and (self.typed("name") != pin.name or bool(self.typed("expire")))
        return frozenset({_DO} if is_other else ())

    async def act(self, value: str) -> str:
        """Write it anew: all else stays as it is."""
        if self._pin is None:
            raise Misuse("What stands on the list is not known yet")
        request = msgspec.structs.replace(self._pin.rewritten(), name=self.typed("name"), size=self._bytes)
        if self.typed("expire"):
            request = msgspec.structs.replace(request, expire_at=self.expiry())
        cluster = self.named_cluster
        await self.ask(lambda client: client.write_pins(cluster, [request]))
        return f"{request.name or request.cid} is changed on the list of {cluster}."

    def command(self) -> str:
        """Return the command that writes it anew; an expiry that stays has no place in it."""
        if self._pin is None or not self.possible():
            return ""
        expire = self.typed("expire")
        options = [*_options(self._pin.rewritten(), self.typed("name"))]
        options += ["--expire-in", expire] if expire not in ("", _NEVER) else []
        return command("pin add", self.named_cluster, *options, cids=[self._cid])


class RemoveDialog(Planned):
    """Says how many pins and bytes leave the list."""

    heading = "Take these pins off the list?"

    def __init__(self, cluster: str, cids: Sequence[str]) -> None:
        super().__init__(cluster)
        self._marked = Marked(tuple(cids), ())

    async def look(self) -> str:
        """Ask how much they are, and say who lets go of them."""
        cluster, cids = self.named_cluster, self._marked.cids
        self._marked = await self.ask(lambda client: look_at(client, cluster, cids))
        summary = self.terminal_view.summary(cluster)
        known = 0 if summary is None else summary.peers.known
        peers = f" {figures.plural(known, 'peer')} {'is' if known == 1 else 'are'} known to have it." if known else ""
        lets_go = "Followers keep them for a day before they unpin them; they can be put back until then."
        return f"{self._marked.amount}:\n{self._marked.names}\n\n{lets_go}{peers}"

    def answers(self) -> Sequence[Answer[str]]:
        """Return the one."""
        return (Answer("Remove", _DO, is_grave=True),)

    def command(self) -> str:
        """Return the equal command."""
        return command("pin rm", self.named_cluster, cids=self._marked.cids)

    async def act(self, value: str) -> str:
        """Write it."""
        cluster = self.named_cluster
        requests = [PinRequest(cid=cid, remove=True) for cid in self._marked.cids]
        done = await self.ask(lambda client: client.write_pins(cluster, requests))
        absent = f" {figures.plural(len(done.absent), 'pin')} had left it before." if done.absent else ""
        return f"{figures.plural(done.removed, 'pin')} removed from the list of {cluster}.{absent}"


def _options(request: PinRequest, name: str) -> list[str]:
    """Return what `pin add` has to be told so that a pin stays as it is, with this name."""
    options = ["--name", name] if name else []
    options += [f"--metadata={key}={value}" for key, value in (request.metadata or {}).items()]
    options += [f"--origins={','.join(request.origins)}"] if request.origins else []
    options += [f"--allocations={','.join(request.allocations)}"] if request.allocations else []
    options += ["--mode", request.mode] if request.mode != PinMode.RECURSIVE else []
    for word, copies in (("min", request.replication_factor_min), ("max", request.replication_factor_max)):
        options += [f"--replication-{word}={copies}"] if copies > 0 else []
    return options
