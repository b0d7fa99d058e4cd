"""One call of a command: what was asked for, the node, and where the answer goes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from pincrew.cid import cid_text
from pincrew.errors import NotFound
from pincrew.node.answering import Answer
from pincrew.node.contract import NodeDoor
from pincrew.node.reading import resolve
from pincrew.node.rpc.arguments import Arguments, Form, Path, Refused
from pincrew.node.rpc.multipart_body import MultipartBody

# Kubo's words for a block that would have to come from the network; its CID follows.
NOT_HERE = "block was not found locally (offline): ipld: could not find"


class Call:
    """What a command works with."""

    def __init__(
        self, node: NodeDoor, arguments: Arguments, answer: Answer, body: AsyncIterator[bytes], content_type: str
    ) -> None:
        self.node = node
        self.arguments = arguments
        self.answer = answer
        self.offline = arguments.flag("offline")
        self._body = body
        self._content_type = content_type

    async def get(self, cid: bytes) -> bytes:
        """Return a block; of the node's own alone where the caller wants that."""
        if not self.offline:
            return await self.node.get(cid)
        try:
            return await self.node.get(cid, offline=True)
        except NotFound as error:
            raise Refused(f"{NOT_HERE} {cid_text(cid)}") from error

    async def resolve(self, path: Path) -> bytes:
        """Return the CID of the block that ``path`` leads to."""
        found = await resolve(self.get, path.cid, path.below)
        if found.rest:
            raise Refused(f"{path.text} leads into a block: there is no CID at its end")
        return found.cid

    def files(self) -> MultipartBody:
        """Return the files that come with the request."""
        return MultipartBody(self._body, self._content_type)


@dataclass(frozen=True, slots=True)
class Command:
    """A command: the form of its requests, what it does, and what Kubo says when the time is up."""

    form: Form
    run: Callable[[Call], Awaitable[None]]
    late: str = "context deadline exceeded"
