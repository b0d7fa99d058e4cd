"""From a source to a cluster folder."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
import trio
from pincrew.follow import joining
from pincrew.follow.copies import document_in_force
from pincrew.follow.joining import JoinOffer, JoinOptions, accept, prepare

from pincrew.config_document import render
from pincrew.errors import Conflict, Forged, Malformed, Misuse, PincrewError, SourceUnreachable, StoreFault
from pincrew.identity import load_key, load_secret, render_secret
from pincrew.keys import SigningKey, peer_id
from pincrew.paths import Home
from pincrew.settings import Role
from pincrew.settings_files import load_cluster
from pincrew.trust import TrustChain
from support.signers import CURATOR, chain, first

SECRET = bytes(range(32))
CLOSED = chain(first(is_open=False))
ELSEWHERE = chain(first(salt=bytes(16)))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def write_document(path: Path, trust: TrustChain | None = None, signer: SigningKey = CURATOR, **changes: Any) -> Path:
    values: dict[str, Any] = {"name": "My Crew", "revision": 3, "issued": 0, "pins_hint": 12, **changes}
    path.write_bytes(render(signer, trust or chain(), **values))
    return path


def offered(home: Home, source: Path | str) -> JoinOffer:
    async def ask() -> JoinOffer:
        return await prepare(str(source), home, folder=Path("/"), gateway="", now_ms=5_000)

    return trio.run(ask)


def test_an_offer_says_what_joining_means_and_changes_nothing(home: Home, tmp_path: Path) -> None:
    offer = offered(home, write_document(tmp_path / "c.toml"))
    assert offer.cluster_id == chain().cluster_id
    assert offer.name == "my-crew"
    assert offer.curators == (peer_id(CURATOR.public),)
    assert offer.document.pins_hint == 12
    assert not offer.is_closed
    assert offer.joined_as is None
    assert not home.root.exists()


def test_the_first_fetch_is_said_to_be_trusted_unless_the_id_is_given(home: Home, tmp_path: Path) -> None:
    path = write_document(tmp_path / "c.toml")
    assert offered(home, path).is_first_fetch_trusted
    assert "Compare the id" in offered(home, path).warnings()[0]
    named = offered(home, f"{path}#{chain().cluster_id.hex()}")
    assert not named.is_first_fetch_trusted
    assert named.warnings() == ()


def test_another_cluster_than_the_one_named_is_refused(home: Home, tmp_path: Path) -> None:
    path = write_document(tmp_path / "c.toml")
    with pytest.raises(Forged, match="not the one you named"):
        offered(home, f"{path}#{ELSEWHERE.cluster_id.hex()}")


@pytest.mark.parametrize(
    ("raw", "kind", "words"),
    [
        (b"<html>", Malformed, "web page"),
        (b"", Malformed, "empty"),
        (b"#" * 300_000, Malformed, "256 KiB"),
        (b"format = 9\n", Malformed, "Upgrade"),
    ],
)
def test_what_is_no_document_is_refused_with_its_source(
    home: Home, tmp_path: Path, raw: bytes, kind: type[PincrewError], words: str
) -> None:
    (tmp_path / "c.toml").write_bytes(raw)
    with pytest.raises(kind, match=words) as caught:
        offered(home, tmp_path / "c.toml")
    assert str(tmp_path) in caught.value.where


def test_an_absent_source_is_named(home: Home, tmp_path: Path) -> None:
    with pytest.raises(SourceUnreachable):
        offered(home, tmp_path / "absent.toml")


def test_an_unknown_consensus_is_not_joined(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "CONSENSUS", "later")
    with pytest.raises(Misuse, match="Upgrade"):
        offered(home, write_document(tmp_path / "c.toml"))


def test_accepting_makes_a_folder_that_counts(home: Home, tmp_path: Path) -> None:
    offer = offered(home, write_document(tmp_path / "c.toml"))
    options = JoinOptions(ipfs="/ip4/127.0.0.1/tcp/5001", obey=True, unlisted=True, peer_name="cellar")
    joined = accept(offer, home, options)
    settings = load_cluster(joined.paths.settings)
    assert joined.paths.name == "my-crew"
    assert not joined.was_joined
    assert joined.peer_id == peer_id(load_key(joined.paths.identity).public)
    assert settings.role is Role.FOLLOWER
    assert settings.source == str(tmp_path / "c.toml")
    assert (settings.ipfs, settings.obey, settings.unlisted, settings.peer_name) == (
        options.ipfs, True, True, "cellar",
    )  # fmt: skip
    assert settings.listen[0].startswith("/ip4/0.0.0.0/tcp/")
    assert document_in_force(joined.paths) == offer.document
    assert not joined.paths.owner.exists()
    assert stat.S_IMODE(joined.paths.folder.stat().st_mode) == 0o700


def test_the_same_cluster_again_is_harmless(home: Home, tmp_path: Path) -> None:
    path = write_document(tmp_path / "c.toml")
    before = accept(offered(home, path), home)
    content = {file.name: file.read_bytes() for file in before.paths.folder.iterdir()}
    again = offered(home, path)
    assert again.joined_as == "my-crew"
    after = accept(again, home, JoinOptions(name="another"))
    assert after.was_joined
    assert after.paths == before.paths
    assert content == {file.name: file.read_bytes() for file in before.paths.folder.iterdir()}


def test_the_same_name_for_another_cluster_proposes_a_free_one(home: Home, tmp_path: Path) -> None:
    first_joined = accept(offered(home, write_document(tmp_path / "c.toml")), home)
    other = offered(home, write_document(tmp_path / "d.toml", ELSEWHERE))
    (home.clusters / "my-crew-2").mkdir()
    with pytest.raises(Conflict, match="--name my-crew-3"):
        accept(other, home)
    assert accept(other, home, JoinOptions(name="other")).paths.name == "other"
    assert load_cluster(first_joined.paths.settings).cluster_id == chain().cluster_id.hex()


def test_a_name_without_ascii_letters_gets_one_from_the_id(home: Home, tmp_path: Path) -> None:
    offer = offered(home, write_document(tmp_path / "c.toml", name="Архив"))
    assert offer.name == f"cluster-{chain().cluster_id.hex()[:8]}"


@pytest.mark.parametrize("failing", ["private_folder", "load_or_create_key", "keep_in_force", "save"])
def test_a_half_written_folder_does_not_count_and_is_completed(
    home: Home, tmp_path: Path, failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise StoreFault("disk full")

    offer = offered(home, write_document(tmp_path / "c.toml"))
    with monkeypatch.context() as patched:
        patched.setattr(joining, failing, fail)
        with pytest.raises(StoreFault):
            accept(offer, home)
    assert home.joined() == []
    identity = home.cluster("my-crew").identity
    before = identity.read_bytes() if identity.exists() else None
    joined = accept(offer, home)
    assert home.joined() == [joined.paths]
    assert before in (None, identity.read_bytes())


def test_the_rest_of_a_cluster_that_was_left_is_not_taken_over(home: Home, tmp_path: Path) -> None:
    offer = offered(home, write_document(tmp_path / "c.toml"))
    folder = home.cluster("my-crew").folder
    folder.mkdir(parents=True)
    (folder / "state.db").touch()
    with pytest.raises(Conflict, match="rest of a cluster"):
        accept(offer, home)


# ---- closed clusters ----------------------------------------------------------------------------------------------


def test_a_closed_cluster_needs_its_key(home: Home, tmp_path: Path) -> None:
    offer = offered(home, write_document(tmp_path / "c.toml", CLOSED))
    assert offer.is_closed
    with pytest.raises(Misuse, match="--secret-file"):
        accept(offer, home)
    assert not home.root.exists()


def test_the_key_is_copied_for_nobody_else_to_read(home: Home, tmp_path: Path) -> None:
    handed_out = tmp_path / "swarm.key"
    handed_out.write_bytes(render_secret(SECRET))
    handed_out.chmod(0o644)
    joined = accept(
        offered(home, write_document(tmp_path / "c.toml", CLOSED)), home, JoinOptions(secret_file=handed_out)
    )
    assert load_secret(joined.paths.secret) == SECRET
    assert stat.S_IMODE(joined.paths.secret.stat().st_mode) == 0o600


def test_a_file_that_is_no_key_is_refused(home: Home, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("hello")
    offer = offered(home, write_document(tmp_path / "c.toml", CLOSED))
    with pytest.raises(Malformed, match="not a private network key"):
        accept(offer, home, JoinOptions(secret_file=tmp_path / "x"))


def test_a_key_inside_the_document_is_taken_and_said_to_hide_nothing(home: Home, tmp_path: Path) -> None:
    path = write_document(tmp_path / "c.toml", CLOSED, secret=SECRET, is_secret_forced=True)
    offer = offered(home, path)
    assert "hides nothing" in offer.warnings()[-1]
    assert load_secret(accept(offer, home).paths.secret) == SECRET


def test_a_key_for_an_open_cluster_is_a_misunderstanding(home: Home, tmp_path: Path) -> None:
    offer = offered(home, write_document(tmp_path / "c.toml"))
    with pytest.raises(Misuse, match="open"):
        accept(offer, home, JoinOptions(secret_file=tmp_path / "x"))
