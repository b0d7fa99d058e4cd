"""The lines of doctor."""

from __future__ import annotations

from pincrew.cli.doctor_lines import guarded
from pincrew.errors import StoreFault


def test_what_is_asked_decides() -> None:
    assert guarded("store", lambda: "fine", "books").text == "fine"

    def fails() -> str:
        raise StoreFault("It is broken.", where="/x", means="Nothing is lost")

    found = guarded("store", fails, "books")
    assert (found.cluster, found.result, found.text, found.fix) == (
        "books",
        "FAIL",
        "It is broken (/x)",
        "Nothing is lost",
    )
