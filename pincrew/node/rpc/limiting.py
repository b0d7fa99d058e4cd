"""What Kubo does not have: what the node may take of this machine, shown and changed while it runs."""

from __future__ import annotations

from pincrew.errors import Misuse
from pincrew.limits import SILENCE_S_MAX
from pincrew.node.rpc.arguments import Form
from pincrew.node.rpc.call import Call, Command
from pincrew.settings_files import with_texts

# The options, and which settings they are.
_SETTINGS = {
    "storage": "storage_limit",
    "upload": "upload_limit",
    "download": "download_limit",
    "connections": "connections",
}


async def limits(call: Call) -> None:
    """`pincrew/limits`: with options (`200GB`, `none`) it sets them, for good; it answers with what holds then.

    Bytes and bytes a second; null is no limit.
    """
    given = {setting: call.arguments.text(option) for option, setting in _SETTINGS.items()}
    texts = {setting: text for setting, text in given.items() if text}
    if texts:
        await call.node.set_limits(with_texts(call.node.settings, texts))
    now = call.node.settings
    await call.answer.one({option.capitalize(): getattr(now, setting) for option, setting in _SETTINGS.items()})


async def silence(call: Call) -> None:
    """`pincrew/silence`: serve no other node for so many seconds from now; 0 ends that. It holds until a restart."""
    text = call.arguments.text("seconds")
    if not (text.isascii() and text.isdigit()) or int(text[:9]) > SILENCE_S_MAX:
        raise Misuse(f"{text[:40]!r} is no time to be silent", next_step=f"Write seconds, 0 to {SILENCE_S_MAX:.0f}")
    call.node.be_silent(int(text))
    await call.answer.one({"Seconds": int(text)})


COMMANDS = {"pincrew/limits": Command(Form(), limits), "pincrew/silence": Command(Form(), silence)}
