"""The limits of a cluster, and those of the line for all clusters: shown, and changed at once.

What a lower limit would unpin is asked while it is typed, and nothing is unpinned without the user's word.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from pincrew.tui import words
from pincrew.tui.dialog import Answer
from pincrew.tui.dialogs.commands import command
from pincrew.tui.dialogs.field import Field
from pincrew.tui.dialogs.planned import Planned
from textual import on
from textual.app import ComposeResult
from textual.timer import Timer
from textual.widgets import Input, Static

from pincrew import figures
from pincrew.api.shapes import Limits, LimitsChanged, LimitsRequest, NetworkLimits, NetworkLimitsRequest
from pincrew.limits import VIEW_TYPING_PAUSE_S
from pincrew.quantities import parse_percent, parse_size, typed_size

_CHANGE, _UNPIN, _LEAVE = "change", "unpin", "leave"
_NONE = "none"
_DISK = ("limit", "keep_free", "part")
_PARTS = {
    "auto": "all of the list while it fits, else a part of it",
    "part": "the part of the list that fits",
    "all": "the list in its order, until it is full",
}
# The fields of the line: the name in the shape and of the option, what is asked, and what that means.
_LINE = (
    ("download", "Fetch", "a second at most: 2MB, or none"),
    ("upload", "Send", "a second at most: 500kB, or none"),
    ("quiet_hours", "Quiet hours", "like mon-fri 23:00-07:00"),
    ("quiet_download", "Fetch in them", "a second at most"),
    ("quiet_upload", "Send in them", "a second at most"),
    ("monthly_cap", "In a month", "both together: 500GB, or none"),
)


class LimitsDialog(Planned):
    """A form of all limits."""

    DEFAULT_CSS = """
    LimitsDialog .part { color: $text-muted; margin: 1 0 0 0; }
    LimitsDialog #plan { color: $text-warning; }
    LimitsDialog.-spacious #kept { margin: 0 0 1 0; }
    LimitsDialog.-roomy #same { margin: 0; }
    LimitsDialog.-spacious #same { margin: 1 0 0 0; }
    """

    VERTICAL_BREAKPOINTS = [*Planned.VERTICAL_BREAKPOINTS, (28, "-spacious")]  # noqa: RUF012 - as textual has it

    def __init__(self, cluster: str) -> None:
        super().__init__(cluster)
        self.heading = f"Limits of {words.safe(cluster)}"
        self._shown: Limits | None = None
        self._before: dict[str, str] = {}
        self._pause: Timer | None = None
        self._beyond = 0

    def body(self) -> ComposeResult:
        """Yield the form, empty until the limits are here."""
        yield Static("looking what holds now …", id="kept", markup=False)
        yield Field("Hold at most", name="limit", hint="200GB, 500GiB or none")
        yield Field("Keep free", name="keep_free", hint="of the volume")
        yield Field("If larger", name="part", hint="auto, part, or all until full")
        yield Static("", id="plan", markup=False)
        yield Static("For all clusters together", classes="part", markup=False)
        for name, label, hint in _LINE:
            yield Field(label, name=name, hint=hint)
        yield Static("", id="note", classes="part", markup=False)

    def answers(self) -> Sequence[Answer[str]]:
        """Return all that there may be."""
        return (
            Answer("Change", _CHANGE),
            Answer("Leave them pinned", _LEAVE),
            Answer("Unpin them", _UNPIN, is_grave=True),
        )

    def possible(self) -> frozenset[str]:
        """Change it, once something was changed; what is beyond the limit has to be decided about."""
        if self._shown is None or not (self._disk() or self._network()):
            return frozenset()
        return frozenset({_UNPIN, _LEAVE} if self._beyond else {_CHANGE})

    def command(self) -> str:
        """Return the equal commands: one for the disk, one for the line."""
        disk, network = self._disk(), self._network()
        commands = []
        if disk is not None:
            options = [*(["--limit", disk.limit] if disk.limit else [])]
            options += ["--keep-free", str(disk.keep_free)] if disk.keep_free is not None else []
            options += ["--part", disk.part] if disk.part else []
            line = command("limits", self.named_cluster, *options, *(["--unpin"] if self._beyond else []))
            commands.append(f"{line} (or --leave)" if self._beyond else line)
        if network is not None:
            pairs = msgspec.structs.asdict(network).items()
            options = [word for name, value in pairs if value for word in (f"--{name.replace('_', '-')}", value)]
            commands.append(command("limits", "", *options))
        return " && ".join(commands)

    async def look(self) -> str:
        """Ask what holds, and then what other limits would come to."""
        name = self.named_cluster
        if self._shown is None:
            shown, line = await self.ask(lambda client: (client.limits(name), client.network()))
            self._shown = shown
            self._fill(shown, line)
        disk, _ = self._disk(), self._network()
        self._beyond = 0
        if disk is None:
            return ""
        plan = await self.ask(lambda client: client.change_limits(name, msgspec.structs.replace(disk, dry_run=True)))
        self._beyond = plan.pins
        return _would(plan)

    async def act(self, value: str) -> str:
        """Change what is other than before."""
        name, disk, network = self.named_cluster, self._disk(), self._network()
        said = []
        if disk is not None:
            excess = None if value == _CHANGE else value
            request = msgspec.structs.replace(disk, excess=excess)
            changed = await self.ask(lambda client: client.change_limits(name, request))
            unpinned = f" {figures.plural(changed.pins, 'pin')} will be unpinned now." if changed.pins else ""
            said.append(f"These limits hold now, and stand in {changed.limits.settings}.{unpinned}")
        if network is not None:
            line = await self.ask(lambda client: client.change_network(network))
            said.append(f"These limits of the line hold now, and stand in {line.settings}.")
        return " ".join(said)

    @on(Input.Changed)
    def _typed(self) -> None:
        self.offer(frozenset())
        if self._pause is not None:
            self._pause.stop()
        self._pause = self.set_timer(VIEW_TYPING_PAUSE_S, self.look_again)

    def _fill(self, shown: Limits, line: NetworkLimits) -> None:
        """Put what holds now into the form."""
        self._before = {
            "limit": _typed(shown.limit),
            "keep_free": f"{shown.keep_free} %",
            "part": shown.part,
            **{name: _typed(getattr(line, name)) for name, _, _ in _LINE},
        }
        summary = self.terminal_view.summary(self.named_cluster)
        is_curator = summary is not None and summary.role == "curator"
        with self.prevent(Input.Changed):
            for name, text in self._before.items():
                self.query_one(f"#{name}", Input).value = text
        for name in _DISK:
            self.query_one(f"#field-{name}").display = not is_curator
        under_way = f", {figures.size(shown.reserved)} more reserved" if shown.reserved else ""
        kept = [f"{figures.size(shown.kept)} are kept{under_way}."]
        if is_curator:
            kept.append("A curator keeps its whole list, whatever its size.")
        else:
            kept.append(f"It keeps {_PARTS.get(shown.part, shown.part)}.")
        if shown.skipped_for_room:
            kept.append(f"There is no room for {figures.plural(shown.skipped_for_room, 'pin')}.")
        self.query_one("#kept", Static).update(words.text(" ".join(kept)))
        if shown.volume_total is not None and shown.volume_free is not None:
            free = f"{figures.size(shown.volume_free)} of {figures.size(shown.volume_total)}"
            self.query_one("#field-keep_free", Field).hint(f"{free} are free")
        self.query_one("#note", Static).update(words.text(_note(line)))

    def _changed(self, name: str) -> str | None:
        """Return what stands in a field, None where that is what held before; an empty one is left as it is."""
        text = self.query_one(f"#{name}", Input).value.strip()
        return None if not text or text == self._before.get(name) else text

    def _disk(self) -> LimitsRequest | None:
        """Return the other limits of the disk. Raises Misuse for what is none."""
        limit, keep_free, part = (self._changed(name) for name in _DISK)
        if limit is None and keep_free is None and part is None:
            return None
        percent = None if keep_free is None else parse_percent(keep_free)
        return LimitsRequest(limit=limit, keep_free=percent, part=part)

    def _network(self) -> NetworkLimitsRequest | None:
        """Return the other limits of the line. Raises Misuse for what is none."""
        changes = {name: self._changed(name) for name, _, _ in _LINE}
        for name, text in changes.items():
            if text is not None and name != "quiet_hours" and text.lower() != _NONE:
                parse_size(text)
        return NetworkLimitsRequest(**changes) if any(changes.values()) else None


def _typed(value: int | str | None) -> str:
    if value is None:
        return _NONE
    return value if isinstance(value, str) else typed_size(value)


def _would(plan: LimitsChanged) -> str:
    if not plan.pins:
        return "Nothing has to be unpinned for that."
    pins = f"{figures.plural(plan.pins, 'pin')} ({figures.size(plan.bytes)})"
    which = f"The newest {pins}" if plan.chosen == "newest" else f"{pins} outside of the part that fits"
    return f"{which} would have to be unpinned; or they stay, and nothing new is fetched until the rest fits."


def _note(line: NetworkLimits) -> str:
    """Say what has passed this month, and what holds on a Kubo."""
    said = []
    if line.month_received or line.month_sent:
        said.append(f"This month: {figures.size(line.month_received)} fetched, {figures.size(line.month_sent)} sent.")
    if line.is_approximate:
        said.append("On Kubo these hold approximately, and what it sends is not limited.")
    return " ".join(said)
