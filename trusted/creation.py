"""Making a cluster: owner key, curator identity, record 0 and its folder, all at once or not at all.

Everything is written into a hidden folder that is renamed when it is complete. The first config document, revision 0,
carries the trust records; `publish` starts from it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pincrew.addresses import announce_addresses, listen_addresses, with_peer
from pincrew.config_document import render
from pincrew.errors import Conflict, StoreFault
from pincrew.files import private_folder, sync_folder, write_file
from pincrew.identity import SECRET_BYTES, Random, create_key, render_secret
from pincrew.keys import peer_id
from pincrew.limits import SHARD_BITS_DEFAULT
from pincrew.paths import ClusterPaths, Home, cluster_name
from pincrew.settings import ClusterSettings, Role
from pincrew.settings_files import save
from pincrew.trust import TrustChain, first_record
from pincrew.trust_record import SALT_BYTES


@dataclass(frozen=True)
class Created:
    """What was made. ``secret`` is the private network key of a closed cluster, to be handed out apart."""

    paths: ClusterPaths
    cluster_id: bytes
    peer_id: str
    listen: tuple[str, ...]
    owner_key: Path
    secret: Path | None

    @property
    def name(self) -> str:
        """The cluster's name on this machine."""
        return self.paths.name


def create(
    home: Home,
    name: str,
    *,
    now_s: int,
    random: Random = os.urandom,
    listen: Sequence[str] = (),
    announce: Sequence[str] = (),
    description: str = "",
    is_closed: bool = False,
    ipfs: str = "",
    peer_name: str = "",
    shard_bits: int = SHARD_BITS_DEFAULT,
) -> Created:
    """Create a cluster that this machine curates. Raises Conflict when the name is taken, Misuse for bad options."""
    paths = home.cluster(cluster_name(name))
    _check_free(paths)
    listening, announced = listen_addresses(listen), announce_addresses(announce)
    unfinished = ClusterPaths(home.clusters / f".new-{paths.name}")
    shutil.rmtree(unfinished.folder, ignore_errors=True)  # left by a crash; nothing in it was ever used
    try:
        private_folder(unfinished.folder)
        owner = create_key(unfinished.owner, random)
        curator = create_key(unfinished.identity, random)
        record = first_record(
            [owner.public],
            [curator.public],
            random(SALT_BYTES),
            keeper=curator.public,
            shard_bits=shard_bits,
            is_open=not is_closed,
        )
        trust = TrustChain.from_records([record.signed(owner)])
        if is_closed:
            write_file(unfinished.secret, render_secret(random(SECRET_BYTES)))
        peer = peer_id(curator.public)
        document = render(
            curator,
            trust,
            name=name.strip(),
            revision=0,
            issued=now_s,
            description=description,
            peers=[with_peer(address, peer) for address in announced],
        )
        write_file(unfinished.config, document)
        settings = ClusterSettings(
            cluster_id=trust.cluster_id.hex(),
            role=Role.CURATOR,
            peer_name=peer_name,
            listen=listening,
            announce=announced,
            ipfs=ipfs,
        )
        save(unfinished.settings, settings)
        _put_in_place(unfinished, paths)
    finally:
        shutil.rmtree(unfinished.folder, ignore_errors=True)
    secret = paths.secret if is_closed else None
    return Created(paths, trust.cluster_id, peer, listening, paths.owner, secret)


def _check_free(paths: ClusterPaths) -> None:
    if paths.folder.exists():
        raise Conflict(
            f"There is already a cluster {paths.name!r} here",
            where=str(paths.folder),
            means="Its keys are left as they are",
            next_step="Choose another name",
        )


def _put_in_place(unfinished: ClusterPaths, paths: ClusterPaths) -> None:
    try:
        unfinished.folder.rename(paths.folder)
        sync_folder(paths.folder.parent)
    except OSError as error:
        _check_free(paths)
        raise StoreFault(f"The cluster's folder cannot be made: {error.strerror}", where=str(paths.folder)) from error
