"""`coverage`: the estimate in words, and as JSON."""

from __future__ import annotations

import json

import msgspec

from pincrew.api.shapes import CopiesBar, Coverage, CoverageBasis, CoveragePin, RescueState, SpotCheck
from support.fake_daemon import FakeDaemon
from support.shell import Shell

ROUTE = "/clusters/books/coverage"
FOUND = Coverage(
    schema=1,
    cluster="books",
    is_estimate=True,
    wanted=2,
    mean=2.4,
    bars=[CopiesBar(copies, pins, 1) for copies, pins in enumerate((0, 10, 20, 30, 20, 20))],
    worst=[CoveragePin("bafyone", "a\x1bname", 1_000, 0.97, 0.0, 0.2)],
    basis=CoverageBasis(41, 3, 38, 7.0, 100, 100, 0, 0.0),
    part=None,
    rescue=None,
    spot_checks=None,
)


def test_bars_basis_and_the_worst(shell: Shell, daemon: FakeDaemon) -> None:
    shell.followed()
    daemon.on("GET", ROUTE, FOUND)
    result = shell("coverage", "--limit", "5")
    assert result.code == 0
    assert "about 2.4 copies of a pin, estimated" in result.out
    assert "1  ###" in result.out and "10.0 %  10 pins" in result.out and "5 or more" in result.out
    assert "41 peers heard of within 7 days, 38 of which keep a part, 3 of which curators vouch for" in result.out
    assert "1.0±0.2" in result.out and "bafyone" in result.out and "\x1b" not in result.out
    assert "sample" not in result.out and "estimate" in result.err
    assert max(map(len, result.out.splitlines())) <= 120


def test_a_sample_says_how_far_off_it_may_be(shell: Shell, daemon: FakeDaemon) -> None:
    shell.followed()
    basis = msgspec.structs.replace(FOUND.basis, pins=1_000_000, named_pins=4, error=0.0123)
    rescue = RescueState(12, 5_000_000, 9_000_000, True)
    checks = [SpotCheck("12D3", "attic", 20, 19)]
    daemon.on("GET", ROUTE, msgspec.structs.replace(FOUND, basis=basis, part=0.31, rescue=rescue, spot_checks=checks))
    out = shell("coverage").out
    assert "A sample of 100 of 1,000,000 pins" in out and "within 1.2 percent points" in out
    assert "Left out: 4 pins" in out and "This peer keeps 31.0 % of the list" in out
    assert "it rescued 12 pins, 5.00 MB of 9.00 MB; it is full" in out
    assert "asked attic: has 19 of 20 that it should have" in out


def test_an_empty_list_and_json(shell: Shell, daemon: FakeDaemon) -> None:
    shell.followed()
    empty = msgspec.structs.replace(FOUND, basis=msgspec.structs.replace(FOUND.basis, looked_at=0), worst=[])
    daemon.on("GET", ROUTE, empty)
    assert "nothing is listed yet" in shell("coverage").out
    named = msgspec.structs.replace(empty.basis, named_pins=100)
    daemon.on("GET", ROUTE, msgspec.structs.replace(empty, basis=named))
    result = shell("coverage")
    assert "peers are named for each of the 100 pins" in result.out and "ctl status" in result.err
    daemon.on("GET", ROUTE, FOUND)
    found = json.loads(shell("coverage", "--json").out)
    assert found["schema"] == 1 and found["worst"][0]["cid"] == "bafyone" and found["spot_checks"] is None


def test_bad_numbers_are_refused(shell: Shell, daemon: FakeDaemon) -> None:
    shell.followed()
    assert shell("coverage", "--limit", "-1").code == 2
    assert shell("coverage", "--limit", "100000").code == 2
