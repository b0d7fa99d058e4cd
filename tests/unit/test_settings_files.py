"""Settings in files and in the environment: defaults < file < environment."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest

from pincrew.errors import Misuse, NewerStore, NotFound, StoreFault
from pincrew.paths import Home
from pincrew.settings import ClusterSettings, Role, Settings, tags_of
from pincrew.settings_files import (
    cluster_in_force,
    environment_names,
    find_cluster,
    load_cluster,
    load_settings,
    save,
)

ID = "ab" * 32


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_passwords_are_kept_and_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "cluster.toml"
    save(path, ClusterSettings(cluster_id=ID, rest_users=("ana:hush:hush", "bo: ")))
    assert path.stat().st_mode & 0o077 == 0
    read = load_cluster(path)
    assert read.rest_users == ("ana:hush:hush", "bo: ") and "hush" not in repr(read) and "hush" not in str(read)


def test_without_a_file_all_is_default(tmp_path: Path) -> None:
    assert load_settings(tmp_path / "settings.toml", {}) == Settings()


def test_the_file_beats_the_default_and_the_environment_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "s.toml", 'unpin_grace = "90m"\npins_in_flight = 3\nmdns = false\nipfs = "auto"\n')
    read = load_settings(path, {})
    assert (read.unpin_grace, read.pins_in_flight, read.mdns) == (5400.0, 3, False)
    environment = {
        "PINCREW_UNPIN_GRACE": "2h",
        "PINCREW_PINS_IN_FLIGHT": "7",
        "PINCREW_MDNS": "Yes",
        "PINCREW_IPFS": "/ip4/127.0.0.1/tcp/5001",
        "PINCREW_LOG_LEVEL": "",
    }
    read = load_settings(path, environment)
    assert (read.unpin_grace, read.pins_in_flight, read.mdns) == (7200.0, 7, True)
    assert (read.ipfs, read.log_level) == ("/ip4/127.0.0.1/tcp/5001", "info")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("PINS_IN_FLIGHT", "-1"),
        ("PINS_IN_FLIGHT", "0"),
        ("PINS_IN_FLIGHT", "x"),
        ("MDNS", "maybe"),
        ("UNPIN_GRACE", "5"),
    ],
)
def test_what_is_wrong_in_the_environment_is_named(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(Misuse) as caught:
        load_settings(tmp_path / "s.toml", {f"PINCREW_{name}": text})
    assert caught.value.where == f"PINCREW_{name}"


def test_a_newer_file_says_to_upgrade(tmp_path: Path) -> None:
    with pytest.raises(NewerStore, match="Upgrade"):
        load_cluster(write(tmp_path / "c.toml", f'format = 2\ncluster_id = "{ID}"\nlater = 1\n'))


def test_a_clusters_settings_are_written_and_read(tmp_path: Path) -> None:
    tree = ClusterSettings(
        cluster_id=ID,
        role=Role.CURATOR,
        source="https://example.org/c.toml",
        listen=("/ip4/0.0.0.0/tcp/4001", "/ip6/::/tcp/4001"),
        obey=True,
    )
    save(tmp_path / "cluster.toml", tree)
    assert load_cluster(tmp_path / "cluster.toml") == tree
    assert "format = 1" in (tmp_path / "cluster.toml").read_text()
    assert "unlisted" not in (tmp_path / "cluster.toml").read_text()


def test_comments_survive_a_change(tmp_path: Path) -> None:
    path = write(tmp_path / "s.toml", '# mine\nunpin_grace = "1h" # short\n\n# below\npins_in_flight = 3\n')
    save(path, replace(load_settings(path, {}), unpin_grace=7200.0, pins_in_flight=10, mdns=False))
    assert path.read_text() == ('# mine\nunpin_grace = "2h" # short\n\n# below\npins_in_flight = 10\nmdns = false\n')


def test_settings_survive_being_written(tmp_path: Path) -> None:
    changed = Settings(ipfs="x", unpin_grace=90.5, pin_no_progress=86_400.0, mdns=False, pins_in_flight=2)
    save(tmp_path / "s.toml", changed)
    assert load_settings(tmp_path / "s.toml", {}) == changed


def test_damaged_settings_are_not_overwritten(tmp_path: Path) -> None:
    path = write(tmp_path / "s.toml", "x = ")
    with pytest.raises(Misuse):
        save(path, Settings())
    assert path.read_text() == "x = "


def test_a_cluster_without_settings_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        load_cluster(tmp_path / "cluster.toml")
    with pytest.raises(StoreFault, match="name no cluster"):
        load_cluster(write(tmp_path / "cluster.toml", 'role = "follower"\n'))
    with pytest.raises(Misuse, match="`follower` or `curator`"):
        load_cluster(write(tmp_path / "cluster.toml", f'cluster_id = "{ID}"\nrole = "boss"\n'))


def test_a_cluster_is_found_by_its_id_beside_damaged_ones(tmp_path: Path) -> None:
    home = Home(tmp_path)
    for name, text in (("a", "x ="), ("b", f'cluster_id = "{"cd" * 32}"\n'), ("c", f'cluster_id = "{ID}"\n')):
        home.cluster(name).folder.mkdir(parents=True)
        write(home.cluster(name).settings, text)
    assert find_cluster(home, bytes.fromhex(ID)) == home.cluster("c")
    assert find_cluster(home, bytes(32)) is None


def test_every_setting_has_a_variable() -> None:
    assert len(environment_names()) == len(fields(Settings))
    assert "PINCREW_UNPIN_GRACE" in environment_names()


def test_the_environment_decides_over_a_cluster_s_file_and_changes_none(tmp_path: Path) -> None:
    path = write(tmp_path / "cluster.toml", f'cluster_id = "{ID}"\ntags = ["region=eu"]\n')
    environment = {
        "PINCREW_CLUSTER_TAGS": "region=us, zone=b",
        "PINCREW_CLUSTER_REPLICATION_MIN": "1",
        "PINCREW_CLUSTER_REPLICATION_MAX": "3",
        "PINCREW_CLUSTER_REST_USERS": '["ana:one, two"]',
        "PINCREW_CLUSTER_REPIN_AFTER": "never",
        "PINCREW_CLUSTER_REST_UNPROTECTED": "yes",
        "PINCREW_CLUSTER_REST": "",
        "PINCREW_MDNS": "false",
    }
    before = path.read_bytes()
    used = cluster_in_force(path, environment)
    assert used.tags == ("region=us", "zone=b")
    assert (used.replication_min, used.replication_max, used.repin_after) == (1, 3, None)
    assert (used.rest_users, used.rest_unprotected, used.rest) == (("ana:one, two",), True, "")
    assert path.read_bytes() == before and load_cluster(path).tags == ("region=eu",)
    everywhere = {"PINCREW_CLUSTER_REPLICATION_MIN": "-1", "PINCREW_CLUSTER_REPLICATION_MAX": "-1"}
    assert cluster_in_force(path, everywhere).replication_max == -1


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("RETS", "x", "PINCREW_CLUSTER_REST"),
        ("ROLE", "curator", "PINCREW_CLUSTER"),
        ("LIMIT", "1GB", "PINCREW_CLUSTER"),
        ("REPLICATION_MIN", "many", "PINCREW_CLUSTER_REPLICATION_MIN"),
        ("REPLICATION_MIN", "0", "makes no sense"),
        ("REST_USERS", "[S3CRET", "PINCREW_CLUSTER_REST_USERS"),
        ("REST_USERS", "S3CRET", "rest_users"),
        ("UNLISTED", "perhaps", "PINCREW_CLUSTER_UNLISTED"),
    ],
)
def test_a_variable_that_makes_no_sense_is_refused(tmp_path: Path, name: str, text: str, words: str) -> None:
    path = write(tmp_path / "cluster.toml", f'cluster_id = "{ID}"\n')
    with pytest.raises(Misuse) as refused:
        cluster_in_force(path, {f"PINCREW_CLUSTER_{name}": text})
    assert words in refused.value.sentence and "S3CRET" not in refused.value.sentence


def test_allocation_is_set_per_cluster(tmp_path: Path) -> None:
    text = (
        f'cluster_id = "{ID}"\ntags = ["region=eu", "zone = b"]\nreplication_min = 2\nreplication_max = 3\n'
        'allocate_by = ["tag:region", "pinqueue"]\nallocate_followers = true\nrepin_after = "never"\n'
    )
    path = write(tmp_path / "cluster.toml", text)
    read = load_cluster(path)
    assert tags_of(read.tags) == (("region", "eu"), ("zone", "b"))
    assert (read.replication_min, read.replication_max) == (2, 3)
    assert read.allocate_by == ("tag:region", "pinqueue") and read.allocate_followers and read.repin_after is None
    save(path, read)
    assert path.read_text().startswith(text), "what is set already stays as it was written"
    save(path, replace(read, repin_after=600.0))
    assert 'repin_after = "10m"' in path.read_text() and load_cluster(path).repin_after == 600.0
    default = load_cluster(write(tmp_path / "c.toml", f'cluster_id = "{ID}"\n'))
    assert default.repin_after == 300.0 and default.allocate_by == ("tag:group", "freespace")
    assert (default.replication_min, default.replication_max, default.tags) == (-1, -1, ())
