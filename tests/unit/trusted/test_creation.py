"""Making a cluster: complete or not at all."""

from __future__ import annotations

import itertools
import os
import stat
from pathlib import Path

import pytest
from pincrew.trusted import creation
from pincrew.trusted.creation import create

from pincrew.config_document import parse
from pincrew.errors import Conflict, Misuse, StoreFault
from pincrew.identity import load_key, load_secret
from pincrew.keys import peer_id
from pincrew.paths import Home
from pincrew.settings import Role
from pincrew.settings_files import load_cluster


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def test_a_cluster_has_everything_that_it_needs(home: Home) -> None:
    made = create(home, "My Archive", now_s=1_700_000_000, description="Things", listen=["/ip4/127.0.0.1/tcp/4101"])
    assert made.name == "my-archive"
    document = parse(made.paths.config.read_bytes())
    identity, owner = load_key(made.paths.identity), load_key(made.owner_key)
    assert document.cluster_id == made.cluster_id
    assert (document.name, document.description, document.revision) == ("My Archive", "Things", 0)
    assert document.trust.owners == {owner.public}
    assert document.trust.curators == {identity.public}
    assert document.trust.keeper == identity.public
    assert document.trust.genesis.is_open
    assert made.peer_id == peer_id(identity.public)
    settings = load_cluster(made.paths.settings)
    assert settings.cluster_id == made.cluster_id.hex()
    assert settings.role is Role.CURATOR
    assert settings.listen == ("/ip4/127.0.0.1/tcp/4101",)
    assert not made.paths.secret.exists()


def test_two_clusters_of_the_same_keys_and_name_differ(home: Home) -> None:
    count = itertools.count()
    made = []
    for name in ("one", "two"):
        keys = iter([b"o" * 32, b"c" * 32])
        made.append(
            create(home, name, now_s=0, random=lambda n, keys=keys: next(keys, next(count).to_bytes(n)))  # type: ignore[misc]
        )
    assert made[0].peer_id == made[1].peer_id
    assert made[0].cluster_id != made[1].cluster_id


def test_a_free_port_is_chosen_and_stored(home: Home) -> None:
    made = create(home, "crew", now_s=0)
    assert made.listen == load_cluster(made.paths.settings).listen
    assert made.listen[0].startswith("/ip4/0.0.0.0/tcp/")
    assert not made.listen[0].endswith("/0")


def test_announced_addresses_stand_in_the_document(home: Home) -> None:
    made = create(home, "crew", now_s=0, announce=["/ip4/203.0.113.7/tcp/4001"])
    assert parse(made.paths.config.read_bytes()).peers == (f"/ip4/203.0.113.7/tcp/4001/p2p/{made.peer_id}",)


def test_a_closed_cluster_has_a_key_that_is_not_in_its_document(home: Home) -> None:
    made = create(home, "crew", now_s=0, is_closed=True)
    assert made.secret == made.paths.secret
    document = parse(made.paths.config.read_bytes())
    assert not document.trust.genesis.is_open
    assert document.secret is None
    assert load_secret(made.paths.secret).hex() not in made.paths.config.read_text()


def test_nobody_else_can_read_any_of_it(home: Home) -> None:
    made = create(home, "crew", now_s=0, is_closed=True)
    for path in made.paths.folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for folder in (made.paths.folder, home.clusters, home.root):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_name_in_use_is_refused_and_its_keys_are_left(home: Home) -> None:
    made = create(home, "crew", now_s=0)
    before = made.paths.identity.read_bytes()
    with pytest.raises(Conflict, match="already a cluster 'crew'"):
        create(home, "Crew", now_s=0)
    assert made.paths.identity.read_bytes() == before


def test_an_empty_folder_of_that_name_is_not_taken_over(home: Home) -> None:
    home.cluster("crew").folder.mkdir(parents=True)
    with pytest.raises(Conflict):
        create(home, "crew", now_s=0)


def test_a_folder_that_appears_meanwhile_wins(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def save_slowly(*_: object) -> None:
        home.cluster("crew").folder.mkdir()
        home.cluster("crew").identity.write_bytes(b"theirs")

    monkeypatch.setattr(creation, "save", save_slowly)
    with pytest.raises(Conflict):
        create(home, "crew", now_s=0)
    assert home.cluster("crew").identity.read_bytes() == b"theirs"


@pytest.mark.parametrize("options", [{"listen": ["nonsense"]}, {"announce": ["/ip4/0.0.0.0/tcp/1"]}])
def test_a_wrong_option_leaves_nothing(home: Home, options: dict[str, list[str]]) -> None:
    with pytest.raises(Misuse):
        create(home, "crew", now_s=0, **options)  # type: ignore[arg-type]
    assert not home.clusters.exists()


def test_a_name_without_letters_is_refused(home: Home) -> None:
    with pytest.raises(Misuse, match="no letter or digit"):
        create(home, "***", now_s=0)


@pytest.mark.parametrize("failing", ["create_key", "write_file", "save", "sync_folder", "render"])
def test_a_failure_at_any_step_leaves_nothing_or_the_whole(
    home: Home, failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, os.strerror(28)) if failing == "sync_folder" else StoreFault("disk full")

    with monkeypatch.context() as patched:
        patched.setattr(creation, failing, fail)
        with pytest.raises((StoreFault, Conflict)):
            create(home, "crew", now_s=0)
    found = [path.name for path in home.clusters.iterdir()]
    assert found == (["crew"] if failing == "sync_folder" else [])
    if not found:
        assert create(home, "crew", now_s=0).name == "crew"


def test_what_a_crash_left_is_cleared(home: Home) -> None:
    rest = home.clusters / ".new-crew"
    rest.mkdir(parents=True)
    (rest / "owner.key").write_bytes(b"half")
    made = create(home, "crew", now_s=0)
    assert sorted(path.name for path in home.clusters.iterdir()) == ["crew"]
    assert load_key(made.owner_key)
