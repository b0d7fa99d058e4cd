"""The view as its user meets it: keys, mouse, resizing, a daemon that goes and comes, one that is slow or wrong."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator

import pytest
from pincrew.tui.app import Options, TerminalView
from pincrew.tui.cards import Cards
from pincrew.tui.key_line import KeyLine
from pincrew.tui.keymap import ACTS
from pincrew.tui.overview import Overview
from pincrew.tui.paged_table import PagedTable
from pincrew.tui.pin_list import SORTS
from pincrew.tui.pins_view import PinsView
from textual import events
from textual.widgets import Input

from pincrew import limits
from pincrew.api import shapes
from pincrew.errors import DaemonLost, DaemonNotRunning, Malformed, Misuse
from support.fake_client import FakeClient, a_pin, a_progress, a_summary
from support.screens import Clock, has, settled, shown, text_of, until

_CHARACTERS = {"slash": "/", "question_mark": "?"}
_EFFECT_S_MAX = 10.0


def table(app: TerminalView) -> PagedTable[shapes.PinLine]:
    """The list of the visible view."""
    return next(each for each in app.query(PinsView) if each.is_open).table


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Waits are there for people and daemons; here there is neither."""
    monkeypatch.setattr(limits, "VIEW_RECONNECT_S_MIN", 0.01)
    monkeypatch.setattr(limits, "VIEW_RECONNECT_S_MAX", 0.02)
    monkeypatch.setattr(limits, "VIEW_TYPING_PAUSE_S", 0.01)
    monkeypatch.setattr(limits, "VIEW_RETRY_S", 0.05)
    monkeypatch.setattr(limits, "VIEW_REVALIDATE_S", 0.05)
    yield


async def test_figures_follow_the_feed() -> None:
    client = FakeClient([a_summary()])
    async with shown(client) as (_, pilot):
        await has(pilot, "86.0 %", "● following")
        client.say(
            a_summary(state="complete", pins={"total": 100, "pinned": 100, "pinning": 0, "queued": 0, "error": 0})
        )
        screen = await has(pilot, "✓ complete", "100 of 100 pins")
        assert "errors" not in screen.splitlines()[0], "trouble disappears when it is solved"


async def test_an_older_daemon_is_asked_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "VIEW_POLL_S", 0.02)
    client = FakeClient([a_summary()])
    client.has_feed = False
    async with shown(client) as (_, pilot):
        await has(pilot, "● following")
        client.clusters = [a_summary(state="paused")]
        await has(pilot, "paused by you")


async def test_the_daemon_goes_and_comes_ten_times() -> None:
    client = FakeClient([a_summary()])
    async with shown(client) as (app, pilot):
        for number in range(10):
            client.lose(DaemonNotRunning() if number % 2 else DaemonLost())
            await until(pilot, lambda: not app.connection.is_live)
            assert "000000-images" in text_of(app), "what was there stays"
            client.feed_fault = None
            await until(pilot, lambda: app.connection.is_live)
        await has(pilot, "● following", "000000-images")


async def test_it_starts_the_daemon() -> None:
    client = FakeClient([a_summary()])
    client.feed_fault = DaemonNotRunning()

    def start() -> None:
        client.feed_fault = None

    async with shown(client, options=Options(start_daemon=start)) as (_, pilot):
        await has(pilot, "s starts it")
        await pilot.press("s")
        await has(pilot, "● following", "000000-images")


async def test_a_daemon_that_cannot_be_started_says_why() -> None:
    client = FakeClient()
    client.feed_fault = DaemonNotRunning()

    def start() -> None:
        raise Misuse("Port 4001 is taken", next_step="Stop the other program")

    async with shown(client, options=Options(start_daemon=start)) as (_, pilot):
        await pilot.press("s")
        await has(pilot, "Port 4001 is taken")


async def test_the_filter_works_as_it_is_typed() -> None:
    client = FakeClient([a_summary()])
    async with shown(client) as (app, pilot):
        await pilot.press("slash", *"pg000019")
        await has(pilot, "“pg000019”", "1 pin", "pg000019-images.zip")
        await until(pilot, lambda: table(app).total == 1)
        await pilot.press("enter")
        assert app.focused is table(app)
        await pilot.press("escape")
        await has(pilot, "all states", "1,204,311 pins", "pg000003")
        assert not app.query(Input).first().display


async def test_a_filter_that_is_not_understood_is_said_and_not_repeated() -> None:
    client = FakeClient([a_summary()])
    async with shown(client) as (app, pilot):
        await pilot.press("slash")
        app.query(Input).first().value = "colour:red"
        screen = await has(pilot, "is not a filter", "There are: words of the name")
        assert "000000-images" in screen, "the rows before stay"
        asked = len(client.pages)
        await pilot.pause(0.2)
        assert len(client.pages) == asked
        await pilot.press("escape")
        await until(pilot, lambda: "is not a filter" not in text_of(app))


async def test_sorting_and_turning_around() -> None:
    client = FakeClient([a_summary()])
    async with shown(client) as (app, pilot):
        await has(pilot, "newest first")
        await pilot.press("S")
        await has(pilot, "oldest first", "1204310-images.zip")
        await pilot.press("S", "s")
        await has(pilot, "by name")
        await pilot.click(PagedTable, offset=(table(app).size.width - 10, 0))
        await has(pilot, "largest first")


async def test_the_cursor_goes_with_its_pin_when_the_order_changes() -> None:
    client = FakeClient([a_summary()])
    async with shown(client) as (app, pilot):
        await pilot.press("end", "up", "up")
        await until(pilot, lambda: table(app).current is not None)
        await pilot.press("s")
        await until(pilot, lambda: table(app).cursor == 1_204_308)
        await has(pilot, "1204308-images")


async def test_marks_are_what_keys_act_on() -> None:
    async with shown(FakeClient([a_summary()])) as (app, pilot):
        await pilot.press("space", "down", "space")
        await has(pilot, "2 marked")
        view = next(each for each in app.query(PinsView) if each.is_open)
        assert view.chosen_cids() == (a_pin(0).cid, a_pin(2).cid)
        await pilot.press("escape")
        assert view.chosen_cids() == (a_pin(3).cid,)


async def test_details_follow_the_cursor() -> None:
    client = FakeClient([a_summary()])
    async with shown(client, (140, 36)) as (_, pilot):
        await has(pilot, "added    20 days ago by “Ana”", "language es")
        await pilot.press("down", "down")
        await has(pilot, "from 4 peers", "410.0 kB/s")
    assert client.asked.count("pin") >= 2


async def test_details_take_the_place_of_the_list_where_it_is_narrow() -> None:
    client = FakeClient([a_summary()])
    async with shown(client) as (_, pilot):
        await settled(pilot)
        assert "pin" not in client.asked, "what nobody sees is not fetched"
        await pilot.press("enter")
        await has(pilot, "y copy CID", "added")
        await pilot.press("escape")
        await has(pilot, "pg000003")


async def test_hidden_views_fetch_nothing() -> None:
    client = FakeClient([a_summary()])
    async with shown(client) as (app, pilot):
        await pilot.press("d")
        await until(pilot, lambda: not any(each.is_open for each in app.query(PinsView)))
        await pilot.pause(0.1)
        client.asked.clear()
        for rev in range(5):
            client.say(a_summary(rev=rev))
            await pilot.pause(0.06)
        assert "pin_page" not in client.asked and "pin" not in client.asked and "series" not in client.asked


async def test_rows_that_changed_are_shown_without_a_key() -> None:
    client = FakeClient([a_summary()])
    async with shown(client) as (_, pilot):
        await has(pilot, "000001-images")
        client.changed[1] = shapes.PinLine(**{**_fields(a_pin(1)), "name": "renamed.zip", "state": "error"})
        client.say(a_summary(rev=8))
        await has(pilot, "renamed.zip")


async def test_names_of_strangers_do_no_harm() -> None:
    client = FakeClient([a_summary()])
    names = (
        "[red]markup[/red]",
        "\x1b[2Jcleared\x07",
        "\u202eright to left",
        "世界" * 40,
        "z" + "\u0301" * 50,
        "",
        "\n",
    )
    for number, name in enumerate(names):
        client.changed[number] = shapes.PinLine(**{**_fields(a_pin(number)), "name": name})
    async with shown(client, (140, 36)) as (app, pilot):
        screen = await has(pilot, "[red]markup[/red]", "�[2Jcleared�", "�right to left", "世界…")
        assert "\x1b" not in screen and screen.count("\u0301") <= 4
        for _ in names:
            await pilot.press("down")
            await settled(pilot)
        assert app.is_running


async def test_keys_of_a_users_own() -> None:
    async with shown(FakeClient([a_summary()]), options=Options(keys="close=f10, filter=f3")) as (app, pilot):
        await pilot.press("f3")
        assert isinstance(app.focused, Input)
        await pilot.press("escape", "q")
        assert app.is_running
        await pilot.press("f10")
        await until(pilot, lambda: not app.is_running)


@pytest.mark.parametrize("keys", ["dance=f5", "retry", "retry="])
def test_keys_that_lead_nowhere_are_refused(keys: str) -> None:
    with pytest.raises(Misuse, match="view_keys"):
        TerminalView(FakeClient(), options=Options(keys=keys))


def test_a_theme_that_does_not_exist_is_refused() -> None:
    with pytest.raises(Misuse, match="contrast-dark"):
        TerminalView(FakeClient(), options=Options(theme="plaid"))


async def test_who_only_looks_can_change_nothing() -> None:
    client = FakeClient([a_summary(role="curator")])
    async with shown(client, options=Options(is_read_only=True)) as (app, pilot):
        for act in ACTS:
            await pilot.press(act.key)
        await settled(pilot)
        assert len(app.screen_stack) == 1
        assert set(client.asked) <= {"pin_page", "series", "pin", "locate"}
        await pilot.press("question_mark")
        screen = await has(pilot, "Keys of this screen")
        assert "Pause" not in screen and "retry" not in screen.lower()


async def test_help_lists_the_live_keys() -> None:
    async with shown(FakeClient([a_summary()]), (100, 60)) as (app, pilot):
        await pilot.press("question_mark")
        screen = await has(pilot, "Keys of this screen")
        for meaning in ("Mark this pin", "Copy the CID", "Stop following this list", "Show only pins that match"):
            assert meaning in screen
        assert "Put a CID on the list" not in screen, "only a curator can"
        await pilot.press("escape")
        assert len(app.screen_stack) == 1


async def test_the_keys_offered_are_those_of_now() -> None:
    """Without a daemon nothing can be done but to start it; where nothing is followed, one can join."""
    client = FakeClient()
    client.feed_fault = DaemonNotRunning()
    async with shown(client, options=Options(start_daemon=lambda: None)) as (app, pilot):
        screen = await has(pilot, "s Start")
        assert "Join" not in screen.splitlines()[-1]
        client.feed_fault = None
        await has(pilot, "You follow no cluster yet", "a Join")
        assert "s Start" not in text_of(app)


async def test_below_a_dialog_the_keys_stay_as_they_were() -> None:
    async with shown(FakeClient([a_summary()])) as (app, pilot):
        await has(pilot, "p Pause")
        before = app.query_one(KeyLine).lines
        await pilot.press("p")
        await has(pilot, "for 30 minutes")
        assert app.query_one(KeyLine).lines == before


async def test_the_palette_offers_everything() -> None:
    async with shown(FakeClient([a_summary(), a_summary("books")]), (100, 60)) as (app, pilot):
        await pilot.press("ctrl+p")
        await has(pilot, "Search", "Overview")
        await pilot.press(*"Show books")
        await pilot.press("enter", "enter")
        await until(pilot, lambda: app.cluster == "books")


async def test_the_palette_acts_on_what_is_shown() -> None:
    async with shown(FakeClient([a_summary()]), (100, 60)) as (_, pilot):
        await pilot.press("ctrl+p", *"Pause")
        await has(pilot, "Fetch nothing new for a while")
        await pilot.press("enter", "enter")
        await has(pilot, "for 30 minutes")


async def test_a_curator_is_not_offered_what_only_followers_do() -> None:
    async with shown(FakeClient([a_summary(role="curator")])) as (app, _):
        assert app.check_action("act", ("remove_pins",)) and not app.check_action("act", ("skip",))
    async with shown(FakeClient([a_summary()])) as (app, _):
        assert app.check_action("act", ("skip",)) and not app.check_action("act", ("remove_pins",))


async def test_the_mouse_reaches_views_and_keys() -> None:
    async with shown(FakeClient([a_summary()])) as (app, pilot):
        await pilot.click("ViewBar", offset=(14, 0))
        await until(pilot, lambda: app.query_one("ViewBar")._key == "2")  # type: ignore[attr-defined]
        await pilot.click("KeyLine", offset=(13, 0))
        await until(pilot, lambda: isinstance(app.focused, Input))


async def test_tab_and_arrows_reach_the_views() -> None:
    async with shown(FakeClient([a_summary()])) as (app, pilot):
        await pilot.press("shift+tab", "right")
        await until(pilot, lambda: app.query_one("ViewBar")._key == "2")  # type: ignore[attr-defined]


async def test_copying_uses_the_terminals_clipboard() -> None:
    async with shown(FakeClient([a_summary()])) as (app, pilot):
        await pilot.press("y")
        assert app.clipboard == a_pin(0).cid
        await has(pilot, "Copied")


async def test_opening_a_pin_in_a_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(TerminalView, "open_url", lambda self, url, **_: opened.append(url))
    options = Options(gateway=lambda summary: "http://127.0.0.1:8080/")
    async with shown(FakeClient([a_summary()]), options=options) as (_, pilot):
        await pilot.press("o")
        await has(pilot, "Opened in your browser")
    assert opened == [f"http://127.0.0.1:8080/ipfs/{a_pin(0).cid}"]


async def test_a_wrong_answer_is_said_and_asked_again() -> None:
    client = FakeClient([a_summary()])
    client.fault = Malformed("The daemon's answer has another form than this pincrew knows")
    async with shown(client) as (_, pilot):
        await has(pilot, "another form than this pincrew")
        client.fault = None
        await has(pilot, "000000-images")


async def test_the_last_cluster_is_left() -> None:
    client = FakeClient([a_summary()])
    async with shown(client) as (_, pilot):
        client.say()
        await has(pilot, "follow")


async def test_ascii_where_the_terminal_has_no_more() -> None:
    async with shown(FakeClient([a_summary()]), options=Options(is_ascii=True)) as (app, pilot):
        await has(pilot, "pinned")
        strips = app.screen._compositor.render_strips()
        lines = [strip.apply_filter(app._ascii, app.screen.background_colors[1]) for strip in strips]
        text = "\n".join(strip.text for strip in lines)
        assert text.isascii() and "v pinned" in text and "+- Progress" in text


async def test_rates_go_on_by_a_sample_each_step() -> None:
    client, clock = FakeClient([a_summary()]), Clock()
    async with shown(client, (100, 30), clock=clock) as (app, pilot):
        await has(pilot, "down 5.20 MB/s")
        cards = app.query_one(Cards)
        await until(pilot, lambda: len(cards.down) == limits.VIEW_SAMPLES_KEPT)
        clock.advance(5)
        client.say(a_summary(progress=a_progress(rate=7)))
        await until(pilot, lambda: cards.down[-1] == 7)
        client.say(a_summary(progress=a_progress(rate=8)))
        await has(pilot, "down 8 B/s")
        assert cards.down[-1] == 7, "the step is not over"


async def test_200_keys_while_each_answer_takes_two_seconds() -> None:
    """Each key has its effect at once, whatever the daemon takes: the cursor moves, views and help open and close."""
    client = FakeClient([a_summary()], delay_s=2.0)
    took: list[float] = []

    async with shown(client, (140, 36)) as (app, pilot):
        first = table(app)
        await until(pilot, lambda: first.total > 0)

        async def press(key: str, effect: Callable[[], bool]) -> None:
            """Type as a terminal does, and wait for the effect alone: the pilot's own waits take longer than that."""
            begun = time.monotonic()
            app.post_message(events.Key(key, _CHARACTERS.get(key, key if len(key) == 1 else None)))
            while not effect():
                assert time.monotonic() - begun < _EFFECT_S_MAX, f"{key} has no effect"
                await asyncio.sleep(0.001)
            took.append(time.monotonic() - begun)

        def view_is(kind: str) -> Callable[[], bool]:
            return lambda: next(type(each).__name__ for each in app.query(PinsView) if each.display) == kind

        for number in range(60):
            await press("down", lambda wanted=number + 1: first.cursor == wanted)
        for _ in range(20):
            await press("pagedown", lambda before=first.cursor: first.cursor > before + 10)
        await press("end", lambda: first.cursor == 1_204_310)
        await press("home", lambda: first.cursor == 0)
        for _ in range(8):
            await press("2", view_is("PinsView"))
            await press("1", view_is("Overview"))
        await until(pilot, lambda: app.focused is first)
        for _ in range(10):
            await press("slash", lambda: isinstance(app.focused, Input))
            await press("a", lambda: isinstance(app.focused, Input) and app.focused.value == "a")
            await press("escape", lambda: app.focused is first)
        for _ in range(10):
            await press("question_mark", lambda: len(app.screen_stack) == 2)
            await press("escape", lambda: len(app.screen_stack) == 1)
        view = app.query_one(Overview)
        for number in range(60):
            following = SORTS[(number + 1) % len(SORTS)]
            await press("s", lambda wanted=following: view.question.sort == wanted)
    assert len(took) >= 200
    assert sorted(took)[len(took) * 9 // 10] < 1.0, "keys do not wait for the daemon"


def _fields(pin: shapes.PinLine) -> dict[str, object]:
    return {name: getattr(pin, name) for name in pin.__struct_fields__}
