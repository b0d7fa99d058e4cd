"""A curator's own program that writes pins by NDJSON, and knows what was acknowledged to it."""

from __future__ import annotations

import threading

from pincrew.api.shapes import PinRequest
from pincrew.errors import PincrewError
from support.machines import Machine


class Ingest:
    """Writes pins batch by batch, until one is refused or the curator is gone; remembers what was acknowledged."""

    def __init__(self, machine: Machine, cluster: str, cids: list[str], batch: int) -> None:
        self.acknowledged: list[str] = []
        self.refused: PincrewError | None = None
        self._machine, self._cluster = machine, cluster
        self._batches = [cids[at : at + batch] for at in range(0, len(cids), batch)]
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        for cids in self._batches:
            if self._is_over.is_set():
                return
            try:
                self._machine.client.write_pins(self._cluster, (PinRequest(cid=cid) for cid in cids))
            except PincrewError as error:
                self.refused = error
                return
            self.acknowledged += cids

    @property
    def is_running(self) -> bool:
        """Whether it goes on."""
        return self._thread.is_alive()

    def join(self) -> None:
        """Wait until all is written, or one was refused."""
        self._thread.join()

    def end(self) -> None:
        """Write no further batch, and wait for the one under way."""
        self._is_over.set()
        self._thread.join()

    def __enter__(self) -> Ingest:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
