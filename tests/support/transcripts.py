"""The transcripts in docs/volunteer.md and docs/curator.md: a real crew plays them, and the pages get what was shown.

    PYTHONPATH=tests python -m support.transcripts       plays everything and rewrites both pages

A block of a page begins after a line `<!-- transcript: NAME -->` and ends with the fence that closes it. Folders
are named as on anybody's machine; ids, ports, sizes of disks and times are those of the last run.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from pincrew.api.client import Client
from pincrew.files import private_folder
from pincrew.kubo_process import KuboProcess, find_kubo
from pincrew.paths import Home
from pincrew.settings import NodeSettings
from pincrew.settings_files import save
from support.kubo_process import running_kubo
from support.machines import LISTEN, Crew, Machine, command, crew_in, free_port, until
from support.typist import Terminal

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = ("volunteer.md", "curator.md")
_BLOCK = re.compile(r"(<!-- transcript: ([a-z-]+) -->\n```console\n)(.*?)(```\n)", re.DOTALL)
_COLUMNS = 100
_FILES, _FILE_BYTES = 40, 5_000_000


class User:
    """Somebody whose machine was never used for pincrew, at a terminal of it."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        user = machine.folder / "user"
        machine.environment |= {"NO_COLOR": "1", "TERM": "dumb", "PINCREW_HOME": str(user / ".local/share/pincrew")}
        machine.home = Home(user / ".local" / "share" / "pincrew")
        machine.client = Client(machine.home.daemon_socket(machine.environment))
        for folder in (machine.home.root, machine.home.node.folder):
            private_folder(folder)
        save(machine.home.node.settings, NodeSettings(listen=(f"/ip4/127.0.0.1/tcp/{free_port()}",)))
        self._folder = user
        self._shown: list[str] = []

    def type(self, line: str, *answers: tuple[str, str], hidden: Sequence[str] = ()) -> None:
        """Type a command and answer its questions. ``hidden`` are words that only this machine needs."""
        terminal = Terminal(
            command(*shlex.split(line)[1:], *hidden),
            environment=self.machine.environment,
            folder=self._folder,
            columns=_COLUMNS,
        )
        for question, answer in answers:
            terminal.until(question)
            terminal.type(answer)
        terminal.end()
        self.machine.adopt()
        self._shown.append(f"$ {line}\n{terminal.shown.rstrip()}\n")

    def said(self) -> str:
        """Return what was shown since this was asked last."""
        text, self._shown = "\n".join(self._shown), []
        text = text.replace(str(self._folder), f"/home/{self.machine.name}").replace("\x07", "")
        text = re.sub(r"/tmp/[^\s/]*/[^\s:]*daemon\.sock", "daemon.sock", text)
        return re.sub(r"[ \t]+\n", "\n", text)


def play(crew: Crew, kubo: KuboProcess) -> Iterator[tuple[str, str]]:
    """Play it all; yield each transcript. The curator has pincrew's own node; so has ana, and ben has a Kubo."""
    mara, ana, ben = (User(crew.machine(name)) for name in ("mara", "ana", "ben"))
    folder = mara.machine.folder / "user" / "films"
    folder.mkdir()
    for number in range(_FILES):
        (folder / f"reel-{number:02}.mkv").write_bytes(os.urandom(_FILE_BYTES))

    mara.type(
        "pincrew create films --description 'Films whose rights have ended'",
        hidden=("--listen", LISTEN, "--ipfs", "embedded"),
    )
    yield "create", mara.said()
    ready = mara.machine.serve("films", "--publish", "127.0.0.1:0")
    yield "serve", "$ pincrew serve films --publish 127.0.0.1:0\nready films " + _ready_line(ready) + "\n"
    mara.type("pincrew add films/reel-00.mkv --name 'Nosferatu (1922)'")
    yield "add", mara.said()
    rest = sorted(path.name for path in folder.iterdir())[1:]
    mara.machine.run("add", *(str(folder / name) for name in rest))
    mara.type("pincrew publish")
    yield "publish", mara.said()
    cluster_id = mara.machine.json("publish")["follow"].rpartition("#")[2]
    source = f"{ready['publish']}#{cluster_id}"

    ana.type(
        f"pincrew follow {source}",
        ("hold here", "150MB"),
        ("fetch a second", ""),
        ("send a second", ""),
        ("others see", "Ana's cellar"),
        ("Join?", ""),
        hidden=("--listen", LISTEN, "--ipfs", "embedded"),
    )
    yield "join", ana.said()
    ana.machine.until_state("films", "full", 120)
    ana.type("pincrew status")
    ana.type("pincrew limits")
    yield "full", ana.said()
    ana.type("pincrew limits --limit 500MB")
    ana.machine.until_state("films", "complete", 120)
    ana.type("pincrew status")
    yield "more-room", ana.said()
    ben.type(f"pincrew follow {source} --yes --limit 10GB --wait", hidden=("--listen", LISTEN, "--ipfs", kubo.url))
    yield "join-kubo", ben.said()
    ana.type("pincrew pause --for 2h")
    ana.machine.until_state("films", "paused")
    ana.type("pincrew status")
    ana.type("pincrew resume")
    yield "pause", ana.said()
    ana.machine.until_state("films", "complete")
    until(
        lambda: {each["pins"] for each in mara.machine.json_lines("peers")} == {_FILES}, "both say that they have all"
    )
    mara.type("pincrew peers")
    mara.type("pincrew status")
    yield "crew", mara.said()

    gone = [line["cid"] for line in mara.machine.json_lines("pins") if line["name"] != "Nosferatu (1922)"][:30]
    mara.machine.run("pin", "rm", *gone)
    ana.machine.until_state("films", "consent")
    ana.type("pincrew status")
    ana.type("pincrew removals show")
    ana.type("pincrew removals reject", ("?", "y"))
    yield "mass-removal", ana.said()
    ben.machine.until_state("films", "consent")
    ben.type("pincrew removals accept", ("?", "y"))
    yield "mass-removal-accepted", ben.said()

    ana.type("pincrew doctor")
    yield "doctor", ana.said()
    ana.type("pincrew leave --dry-run")
    ana.type("pincrew leave", ("?", "y"))
    yield "leave", ana.said()


def _ready_line(fields: dict[str, str]) -> str:
    line = " ".join(f"{key}={value}" for key, value in fields.items())
    return re.sub(r"/tmp/\S*daemon\.sock", "/run/user/1000/pincrew/daemon.sock", line)


def blocks(page: str) -> dict[str, str]:
    """Return the transcripts of a page's text."""
    return {match[2]: match[3] for match in _BLOCK.finditer(page)}


def filled(page: str, transcripts: dict[str, str]) -> str:
    """Return a page's text with its transcripts as they were played."""
    return _BLOCK.sub(lambda match: f"{match[1]}{transcripts[match[2]]}{match[4]}", page)


def played(kubo_program: Path) -> dict[str, str]:
    """Play in an empty folder with a short name, since lines are broken by its length; return all transcripts."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with crew_in(folder) as crew, running_kubo(kubo_program, folder / "kubo") as kubo:
            return dict(play(crew, kubo))


def main() -> int:
    """Rewrite both pages."""
    program = find_kubo(os.environ)
    if program is None:
        print("there is no Kubo: packaging/dev/get-kubo.sh builds one", file=sys.stderr)
        return 1
    transcripts = played(program)
    for name in PAGES:
        page = DOCS / name
        page.write_text(filled(page.read_text(), transcripts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
