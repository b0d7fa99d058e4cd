"""Joining at a real terminal: everything is said, asked and kept, and a second time nothing happens."""

from __future__ import annotations

import os

import pytest

from pincrew.errors import DaemonNotRunning
from pincrew.settings_files import load_cluster, load_node
from support.machines import LISTEN, Crew, command, until
from support.typist import Terminal

pytestmark = pytest.mark.slow


def test_a_volunteer_joins_at_a_terminal(crew: Crew) -> None:
    curator, follower = crew.machine("curator"), crew.machine("follower")
    made = curator.create("archive", "--description", "Old films, free to share", node="embedded")
    ready = curator.serve("archive", "--publish", "127.0.0.1:0")
    (curator.folder / "film.bin").write_bytes(os.urandom(2_000_000))
    curator.run("add", "film.bin")
    curator.client.publish("archive")
    words = command("follow", f"{ready['publish']}#{made['id']}", "--listen", LISTEN, "--ipfs", "embedded")
    environment = {**follower.environment, "NO_COLOR": "1"}

    regretted = Terminal(words, environment=environment, folder=follower.folder)
    regretted.until("hold here")
    regretted.interrupt()
    assert regretted.end() == 130
    assert not follower.home.joined()
    with pytest.raises(DaemonNotRunning):
        follower.client.daemon()

    terminal = Terminal(words, environment=environment, folder=follower.folder)
    answers = (("hold here", "20GB"), ("fetch a second", ""), ("send a second", "5MB"), ("others see", "Ana's cellar"))
    for question, answer in answers:
        terminal.until(question)
        terminal.type(answer)
    screen = terminal.shown
    terminal.until("Join? [Y/n]")
    terminal.type("")
    terminal.until("✓ complete")  # the terminal view has opened
    terminal.press("q")
    assert terminal.end() == 0
    follower.adopt()
    joined = " ".join(screen.split())
    for said in (
        "Old films, free to share",
        "2.00 MB (size known for 100 %)",
        "Who decides 1 curator: …",
        "They can add and remove pins",
        "They can not run commands",
        "Others will see your IP address, peer id and IPFS node's id",
        "are free where it stores",
        "reached: 1 of 1 curator",
    ):
        assert said in joined, screen
    assert max(len(line) for line in screen.splitlines() if str(follower.folder) not in line) <= 80
    assert "Following goes on in the background" in terminal.shown
    local = load_cluster(follower.home.cluster("archive").settings)
    assert (local.limit, local.peer_name) == (20 * 10**9, "Ana's cellar")
    assert (follower.client.network().upload, follower.client.network().download) == (5 * 10**6, None)
    until(lambda: load_node(follower.home.node.settings).upload_limit == 5 * 10**6, "the node keeps to it")
    assert load_node(follower.home.node.settings).storage_limit == 20 * 10**9
    again = Terminal(words, environment=environment | {"PINCREW_PLAIN": "1"}, folder=follower.folder)
    assert again.end() == 0
    assert "was followed already" in again.shown and "Join?" not in again.shown
