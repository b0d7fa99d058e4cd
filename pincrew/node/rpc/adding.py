"""`add`: files and folders out of a multipart body into the node."""

from __future__ import annotations

from pincrew.cid import cid_text
from pincrew.limits import ADD_LINES_BYTES_MAX
from pincrew.node import importing
from pincrew.node.answering import printable
from pincrew.node.chunking import chunking_of
from pincrew.node.importing import Added, AddOptions, Progress
from pincrew.node.layout import Block
from pincrew.node.multihash import SHA2_256_NAME
from pincrew.node.rpc.arguments import Form, Refused
from pincrew.node.rpc.call import Call, Command
from pincrew.node.rpc.entries import Entries

_UNSUPPORTED = (
    "nocopy", "fscache", "inline", "preserve-mode", "preserve-mtime", "mode", "mtime", "to-files",
    "max-file-links", "max-directory-links", "max-hamt-fanout",
)  # fmt: skip


async def add(call: Call) -> None:
    """`add`: a line for everything that was added, what stands at the top last.

    Lines wait for clients that read nothing before they have sent everything, up to ADD_LINES_BYTES_MAX.
    """
    arguments = call.arguments
    options = _options(call)
    shows_progress = arguments.flag("progress")
    call.answer.waiting_bytes_max = ADD_LINES_BYTES_MAX

    async def report(what: Added | Progress) -> None:
        if isinstance(what, Added):
            name, cid = printable(what.name), cid_text(what.cid)
            await call.answer.line({"Name": name, "Hash": cid, "Size": str(what.size)})
        elif shows_progress:
            await call.answer.line({"Name": printable(what.name), "Bytes": what.bytes_read})

    entries = Entries(call.files())
    if arguments.flag("only-hash"):
        await importing.add(entries, options, _forget, report)
    else:
        pin, name = arguments.flag("pin", default=True), arguments.text("pin-name")
        await call.node.add(entries, options, report, pin=pin, name=name)


def _options(call: Call) -> AddOptions:
    arguments = call.arguments
    hash_name = arguments.text("hash").lower() or SHA2_256_NAME
    # As Kubo: whoever wants another hash function and says no version wants the one that can have it.
    version = arguments.number("cid-version", 0 if hash_name == SHA2_256_NAME else 1)
    if version not in (0, 1):
        raise Refused(f"unknown CID version: {version}")
    return AddOptions(
        cid_version=version,
        raw_leaves=arguments.flag("raw-leaves") if arguments.text("raw-leaves") else None,
        chunking=chunking_of(arguments.text("chunker")),
        wrap=arguments.flag("wrap-with-directory"),
        trickle=arguments.flag("trickle"),
        hash_name=hash_name,
    )


async def _forget(_: list[Block]) -> None:
    """Take blocks of which only the hashes are wanted."""


COMMANDS = {
    "add": Command(
        Form(
            takes_files=True,
            short={
                "r": "recursive",
                "w": "wrap-with-directory",
                "n": "only-hash",
                "s": "chunker",
                "p": "progress",
                "t": "trickle",
            },
            unsupported=_UNSUPPORTED,
        ),
        add,
    )
}
