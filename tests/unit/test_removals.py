from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pincrew.removals import (
    DAY_MS,
    HOUR_MS,
    Decision,
    RemovalsRules,
    RemovalsState,
    Verdict,
    carried_out,
    decide,
    evaluate,
)

START = 1_767_225_600_000
RULES = RemovalsRules()
GRACE_MS, HOLD_MS = DAY_MS, 7 * DAY_MS


def judge(
    removed: list[tuple[float, int]],
    *,
    hour: float = 0,
    kept: int = 1_000,
    state: RemovalsState | None = None,
    rules: RemovalsRules = RULES,
) -> Verdict:
    """Removals are (hour, how many) as seen ``hour`` hours after START."""
    hours = [(START + int(at) * HOUR_MS, count) for at, count in removed]
    return evaluate(state or RemovalsState(), rules, now_ms=START + int(hour * HOUR_MS), kept=kept, hours=hours)


def test_rule_1_a_few_removals_wait_for_their_grace() -> None:
    verdict = judge([(0, 5)], hour=1)
    assert verdict.held == 0
    assert verdict.free_to_ms == START + HOUR_MS - GRACE_MS
    assert verdict.next_ms == START + GRACE_MS


def test_rule_2_what_is_a_mass() -> None:
    assert judge([(0, 20)], kept=20).held == 0  # a handful is never one
    assert judge([(0, 21)], kept=210).held == 0  # 10 %
    assert judge([(0, 21)], kept=209).held == 21
    assert judge([(0, 1_000)], kept=10**6).held == 0
    assert judge([(0, 1_001)], kept=10**6).held == 1_001
    assert judge([(0, 600), (10, 500)], hour=11, kept=10**6).held == 1_100  # within one day
    assert judge([(0, 600), (30, 500)], hour=31, kept=10**6).held == 0


def test_rule_2_the_hold_covers_later_removals_and_outlives_the_day() -> None:
    first = judge([(0, 500)], hour=1)
    later = judge([(0, 500), (40, 1)], hour=41, state=first.state)
    assert later.held == 501
    assert later.free_to_ms < START
    assert later.held_until_ms == START + HOLD_MS


def test_rule_2_wanted_again_the_hold_ends() -> None:
    first = judge([(0, 500)], hour=1)
    assert judge([], hour=2, state=first.state).state.hold_since_ms is None


def test_rule_2_after_the_hold_a_trickle_is_no_mass() -> None:
    first = judge([(0, 500)], hour=1)
    last = judge([(150, 3)], hour=24 * 7 + 2, state=first.state)
    assert last.held == 0 and last.state.hold_since_ms is None


def test_rule_3_a_flood_late_in_the_hold_waits_its_own_seven_days() -> None:
    first = judge([(0, 500)], hour=1)
    flood = judge([(0, 500), (160, 10**6)], hour=24 * 7 + 2, kept=10**7, state=first.state)
    assert START <= flood.free_to_ms < START + 160 * HOUR_MS
    assert flood.held > 0
    waiting = judge([(160, 10**6)], hour=160 + 24 * 6, kept=10**7, state=flood.state)
    assert waiting.free_to_ms < START + 160 * HOUR_MS
    gone = judge([(160, 10**6)], hour=161 + 24 * 7, kept=10**7, state=waiting.state)
    assert gone.free_to_ms >= START + 160 * HOUR_MS


def test_what_was_removed_before_the_hold_goes_in_its_time() -> None:
    held = judge([(0, 5), (30, 500)], hour=31)
    assert held.state.held_from_ms == START + 30 * HOUR_MS
    assert START < held.free_to_ms < START + 30 * HOUR_MS
    assert held.held == 500


def test_rule_4_accepted() -> None:
    state = decide(judge([(0, 500)], hour=1).state, Decision.ACCEPT, now_ms=START + HOUR_MS)
    assert evaluate(state, RULES, now_ms=START + HOUR_MS, kept=500, hours=[]).free_to_ms == START + HOUR_MS
    # A new mass is a new hold, and covers only what came after the word.
    again = judge([(1, 500)], hour=2, kept=1_000, state=state)
    assert again.held == 500 and again.state.held_from_ms == START + HOUR_MS + 1
    assert again.free_to_ms == START + HOUR_MS


def test_rule_4_rejected_frees_nothing() -> None:
    state = decide(judge([(0, 500)], hour=1).state, Decision.REJECT, now_ms=START + HOUR_MS)
    assert state.rejected_to_ms == state.decided_to_ms == START + HOUR_MS
    assert evaluate(state, RULES, now_ms=START + HOUR_MS, kept=1_000, hours=[]).free_to_ms < START


def test_rule_5_obeying_waits_for_nothing() -> None:
    verdict = judge([(0, 10**6)], hour=0.5, rules=RemovalsRules(obey=True))
    assert verdict.free_to_ms == START + HOUR_MS // 2 and verdict.held == 0


def test_with_a_short_grace_what_already_went_counts() -> None:
    rules = RemovalsRules(grace_s=0)
    state = carried_out(RemovalsState(), [START + n for n in range(15)])
    assert judge([(0, 15)], kept=100, state=state, rules=rules).held == 15
    assert judge([(0, 5)], kept=100, state=state, rules=rules).held == 0
    assert judge([(30, 15)], hour=31, kept=100, state=state, rules=rules).held == 0


@given(st.lists(st.integers(START, START + 400 * HOUR_MS), max_size=500))
def test_the_state_survives_its_text_and_stays_small(times: list[int]) -> None:
    state = replace(carried_out(RemovalsState(1, 2, 3, 4), times), accepted_to_ms=2**62)
    assert RemovalsState.from_text(state.to_text()) == state
    assert len(state.to_text()) < 4_096
    assert RemovalsState.from_text(None) == RemovalsState()


class Removing(RuleBasedStateMachine):
    """A peer, day after day: whatever the curator does and whenever the peer looks, the rules hold."""

    @initialize(kept=st.integers(0, 3_000), grace_h=st.sampled_from([0, 1, 24, 48]))
    def begin(self, kept: int, grace_h: int) -> None:
        self.rules = RemovalsRules(grace_s=grace_h * 3_600)
        self.now, self.pinned = START, kept
        self.state = RemovalsState()
        self.pending: list[int] = []
        self.gone_today: list[int] = []
        self.verdict: Verdict | None = None
        self.ever_decided = -1

    @rule(count=st.integers(1, 2_000))
    def remove(self, count: int) -> None:
        count = min(count, self.pinned)
        self.pinned -= count
        self.pending += [self.now] * count
        self.look()

    @rule(count=st.integers(1, 500))
    def add(self, count: int) -> None:
        self.pinned += count

    @rule(minutes=st.integers(1, 4_000))
    def wait(self, minutes: int) -> None:
        self.now += minutes * 60_000
        self.look()

    @precondition(lambda self: self.pending)
    @rule(decision=st.sampled_from(Decision))
    def word(self, decision: Decision) -> None:
        self.state = decide(self.state, decision, now_ms=self.now)
        self.ever_decided = self.now
        if decision is Decision.REJECT:
            self.pending = []
        self.now += 1
        self.look()

    def look(self) -> None:
        """Judge, carry out what is free, and check each thing that goes."""
        hours: dict[int, int] = {}
        for time in self.pending:
            if time > self.state.decided_to_ms:
                hours[time - time % HOUR_MS] = hours.get(time - time % HOUR_MS, 0) + 1
        verdict = evaluate(
            self.state,
            self.rules,
            now_ms=self.now,
            kept=self.pinned + len(self.pending),
            hours=sorted(hours.items()),
        )
        self.state = verdict.state
        freed = [time for time in self.pending if time <= verdict.free_to_ms]
        undecided = [time for time in freed if time > self.state.accepted_to_ms]
        for time in undecided:
            assert self.now - time >= self.rules.grace_s * 1_000  # rule 1
            if self.state.held_from_ms is not None and time >= self.state.held_from_ms:
                assert self.now - time >= HOLD_MS  # rule 3
        # Never a mass within a day without 7 days or the user's word in between.
        young = [time for time in undecided if self.now - time < HOLD_MS]
        self.gone_today = [time for time in self.gone_today if time > self.now - DAY_MS]
        total = len(young) + len([time for time in self.gone_today if time > self.ever_decided])
        if young and min(young) > self.now - DAY_MS:
            assert total <= 1_000
        self.gone_today += young
        self.pending = [time for time in self.pending if time > verdict.free_to_ms]
        self.state = carried_out(self.state, freed)
        self.verdict = verdict

    @invariant()
    def someone_looks_again(self) -> None:
        """As long as anything waits there is a time at which it is looked at, or it would wait for ever."""
        if self.verdict is not None and self.pending:
            assert self.verdict.next_ms is not None
            assert self.verdict.next_ms > self.now - 1


TestRemoving = Removing.TestCase
TestRemoving.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


def test_the_users_word_on_what_is_still_held() -> None:
    state = decide(RemovalsState(), Decision.REJECT, now_ms=10)
    state = decide(state, Decision.ACCEPT, now_ms=20)
    assert [state.word_on(at) for at in (10, 11, 20, 21)] == [Decision.REJECT, Decision.ACCEPT, Decision.ACCEPT, None]
