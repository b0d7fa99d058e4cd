"""Who may use the REST API of a running cluster: real daemons, TLS, ipfs-cluster's own client, no secret anywhere."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import httpx
import pytest

from support.certificates import certificate_in
from support.ipfs_cluster import NO_IPFS_CLUSTER, find_ipfs_cluster
from support.machines import Crew, Machine, free_port

pytestmark = [pytest.mark.slow]
USER = "ana:correct-horse"
PAGE = {"Origin": "https://pins.example.org"}
TIMEOUT_S = 60


def settle(machine: Machine, cluster: str, text: str) -> None:
    """Write into the settings of a cluster, as its user does."""
    with machine.home.cluster(cluster).settings.open("a") as file:
        file.write(text)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def curator(crew: Crew) -> Machine:
    """A machine whose cluster wants TLS and has a user."""
    machine = crew.machine("curator")
    machine.create("films", "--peer-name", "curator")
    certificate_in(machine.home.cluster("films").folder)
    settle(
        machine,
        "films",
        f'rest_users = ["{USER}"]\nrest_tls_cert = "cert.pem"\nrest_tls_key = "key.pem"\n'
        f'rest_cors_origins = ["{PAGE["Origin"]}"]\n',
    )
    return machine


def test_who_may_do_what_and_no_secret_anywhere(curator: Machine) -> None:
    ready = curator.serve("films", "--rest", "127.0.0.1:0")
    assert ready["api"].startswith("https://127.0.0.1:")
    certificate = curator.home.cluster("films").folder / "cert.pem"
    with httpx.Client(base_url=ready["api"], verify=ssl.create_default_context(cafile=certificate)) as client:
        assert client.get("/health").status_code == 204
        assert client.get("/id").status_code == client.get("/id", auth=("ana", "wrong")).status_code == 401
        assert client.get("/id", auth=("ana", "correct-horse")).json()["peername"] == "curator"

        # Tokens that commands make while the daemon runs.
        reading = curator.run("token", "new", "-c", "films").out.strip()
        pinning = curator.json("token", "new", "-c", "films", "--scope", "pin", "--name", "uploads")
        over = curator.run("token", "new", "-c", "films", "--expires", "0.001s").out.strip()
        assert client.get("/pins", headers=bearer(reading)).status_code == 204
        assert client.get("/pins", headers=bearer(over)).status_code == 401
        refused = client.post("/pins/recover", headers=bearer(reading))
        assert refused.status_code == 403 and "`pin`" in refused.json()["message"]
        assert client.post("/pins/recover", headers=bearer(pinning["token"])).status_code == 204
        assert client.post("/ipfs/gc", headers=bearer(pinning["token"])).status_code == 403
        curator.run("token", "revoke", pinning["id"], "-c", "films")
        assert client.post("/pins/recover", headers=bearer(pinning["token"])).status_code == 401

        # A token that is made over HTTP.
        made = client.post("/token", auth=("ana", "correct-horse")).json()["token"]
        assert client.get("/id", headers=bearer(made)).status_code == 200
        assert "POST /token: ana" in curator.run("token", "ls", "-c", "films").out

        # Web pages.
        preflight = {**PAGE, "Access-Control-Request-Method": "POST"}
        assert client.options("/pins/recover", headers=preflight).status_code == 204
        assert client.options("/id", headers={**preflight, "Origin": "https://evil.example"}).status_code == 403
        assert client.get("/id", headers={**PAGE, **bearer(made)}).status_code == 200
        elsewhere = client.get("/id", headers={"Origin": "https://evil.example", **bearer(made)})
        assert elsewhere.status_code == 403

    curator.run("token", "new", "-c", "films", "--scope", "root", code=2)
    said = [
        curator.run(*words, code=None).all
        for words in (
            ("status", "--json"),
            ("doctor",),
            ("doctor", "--json"),
            ("events", "--json"),
            ("peers", "--json"),
            ("token", "ls", "--json"),
            ("trust", "ls", "--json"),
        )
    ]
    lines = [Path(f"/proc/{process.pid}/cmdline").read_text() for process in curator.processes]
    everything = "\n".join([*said, *lines, curator.log()])
    for secret in ("correct-horse", reading, pinning["token"], over, made):
        assert secret not in everything
        kept = [
            path for path in curator.home.root.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()
        ]
        assert [path.name for path in kept] == (["cluster.toml"] if secret == "correct-horse" else [])
    curator.stop()


@pytest.mark.ipfs_cluster
def test_the_client_of_ipfs_cluster(curator: Machine) -> None:
    service = find_ipfs_cluster()
    if service is None or not service.with_name("ipfs-cluster-ctl").exists():
        pytest.skip(NO_IPFS_CLUSTER)
    port = curator.serve("films", "--rest", "127.0.0.1:0")["api"].rpartition(":")[2]

    def ctl(*words: str, user: str) -> tuple[int, str]:
        where = ["--host", f"/ip4/127.0.0.1/tcp/{port}", "--https", "--no-check-certificate", "--basic-auth", user]
        done = subprocess.run(
            [str(service.with_name("ipfs-cluster-ctl")), *where, *words],
            env=curator.environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    code, out = ctl("id", user=USER)
    assert code == 0 and "curator" in out
    code, out = ctl(
        "pin", "add", "--no-status", "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy", user=USER
    )
    assert code == 0, out
    code, out = ctl("pin", "ls", user=USER)
    assert code == 0 and "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy" in out
    code, out = ctl("id", user="ana:wrong")
    assert code == 2 and "unauthorized: access denied" in out
    curator.stop()


def test_a_public_address_is_refused_until_callers_are_asked(crew: Crew) -> None:
    machine = crew.machine("curator")
    machine.create("films")
    said = machine.run("serve", "films", "--rest", "0.0.0.0:0", code=2)
    assert "Whoever reaches 0.0.0.0:0 could change the list" in said.all and "`pincrew token new -c films`" in said.all
    machine.run("token", "new", "-c", "films")
    assert machine.serve("films", "--rest", "0.0.0.0:0")["api"].startswith("http://0.0.0.0:")
    machine.stop()


def test_the_daemons_own_api_stays_on_this_machine(crew: Crew) -> None:
    machine = crew.machine("ana")
    machine.environment["PINCREW_API_LISTEN"] = "0.0.0.0:0"
    said = machine.run("daemon", "run", code=2)
    assert "Whoever reaches 0.0.0.0:0 could" in said.all and "api_listen" in said.all


def test_the_environment_of_a_container_decides_over_the_file(crew: Crew) -> None:
    """What `serve --check` says is what `serve` does; the file stays as it was."""
    machine = crew.machine("box")
    machine.create("films", "--peer-name", "of the file")
    address = f"127.0.0.1:{free_port()}"
    variables = {"PEER_NAME": "of the box", "REST": address, "REST_USERS": USER, "TAGS": "region=eu,zone=b"}
    machine.environment |= {f"PINCREW_CLUSTER_{name}": value for name, value in variables.items()}
    before = machine.home.cluster("films").settings.read_bytes()
    said = machine.run("serve", "films", "--check")
    assert f"REST API: http://{address}; callers show who they are" in said.all
    assert 'peer_name = "of the box" (PINCREW_CLUSTER_PEER_NAME)' in said.all and "correct-horse" not in said.all
    assert not machine.home.daemon_lock.exists()

    assert machine.serve("films")["api"] == f"http://{address}"
    assert httpx.get(f"http://{address}/id").status_code == 401
    assert httpx.get(f"http://{address}/id", auth=("ana", "correct-horse")).json()["peername"] == "of the box"
    machine.run("pause", "-c", "films")
    machine.run("resume", "-c", "films")
    changed = machine.home.cluster("films").settings.read_text()
    assert "of the box" not in changed and before.decode() in changed
