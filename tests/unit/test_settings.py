"""What may be chosen, and what makes no sense."""

from __future__ import annotations

from pathlib import Path

import pytest

from pincrew.errors import Misuse
from pincrew.settings import ClusterSettings, Settings
from pincrew.settings_files import (
    load_cluster,
    load_settings,
)

ID = "ab" * 32


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('rest_users = "ana:hush"', "list of texts"),
        ('rest_users = ["hush"]', "a name and a password"),
        ('rest_users = [":hush"]', "a name and a password"),
        ('rest_users = ["hush:"]', "a name and a password"),
        ('rest_users = ["a\\nb:hush"]', "printable"),
        (f'rest_users = ["{"a" * 65}:hush"]', "at most 64"),
        ('rest_users = ["ana:hush", "ana:hush2"]', "twice"),
        ('rest_users = ["ana:hush", 7]', "list of texts"),
        ('rest_users = ["ana:hush', "not TOML"),
    ],
)
def test_passwords_are_in_no_complaint(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(Misuse, match=words) as caught:
        load_cluster(write(tmp_path / "cluster.toml", f'cluster_id = "{ID}"\n{text}\n'))
    assert "hush" not in caught.value.sentence


@pytest.mark.parametrize(
    "origin",
    [
        "pins.example.org",
        "https://pins.example.org/",
        "https://pins.example.org/x",
        "https://Pins.example.org",
        "https://ana@pins.example.org",
        "ftp://pins.example.org",
        "https://",
        "https://:80",
        "https://[::1",
        "null",
        "",
        "https://*.example.org?",
    ],
)
def test_what_is_no_origin(origin: str) -> None:
    with pytest.raises(Misuse, match="no origin of web pages"):
        ClusterSettings(cluster_id=ID, rest_cors_origins=(origin,))


def test_origins_and_certificates() -> None:
    ClusterSettings(cluster_id=ID, rest_cors_origins=("*", "http://localhost:8080", "https://[::1]:1"))
    ClusterSettings(cluster_id=ID, rest_tls_cert="a.pem", rest_tls_key="b.pem")
    for pair in ({"rest_tls_cert": "a.pem"}, {"rest_tls_key": "b.pem"}):
        with pytest.raises(Misuse, match="its key alone"):
            ClusterSettings(cluster_id=ID, **pair)


@pytest.mark.parametrize("name", ["x" * 65, "é" * 33, "two\nlines", " x", "\x1b[2J"])
def test_a_name_for_others_that_they_would_refuse_is_refused(name: str) -> None:
    with pytest.raises(Misuse, match="peer_name"):
        ClusterSettings(cluster_id="ab" * 32, peer_name=name)
    assert ClusterSettings(cluster_id="ab" * 32, peer_name="x" * 64).peer_name == "x" * 64


@pytest.mark.parametrize("text", ["ftp://x/T0K3N", "T0K3N", "https://", "https://[T0K3N", "https://x:0/T0K3N"])
def test_an_address_that_cannot_be_told_is_refused_and_not_shown(tmp_path: Path, text: str) -> None:
    for path, environment in (
        (write(tmp_path / "settings.toml", f'on_event_url = "{text}"\n'), {}),
        (tmp_path / "none.toml", {"PINCREW_ON_EVENT_URL": text}),
    ):
        with pytest.raises(Misuse, match="no address that can be posted to") as caught:
            load_settings(path, environment)
        assert "T0K3N" not in caught.value.sentence


@pytest.mark.parametrize("line", ["tell 'me", "   "])
def test_a_command_that_cannot_be_taken_apart_is_refused(line: str) -> None:
    with pytest.raises(Misuse, match="cannot be taken apart"):
        Settings(on_event=line)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('repin_after = "0s"', "at once"),
        ("repin_after = 300", 'a time like "5m", or "never"'),
        ('repin_after = "sometimes"', "sometimes"),
        ("replication_min = 2", "from 2 to -1"),
        ("replication_min = 0\nreplication_max = 0", "from 0 to 0"),
        ("replication_min = 3\nreplication_max = 2", "from 3 to 2"),
        ('replication_min = "2"', "or -1"),
        ("replication_min = true", "or -1"),
        ('allocate_by = ["free"]', "'free'"),
        ('allocate_by = ["tag:"]', "'tag:'"),
        ('allocate_by = ["freespace", "freespace"]', "twice"),
        ('tags = ["region"]', "'region' is no tag"),
        ('tags = ["=eu"]', "is no tag"),
        ('tags = ["region="]', "is no tag"),
        ('tags = ["a=1", "a=2"]', "twice"),
        ('tags = ["region=' + "x" * 65 + '"]', "is no tag"),
        (f"tags = [{', '.join(repr(f't{n}=x') for n in range(17))}]", "17 tags"),
    ],
)
def test_allocation_that_makes_no_sense_is_refused(tmp_path: Path, line: str, words: str) -> None:
    with pytest.raises(Misuse, match=words):
        load_cluster(write(tmp_path / "c.toml", f'cluster_id = "{ID}"\n{line}\n'))
