"""Which IPFS node a cluster gets: asked where only a person can know, and told in words."""

from __future__ import annotations

import sys

from pincrew.cli.invocation import Invocation
from pincrew.cli.prompts import agree
from pincrew.join_words import OWN_NODE
from pincrew.node_address import NodeKind
from pincrew.node_choice import Choice, choose
from pincrew.settings import Settings


def chosen(invocation: Invocation, wanted: str, settings: Settings, *, is_agreed: bool) -> Choice:
    """Return the node for a new cluster. ``is_agreed``: nothing is asked, and a Kubo that does not answer awaited."""
    choice = choose(wanted, settings, invocation.environment)
    if choice.silent is None:
        return choice
    told = f"There is an IPFS repository in {choice.silent}, and its Kubo does not answer."
    if is_agreed:
        invocation.output.say(f"{told} It will be waited for; `--ipfs embedded` uses pincrew's own node instead.")
        return choice
    invocation.output.say(told)
    question = "  Use that one, once it is started? (n: pincrew's own node)"
    if agree(invocation, question, is_agreed=False, default=True):
        return choice
    return Choice(NodeKind.EMBEDDED.value)


def can_ask(invocation: Invocation) -> bool:
    """Whether there is somebody to ask."""
    return not invocation.output.is_json and sys.stdin.isatty() and sys.stderr.isatty()


def described(choice: Choice, settings: Settings) -> str:
    """Say which node will be used, and what that means."""
    wanted = choice.ipfs or settings.ipfs
    if wanted == NodeKind.EMBEDDED:
        return OWN_NODE
    if choice.version is not None:
        return f"your Kubo {choice.version} at {choice.address}"
    if choice.silent is not None:
        return f"your Kubo in {choice.silent}, once it is started"
    if wanted == NodeKind.KUBO:
        return "your Kubo, wherever it answers"
    return f"the one at {wanted}"
