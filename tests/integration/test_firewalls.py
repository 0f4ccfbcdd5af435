"""Four validators behind four kinds of firewall: processes and configuration files as they are.

| node | how it is connected |
|---|---|
| node1 | binds one address, dials from another, lets in only the addresses that are listed |
| node2 | behind address translation: what it advertises is not what it binds |
| node3 | only dials out |
| node4 | only dials out, and only through an HTTP proxy |

Nobody can dial node3 or node4, so these two reach each other through the others.
"""

import asyncio
import contextlib
import re
import socket
import threading
from pathlib import Path

import httpx
import pytest
from cryptography.x509.oid import NameOID
from network import PATIENCE, Net, command, get, wait_for

from bubi.network import Address, certificates
from bubi.node.certificates import now_ms, read_authority, read_certificate, to_der
from tests.network.relay import Proxy, Relay
from tests.ports import free_port

from .test_network import running_node

BOUND, DIALS_FROM = "127.0.0.11", "127.0.0.12"
TRANSLATOR, PROXY = "127.0.0.21", "127.0.0.22"
INSIDE, OUTSIDE = "127.0.0.0/27", "127.0.0.66"


@contextlib.contextmanager
def in_background(*relays):
    """Runs relays on a loop of their own."""
    loop = asyncio.new_event_loop()
    stopping, ready = asyncio.Event(), threading.Event()

    async def run():
        async with contextlib.AsyncExitStack() as stack:
            for relay in relays:
                await stack.enter_async_context(relay)
            ready.set()
            await stopping.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    try:
        assert ready.wait(PATIENCE)
        yield
    finally:
        loop.call_soon_threadsafe(stopping.set)
        thread.join(PATIENCE)
        loop.close()


def configure(file, **sections):
    """Replaces keys of a configuration file; None takes one out."""
    text = file.read_text(encoding="utf-8")
    for section, values in sections.items():
        start = text.index(f"[{section}]\n") + len(section) + 3
        end = text.find("\n[", start) + 1 or len(text)
        part = text[start:end]
        for key, value in values.items():
            part = re.sub(rf"(?m)^{key} = .*\n", "", part)
            part = part if value is None else f"{key} = {value}\n{part}"
        text = text[:start] + part + text[end:]
    file.write_text(text, encoding="utf-8")


def quoted(*texts):
    return "[" + ", ".join(f'"{text}"' for text in texts) + "]"


def port_of(file):
    """The port that a configuration gives the network."""
    section = file.read_text(encoding="utf-8").partition("[network]")[2]
    return int(re.search(r"(?m)^port = (\d+)$", section)[1])


class Walls:
    """The network, and what stands in front of it."""

    def __init__(self, folder):
        self.folder = folder
        files = {f"node{n}": folder / f"node{n}" / "config.toml" for n in range(1, 5)}
        self.ports = {name: port_of(file) for name, file in files.items()}
        self.first = Address(BOUND, self.ports["node1"])
        self.translator = Relay(Address("127.0.0.1", self.ports["node2"]), source=TRANSLATOR)
        self.second = self.translator.address
        self.proxy = Proxy({str(self.first), str(self.second)}, source=PROXY)
        hidden = {"advertise": None, "outbound_only": "true", "seeds": quoted(self.first)}
        configure(
            files["node1"],
            network={
                "host": f'"{BOUND}"',
                "advertise": f'"{self.first}"',
                "source": f'"{DIALS_FROM}"',
                "seeds": quoted(self.second),
                "allow": quoted(INSIDE),
            },
            api={"deny": quoted(f"{OUTSIDE}/32")},
        )
        configure(
            files["node2"],
            network={"advertise": f'"{self.second}"', "seeds": "[]"},
            api={"allow": quoted("127.0.0.1/32")},
        )
        configure(files["node3"], network=hidden)
        configure(files["node4"], network={**hidden, "proxy": f'"{self.proxy.address}"'})


@pytest.fixture(scope="module")
def walls(tmp_path_factory):
    folder = tmp_path_factory.mktemp("walls") / "network"
    made = command("network", "create", "--dev", "--nodes", "4", "--data", folder, "--json")
    assert made.status == 0, made.err
    made = Walls(folder)
    with in_background(made.translator, made.proxy):
        try:
            started = command("up", "--detach", "--data", folder, "--json")
            assert started.status == 0, started.err
            made.net = Net(folder)
            yield made
        finally:
            command("reset", "--yes", "--data", folder)


def can_connect(host, port):
    with contextlib.suppress(OSError), socket.create_connection((host, port), PATIENCE):
        return True
    return False


def test_they_agree_and_each_is_reached_as_it_says(walls):
    net = walls.net
    for name in net.nodes:
        net.transact(name)
    net.level(*net.nodes)
    wait_for(lambda: set(net.connected("node1")) == {"node2", "node3", "node4"})
    wait_for(lambda: set(net.connected("node2")) == {"node1", "node3", "node4"})
    # Neither of those that only dial out was told an address of the other.
    for name in ("node3", "node4"):
        assert set(net.connected(name)) == {"node1", "node2"}


def test_one_interface_to_listen_on_and_one_address_to_dial_from(walls):
    port = walls.ports["node1"]
    assert can_connect(BOUND, port)
    assert not can_connect("127.0.0.1", port)
    assert DIALS_FROM in walls.translator.came_from


def test_the_advertised_address_is_the_one_that_is_dialled(walls):
    net = walls.net
    assert walls.second.port != walls.ports["node2"]
    # They were given node1 only, and heard of this address from it.
    for name in ("node3", "node4"):
        assert wait_for(lambda name=name: net.connected(name).get("node2"))["address"] == str(
            walls.second
        )
    wait_for(lambda: len(net.connected("node2")) == 3)
    assert {one["ip"] for one in net.connected("node2").values()} == {TRANSLATOR}


def test_who_only_dials_out_listens_nowhere(walls):
    net = walls.net
    for name in ("node3", "node4"):
        assert not can_connect("127.0.0.1", walls.ports[name])
        seen = wait_for(lambda name=name: net.connected("node1").get(name))
        assert (seen["direction"], seen["address"]) == ("in", None)


def test_through_the_proxy_and_nowhere_else(walls):
    net = walls.net
    wait_for(lambda: len(net.connected("node4")) == 2)
    assert set(walls.proxy.asked) == {str(walls.first), str(walls.second)}
    assert wait_for(lambda: net.connected("node1").get("node4"))["ip"] == PROXY
    assert {one["ip"] for one in net.connected("node4").values()} == {"127.0.0.1"}
    # A proxy that reaches nobody, and says so with a page, is asked again until it does.
    asked = len(walls.proxy.asked)
    walls.proxy.failure = "502 Bad Gateway"
    cut(walls, walls.proxy)
    wait_for(lambda: len(walls.proxy.refused) > 3)
    net.transact("node1")
    assert net.counter("node4", "undialled_proxy_unreachable") > 0
    walls.proxy.failure = ""
    net.transact("node4")
    net.level(*net.nodes)
    assert len(walls.proxy.asked) > asked


def cut(walls, relay):
    """Ends what goes through a relay, on its own loop."""
    relay.loop.call_soon_threadsafe(relay.cut)


@pytest.mark.long
def test_a_renewed_certificate_is_taken_by_running_processes(walls):
    """Of one that is dialled, and of one that only dials."""
    net = walls.net
    for name in ("node1", "node3"):
        renew(Path(net.nodes[name]["data"]), days=200)
    for name in ("node1", "node3"):
        wait_for(lambda name=name: 198 <= days_left(net, name) <= 200)
        assert "the renewed certificate is in use" in net.log(name)
    for one, other in (("node2", "node1"), ("node2", "node3"), ("node3", "node1")):
        wait_for(
            lambda one=one, other=other: (
                198 <= (net.connected(one).get(other, {}).get("certificate_days") or 0) <= 200
            )
        )
    net.transact("node3")
    net.level(*net.nodes)


def renew(folder, days):
    """A new certificate for the key that a node has."""
    authority = read_authority(folder / "authority")
    before = read_certificate(folder / "cert.pem")
    name = str(before.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
    key = certificates.load_key((folder / "key.pem").read_bytes())
    request = certificates.create_request(name, authority.organisation, key)
    issuer = to_der(authority.certificate)
    made = certificates.sign_request(request, issuer, authority.key, now_ms(), days)
    (folder / "cert.pem").write_bytes(certificates.pem(made))


def days_left(net, name):
    """Of a node's own certificate, by its metrics."""
    text = get(f"{net.url(name)}/metrics").text
    return float(re.search(r"(?m)^bubi_certificate_days (\S+)$", text)[1])


def test_the_interface_refuses_addresses(walls):
    net = walls.net
    for name, source, status in (
        ("node1", OUTSIDE, 403),
        ("node1", "127.0.0.1", 200),
        ("node2", OUTSIDE, 403),
        ("node2", "127.0.0.1", 200),
        ("node3", OUTSIDE, 200),
    ):
        transport = httpx.HTTPTransport(local_address=source)
        with httpx.Client(transport=transport, timeout=PATIENCE) as client:
            answer = client.get(f"{net.url(name)}/v1/network")
        assert answer.status_code == status, (name, source)
        if status == 403:
            assert answer.json()["code"] == "ip_denied"


@pytest.fixture
def observer(walls, tmp_path):
    """The folder of a node that does not vote; it is given node1 and what node2 advertises."""
    net, folder = walls.net, tmp_path / "observer"
    authority = Path(net.nodes["node1"]["data"]) / "authority"
    asked = command(
        "network", "request", folder, "--name", "watcher", "--observer",
        "--organisation", net.nodes["node1"]["organisation"], "--authority", authority,
    )  # fmt: skip
    assert asked.status == 0, asked.err
    port = free_port()
    joined = command(
        "network", "join", folder, "--network", net.folder / "public", "--api-port", port
    )
    assert joined.status == 0, joined.err
    configure(folder / "config.toml", network={"seeds": quoted(walls.first, walls.second)})
    net.nodes["watcher"] = {"url": f"http://127.0.0.1:{port}", "pid": None}
    yield folder
    del net.nodes["watcher"]


def answered(net, name):
    with contextlib.suppress(httpx.TransportError):
        return get(f"{net.url(name)}/health").status_code == 200
    return False


def test_nodes_refuse_ip_addresses(walls, observer):
    """From an address that node1 does not let in; then with a rule of its own against node1."""
    net = walls.net
    refused = "refused_ip_denied"
    assert net.counter("node1", refused) == 0
    configure(observer / "config.toml", network={"source": f'"{OUTSIDE}"'})
    with running_node(observer):
        wait_for(lambda: answered(net, "watcher"))
        net.level("node1", "watcher")
        wait_for(lambda: net.counter("node1", refused) > 0)
        assert "watcher" not in net.connected("node1")
        assert set(net.connected("watcher")) == {"node2"}
    assert f"a connection from {OUTSIDE} is refused: ip_denied" in net.log("node1")

    denied = quoted(f"{BOUND}/32")
    configure(observer / "config.toml", network={"source": None, "deny": denied})
    before = net.counter("node1", refused)
    with running_node(observer):
        wait_for(lambda: answered(net, "watcher"))
        net.transact("node3")
        net.level("node1", "watcher")
        wait_for(lambda: net.peers("watcher").get("node1", {}).get("reason") == "ip_denied")
        assert set(net.connected("watcher")) == {"node2"}
    assert net.counter("node1", refused) == before


def test_an_address_to_dial_from_that_the_machine_does_not_have(observer):
    configure(observer / "config.toml", network={"source": '"192.0.2.1"'})
    done = command("node", "run", observer)
    assert done.status == 2
    assert "cannot connect from 192.0.2.1" in done.err
    assert "network.source" in done.err
