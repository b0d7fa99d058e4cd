"""Objects, streams, errors, redirects, credentials; and who is asked where somebody does not answer."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from pincrew.ctl import client as module
from pincrew.ctl.client import Client, Credentials
from pincrew.ctl.faults import Refused, Stopped
from pincrew.ctl.hosts import endpoints_of
from support.rest_peer import RestPeer, Told, running_peer

NOBODY = "/ip4/127.0.0.1/tcp/1"


def client(*hosts: str, **options: Any) -> Client:
    return Client(endpoints_of(",".join(hosts)), **options)


def refusal(of: Client, method: str = "GET", target: str = "/x") -> tuple[int, str]:
    with pytest.raises(Refused) as refused:
        of.object(method, target)
    return refused.value.fault.code, refused.value.fault.message


def test_an_object(peer: RestPeer) -> None:
    peer.on("GET", "/x", {"a": [1]})
    assert client(peer.host).object("GET", "/x?b=c") == {"a": [1]}
    peer.on("DELETE", "/x", Told(204))
    assert client(peer.host).object("DELETE", "/x") is None


def test_a_stream(peer: RestPeer) -> None:
    peer.stream("GET", "/x", 1, 2)
    assert list(client(peer.host).stream("GET", "/x")) == [1, 2]
    peer.on("GET", "/x", Told(204))
    assert list(client(peer.host).stream("GET", "/x")) == []


def test_the_error_behind_a_stream(peer: RestPeer) -> None:
    peer.stream("GET", "/x", 1, error="half of it")
    values = client(peer.host).stream("GET", "/x")
    assert next(values) == 1
    with pytest.raises(Refused) as refused:
        next(values)
    assert (refused.value.fault.code, refused.value.fault.message) == (500, "half of it")


def test_a_stream_that_breaks_off(peer: RestPeer) -> None:
    peer.stream("GET", "/x", 1, breaks=True)
    values = client(peer.host).stream("GET", "/x")
    assert next(values) == 1
    with pytest.raises(Stopped, match="broke off"):
        next(values)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (Told(404, b'{"code":404,"message":"no pin"}'), (404, "no pin")),
        (Told(405), (405, "")),
        (Told(502, b"<html>Bad Gateway</html>"), (502, "<html>Bad Gateway</html>")),
        (Told(500, b'{"error":"x"}'), (500, '{"error":"x"}')),
        (Told(400, b"[" * 10_000), (400, "[" * 10_000)),
    ],
)
def test_an_error(peer: RestPeer, told: Told, expected: tuple[int, str]) -> None:
    peer.on("GET", "/x", told)
    assert refusal(client(peer.host)) == expected


def test_an_error_that_is_too_long(peer: RestPeer) -> None:
    peer.on("GET", "/x", Told(500, bytes(100_000)))
    code, message = refusal(client(peer.host))
    assert code == 500 and "absurdly long" in message


@pytest.mark.parametrize("body", [b"", b"<html>", b"[" * 100_000])
def test_what_is_no_json(peer: RestPeer, body: bytes) -> None:
    peer.on("GET", "/x", Told(200, body))
    with pytest.raises(Stopped, match="no JSON"):
        client(peer.host).object("GET", "/x")


def test_bounds(peer: RestPeer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CTL_ANSWER_BYTES_MAX", 10)
    monkeypatch.setattr(module, "CTL_LINE_BYTES_MAX", 10)
    peer.on("GET", "/x", "a" * 20)
    with pytest.raises(Stopped, match="absurdly long"):
        client(peer.host).object("GET", "/x")
    with pytest.raises(Stopped, match="absurdly long"):
        list(client(peer.host).stream("GET", "/x"))


def test_the_next_host_is_asked_where_nobody_answers(peer: RestPeer) -> None:
    peer.on("GET", "/x", 5)
    assert client(NOBODY, "/unix/nowhere", peer.host).object("GET", "/x") == 5


def test_the_body_is_made_anew_for_the_next_host(peer: RestPeer) -> None:
    peer.stream("POST", "/x", 1)
    with running_peer() as broken:
        broken.takes = lambda handler: bool(handler.rfile.readline()) or True  # it hangs up
        values = client(broken.host, peer.host).stream("POST", "/x", lambda: iter([b"a", b"b"]), "text/x")
        assert list(values) == [1]
    assert peer.asked[0].body == b"ab"


def test_an_answer_that_is_an_error_is_an_answer(peer: RestPeer) -> None:
    with running_peer() as other:
        other.on("GET", "/x", 5)
        assert refusal(client(peer.host, other.host))[0] == 404
        assert other.asked == []


def test_nobody_at_all() -> None:
    code, message = refusal(client(NOBODY, "/unix/nowhere"))
    assert (code, message) == (0, "GET unix:///nowhere/x: No such file or directory")
    assert refusal(client(NOBODY))[1] == "GET http://127.0.0.1:1/x: Connection refused"
    assert "no.such.host.invalid:5" in refusal(client("/dns/no.such.host.invalid/tcp/5"))[1]


def test_redirects_of_the_same_host(peer: RestPeer) -> None:
    peer.on("POST", "/x/", Told(307, headers={"Location": "/x?b=c"}))
    peer.on("POST", "/x", 5)
    assert client(peer.host).object("POST", "/x/?b=c") == 5
    assert peer.asked[-1].query == {"b": "c"}


@pytest.mark.parametrize(
    ("location", "says"),
    [("/x", "again and again"), ("http://203.0.113.1/x", "another host"), ("http://[", "another host")],
)
def test_redirects_that_are_not_followed(peer: RestPeer, location: str, says: str) -> None:
    peer.on("GET", "/x", Told(301, headers={"Location": location}))
    code, message = refusal(client(peer.host, credentials=Credentials("me", "secret")))
    assert code == 301 and says in message


def test_credentials(peer: RestPeer) -> None:
    peer.on("GET", "/x", 5)
    client(peer.host, credentials=Credentials("me", "a:b")).object("GET", "/x")
    assert peer.asked[0].headers["Authorization"] == "Basic bWU6YTpi"


def test_streams_are_not_gathered(peer: RestPeer) -> None:
    """The first value is there before the last is sent: a peer that waits in between is read meanwhile."""
    peer.stream("GET", "/x", *range(1_000))
    values = client(peer.host).stream("GET", "/x")
    assert [next(values) for _ in range(3)] == [0, 1, 2]
    values.close()  # type: ignore[attr-defined]
    assert json.dumps(list(values)) == "[]"


def test_libp2p_is_loaded_for_peers_over_it_alone() -> None:
    heavy = "{'trio', 'libp2p', 'pincrew.network'}"
    script = f"import sys, pincrew.ctl.__main__\nsys.exit(bool({heavy} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-P", "-c", script], check=False, timeout=60).returncode == 0


def test_a_peer_over_libp2p_that_is_not_there() -> None:
    peer = "12D3KooWGRUTB7hXeHFMdkyGmy1kVrQjxhcwxhkuTCfYyQQLaxj9"
    asking = client(f"/ip4/127.0.0.1/tcp/1/p2p/{peer}")
    code, message = refusal(asking)
    asking.close()
    assert code == 0 and message.startswith(f"GET libp2p://{peer}/x: Nobody answers")
