"""The base in force of one replica: what neighbours fetch of it, and the log that it makes superfluous."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from pincrew.base_form import Base, decode_base, decode_cut, decode_shards
from pincrew.limits import FORGOTTEN_PER_STEP
from pincrew.steps import Step
from pincrew.store.bases import BaseStore, CutView, HeldBase
from pincrew.windows import Windows


class BaseInForce:
    """What one replica stands on. ``renew`` it when another base has come into force."""

    def __init__(self, windows: Windows, store: BaseStore) -> None:
        self._windows = windows
        self._store = store
        self._served: _Served | None = None
        self.held: HeldBase | None = None
        self.base: Base | None = None
        self.renew()

    def renew(self) -> None:
        """Read which base is in force."""
        self.held = self._store.held()
        self.base = None if self.held is None else decode_base(self.held.sealed)

    @property
    def n(self) -> int:
        """Its number, 0 where there is none."""
        return 0 if self.base is None else self.base.n

    def sealed(self, n: int) -> bytes | None:
        """Return base ``n`` where it is kept, else the one in force."""
        if n and n != self.n and (sealed := self._store.sealed(n)) is not None:
            return sealed
        return None if self.held is None else self.held.sealed

    def blob(self, name: bytes) -> bytes | None:
        """Return a blob of a base that this replica can serve, None where it cannot. Blocks."""
        manifest = self._store.manifest(name)
        if manifest is not None:
            return manifest
        held = self.held
        if held is None:
            return None
        if self._served is None or self._served.n != held.n:
            shards = decode_shards(held.shards, self._windows.shard_bits)
            cut = decode_cut(held.cut)
            self._served = _Served(held.n, {one: at for at, one in enumerate(shards)}, self._store.view(cut))
        shard = self._served.shards.get(name)
        if shard is None:
            return None
        return self._store.rows_as_stated(shard, self._served.view, name)

    def forget_log(self) -> Generator[Step, None, None]:
        """Drop the log that the base before the one in force already covers."""
        before = self._store.held(self.n - 1)
        if before is None:
            return
        cut = list(decode_cut(before.cut).items())
        more = [True]
        while more[-1]:
            yield lambda: more.append(self._store.forget_log(cut, FORGOTTEN_PER_STEP))


@dataclass
class _Served:
    """What the base in force is served from: its shards by the hash of their rows."""

    n: int
    shards: dict[bytes, int]
    view: CutView
