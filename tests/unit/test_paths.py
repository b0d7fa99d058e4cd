"""Names, folders and sockets."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pincrew.errors import Misuse, StoreFault
from pincrew.limits import CLUSTER_NAME_BYTES_MAX, SOCKET_PATH_BYTES_MAX
from pincrew.paths import Home, cluster_name, socket_path


def test_the_home_is_where_the_environment_says() -> None:
    assert Home.of({"PINCREW_HOME": "/srv/crew"}).root == Path("/srv/crew")
    assert Home.of({"PINCREW_HOME": "crew"}).root == Path.cwd() / "crew"
    assert Home.of({"PINCREW_HOME": ""}).root == Home.of({}).root
    assert Home.of({}).root.name == "pincrew"


def test_every_path_is_below_the_home() -> None:
    home = Home(Path("/h"))
    crew = home.cluster("crew")
    assert crew.name == "crew"
    assert home.settings == Path("/h/settings.toml")
    assert [home.daemon_lock.name, home.daemon_log.name, home.holdings.name] == [
        "daemon.lock",
        "daemon.log",
        "holdings.db",
    ]
    names = [
        path.name
        for path in (
            crew.settings,
            crew.config,
            crew.identity,
            crew.owner,
            crew.secret,
            crew.state,
        )
    ]
    assert names == ["cluster.toml", "config.toml", "identity.key", "owner.key", "secret.key", "state.db"]
    assert crew.folder == Path("/h/clusters/crew")
    assert home.node.settings == Path("/h/node/node.toml")
    assert home.node.rpc_socket({}) == Path("/h/node/rpc.sock")
    assert home.daemon_socket({}) == Path("/h/daemon.sock")
    assert home.cluster("books").api_socket({}) == Path("/h/clusters/books/api-socket")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("crew", "crew"),
        ("My Archive!", "my-archive"),
        ("../../etc/passwd", "etc-passwd"),
        (".hidden", "hidden"),
        ("Über-Größe", "uber-groe"),
        ("a/b\\c\0d", "a-b-c-d"),
        ("v1.2_x", "v1.2_x"),
        ("x" * 200, "x" * 64),
    ],
)
def test_names_are_made_fit_for_a_folder(text: str, name: str) -> None:
    assert cluster_name(text) == name


@given(st.text(max_size=300))
def test_any_text_becomes_a_harmless_folder_or_is_refused(text: str) -> None:
    name = cluster_name(text, "fallback")
    assert name == cluster_name(name)
    assert 0 < len(name.encode()) <= CLUSTER_NAME_BYTES_MAX
    assert not set(name) & set("/\\\0: ")
    assert not name.startswith((".", "-"))
    assert Home(Path("/h")).cluster(name).folder.parent == Path("/h/clusters")


def test_a_name_of_nothing_is_refused() -> None:
    with pytest.raises(Misuse):
        cluster_name("***")
    with pytest.raises(Misuse):
        Home(Path("/h")).cluster("../x")


def test_a_folder_counts_when_it_has_its_settings(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert home.joined() == []
    for name in ("b", "a", "unfinished", ".new-c"):
        home.clusters.joinpath(name).mkdir(parents=True)
    for name in ("b", "a", ".new-c"):
        home.clusters.joinpath(name, "cluster.toml").touch()
    assert [paths.name for paths in home.joined()] == ["a", "b"]


LONG = Path("/" + "x" * 120 + "/daemon.sock")


def test_a_socket_stays_where_it_fits() -> None:
    fitting = Path("/" + "x" * (SOCKET_PATH_BYTES_MAX - 6) + "/sock")
    assert len(os.fsencode(fitting)) == SOCKET_PATH_BYTES_MAX
    assert socket_path(fitting, {}) == fitting
    assert socket_path(fitting.with_name("sockx"), {}) != fitting.with_name("sockx")


def test_bytes_count_and_not_letters() -> None:
    wide = Path("/" + "ü" * 60 + "/s")
    assert socket_path(wide, {}) != wide


def test_a_long_socket_goes_to_the_runtime_folder(short_path: Path) -> None:
    environment = {"XDG_RUNTIME_DIR": str(short_path)}
    found = socket_path(LONG, environment)
    assert found.parent == short_path
    assert found == socket_path(LONG, environment)
    assert found != socket_path(Path("/" + "y" * 120 + "/daemon.sock"), environment)
    assert found != socket_path(LONG.with_name("api-socket"), environment)


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder whose sockets fit; pytest's own carry the test's name and do not always."""
    with tempfile.TemporaryDirectory(prefix="pc-") as folder:
        yield Path(folder)


@pytest.mark.parametrize("runtime", ["", "relative", "/does/not/exist"])
def test_without_a_runtime_folder_it_goes_to_a_private_one(short_path: Path, runtime: str) -> None:
    environment = {"XDG_RUNTIME_DIR": runtime, "TMPDIR": str(short_path)}
    found = socket_path(LONG, environment)
    assert found.parent == short_path / f"pincrew-{os.getuid()}"
    assert stat.S_IMODE(found.parent.stat().st_mode) == 0o700
    assert found == socket_path(LONG, environment)


def test_a_private_folder_made_by_somebody_else_is_refused(short_path: Path) -> None:
    (short_path / f"pincrew-{os.getuid()}").mkdir(mode=0o755)
    (short_path / f"pincrew-{os.getuid()}").chmod(0o777)
    with pytest.raises(StoreFault, match="Somebody else"):
        socket_path(LONG, {"TMPDIR": str(short_path)})


def test_every_socket_path_fits() -> None:
    environment = {"XDG_RUNTIME_DIR": "/" + "r" * 200, "TMPDIR": "/" + "t" * 200}
    assert len(os.fsencode(socket_path(LONG, environment))) <= SOCKET_PATH_BYTES_MAX
