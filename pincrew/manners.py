"""What a neighbour says on its sync stream that nobody needs: pure accounting, one for each stream.

Sync needs few frames that were not asked for: where a peer stands, its heads and its announcements, about once a
second each. Questions may come by the thousand, for that is how a list is fetched; but each is asked once, and of what
there is. Everything else is counted, questions several times, for they cost an answer; and who sends it by the hundred
a second is cut off (``pincrew.network.flood``).
Pages and blobs that were not asked for are no matter of manners: sync blames who sends them. The proof of a fork is
never asked for, and counts.
"""

from __future__ import annotations

from pincrew import limits
from pincrew.frames import Absent, BaseWant, Blob, BlobWant, Frame, Page, TrustWant, Want
from pincrew.values import SessionId


class Manners:
    """Which frames of one neighbour are needless. What is remembered of it is bounded by what there is to ask for."""

    def __init__(self) -> None:
        self._pages: dict[SessionId, int] = {}
        self._blobs: dict[bytes, int] = {}

    def weight(self, frame: Frame, answer: Page | Blob | None = None, *, is_awaited: bool = False) -> int:
        """Return how much a frame counts as needless; 0: not at all.

        ``answer`` is the part of the list that it was answered with, ``is_awaited`` whether it is the answer to a want.
        """
        match frame:
            case Page() | Blob():
                return 0
            case Want(session, after):
                is_new = isinstance(answer, Page) and after > self._pages.get(session, -1)
                if is_new:
                    self._pages[session] = after
            case BlobWant(name, offset):
                is_new = isinstance(answer, Blob) and answer.size > 0 and offset > self._blobs.get(name, -1)
                if is_new:
                    if len(self._blobs) >= limits.BLOBS_REMEMBERED_MAX:
                        self._blobs.clear()  # several bases later
                    self._blobs[name] = offset
            case TrustWant() | BaseWant():
                is_new = False
            case Absent():
                return int(not is_awaited)
            case _:
                return 1
        return 0 if is_new else limits.NEEDLESS_QUESTION_WEIGHT
