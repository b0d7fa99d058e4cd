"""docs/terminal-view.md shows the view as it is now."""

from __future__ import annotations

from support.pictures import PAGE, PICTURES, STEPS, frames, kept_frames, page


async def test_the_walk_in_the_docs_is_the_view_of_today() -> None:
    kept = kept_frames()
    assert len(kept) == len(STEPS)
    walked = [each async for each in frames(kept)]
    assert page(walked) == PAGE.read_text(), "look at it, then: PYTHONPATH=tests python -m support.pictures"
    assert {path.stem for path in PICTURES.glob("*.svg")} == {step.name for step in STEPS}
