"""What somebody can do about pins that are in error or skipped, for each cause in `tracker`. Pure."""

from __future__ import annotations

from pincrew import tracker

_FETCHED_AGAIN = "nothing: it is fetched again by itself"
_STEPS = {
    tracker.NO_PROVIDER: "nothing at first: it is tried again. Where it stays, tell a curator that nobody has it",
    tracker.STALLED: "nothing at first: it is tried again and goes on where it was. See `pincrew peers`",
    tracker.REFUSED: "look at the IPFS node and its log, then `pincrew retry --all-errors`",
    tracker.VANISHED: _FETCHED_AGAIN,
    tracker.DAMAGED: _FETCHED_AGAIN + ". If it happens again, look at the disk: `pincrew doctor`",
    tracker.NO_ROOM: "give it more room with `pincrew limits --limit SIZE`, or free some of the volume",
    tracker.LARGER_THAN_SAID: "give it more room with `pincrew limits --limit SIZE`",
    tracker.DENIED: "nothing, or take it off your denylist",
    tracker.SKIPPED_BY_USER: "nothing, or `pincrew skip --undo CID`",
    tracker.NOT_PART: "nothing: others keep it. `pincrew next CID` has it kept here too",
}
_OTHERWISE = "`pincrew doctor` looks for what is wrong; then `pincrew retry --all-errors`"


def next_step(cause: str) -> str:
    """Return what to do about pins with this cause."""
    for known, step in _STEPS.items():
        # What stands before the particulars of a case.
        begin, particular, _ = known.partition("{")
        if cause.startswith(begin) if particular else cause == known:
            return step
    return _OTHERWISE
