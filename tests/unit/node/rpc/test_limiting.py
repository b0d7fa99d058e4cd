"""Limits shown and changed."""

from __future__ import annotations

from support.http_door import Rpc, with_rpc


def test_limits_are_shown_and_changed() -> None:
    async def test(rpc: Rpc) -> None:
        assert await rpc.one("pincrew/limits") == {
            "Storage": None,
            "Upload": None,
            "Download": None,
            "Connections": 256,
        }
        said = await rpc.one("pincrew/limits?storage=200GB&upload=1MB&connections=9")
        assert said == {"Storage": 200_000_000_000, "Upload": 1_000_000, "Download": None, "Connections": 9}
        assert rpc.node.settings.storage_limit == 200_000_000_000
        assert (await rpc.one("pincrew/limits?storage=none"))["Storage"] is None
        assert (await rpc.one("pincrew/limits"))["Upload"] == 1_000_000

    with_rpc(test)


def test_what_is_no_limit_is_refused_and_changes_nothing() -> None:
    async def test(rpc: Rpc) -> None:
        for wrong in ("upload=fast", "connections=0", "connections=none", "download=0", "storage=-1&upload=1MB"):
            assert await rpc.refusal(f"pincrew/limits?{wrong}")
        assert rpc.node.settings.upload_limit is None

    with_rpc(test)


def test_it_is_silent_for_as_long_as_it_is_told() -> None:
    async def test(rpc: Rpc) -> None:
        assert await rpc.one("pincrew/silence?seconds=30") == {"Seconds": 30}
        assert rpc.node.silent_for == 30
        for wrong in ("", "seconds=-1", "seconds=1.5", "seconds=9999999999", "seconds=3601"):
            assert await rpc.refusal(f"pincrew/silence?{wrong}")
        assert rpc.node.silent_for == 30
        await rpc.one("pincrew/silence?seconds=0")
        assert rpc.node.silent_for == 0

    with_rpc(test)
