"""The same words to ipfs-cluster-follow 1.1.6 and to ours: the same lines on the same stream, the same exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.ipfs_cluster import NO_IPFS_CLUSTER, find_ipfs_cluster

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.ipfs_cluster]
OURS = [sys.executable, "-P", "-m", "pincrew.cli.cluster_follow"]


@pytest.fixture
def theirs() -> str:
    service = find_ipfs_cluster()
    program = None if service is None else service.with_name("ipfs-cluster-follow")
    if program is None or not program.exists():
        pytest.skip(NO_IPFS_CLUSTER)
    return str(program)


def said(program: list[str], folder: Path, *words: str) -> tuple[int, list[str], list[str]]:
    """Return what is told apart from spaces at the ends of lines, which nobody sees."""
    done = subprocess.run(
        [*program, *words],
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "PINCREW_HOME": str(folder / "pincrew")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    out, err = ([line.rstrip() for line in text.splitlines()] for text in (done.stdout, done.stderr))
    return done.returncode, out, err


@pytest.mark.parametrize("words", ["", "x", "x info", "x list", "x run", "x init"])
def test_where_nothing_is_initialized(theirs: str, tmp_path: Path, words: str) -> None:
    assert said(OURS, tmp_path, *words.split()) == said([theirs], tmp_path, *words.split())


def test_where_something_is(theirs: str, tmp_path: Path) -> None:
    """Theirs takes any source; ours is given a folder as a join leaves it."""
    said([theirs], tmp_path, "x", "init", "http://127.0.0.1:1/c.json")
    ours = tmp_path / "pincrew" / "clusters" / "x"
    ours.mkdir(parents=True)
    (ours / "cluster.toml").write_text(f'cluster_id = "{"ab" * 32}"\nsource = "http://127.0.0.1:1/c.json"\n')
    assert said(OURS, tmp_path) == said([theirs], tmp_path)
    again, expected = (
        said(program, tmp_path, "x", "init", "http://127.0.0.1:1/c.json") for program in (OURS, [theirs])
    )
    assert again[0] == expected[0]
    assert again[2][0] == expected[2][0]
    assert again[2][1].startswith(expected[2][1].replace(str(tmp_path / ".ipfs-cluster-follow" / "x"), str(ours)))
    info, their_info = said(OURS, tmp_path, "x", "info"), said([theirs], tmp_path, "x", "info")
    assert info[0] == their_info[0]
    assert [line.partition(":")[0] for line in info[1]] == [line.partition(":")[0] for line in their_info[1]]
    assert info[1][4:] == their_info[1][4:]
