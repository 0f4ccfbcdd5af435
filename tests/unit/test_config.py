"""Configuration: every wrong key and value is refused by name, with the cure."""

from pathlib import Path
from typing import Any

import pytest

from bubi.node.config import ConfigError, load, parse

GOOD: dict[str, Any] = {"node": {"name": "n", "organisation": "o"}}


def with_(section: str, **values: Any) -> dict[str, Any]:
    merged = {**GOOD.get(section, {}), **values}
    return {**GOOD, section: merged}


def test_defaults_and_relative_paths(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[node]\nname = "n"\norganisation = "o"\ngenesis = "g.bin"\n')
    config = load(file)
    assert config.node.genesis == tmp_path / "g.bin"
    assert config.api.host == "127.0.0.1"
    assert config.block.heartbeat_ms == 0


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({**GOOD, "aip": {}}, "unknown section 'aip'; did you mean 'api'"),
        ({**GOOD, "api": 3}, r"api must be a section: write \[api\]"),
        (with_("api", prot=1), r"unknown key of \[api\] 'prot'; did you mean 'port'"),
        (with_("api", zzzz=1), r"unknown key of \[api\] 'zzzz'; known: host"),
        ({"node": {"name": "n"}}, "node.organisation is missing"),
        ({}, "node.name is missing"),
        (with_("node", name=""), "node.name must be a text"),
        (with_("node", name="x" * 65), "node.name must be a text"),
        (with_("node", name=3), "node.name must be a text"),
        (with_("node", data=3), "node.data must be the path"),
        (with_("node", genesis=""), "node.genesis must be the path"),
        (with_("api", port=0), "api.port must be a whole number from 1 to 65535"),
        (with_("api", port=65_536), "api.port must be a whole number"),
        (with_("api", port="8080"), "api.port must be a whole number"),
        (with_("api", port=True), "api.port must be a whole number"),
        (with_("api", port=80.0), "api.port must be a whole number"),
        (with_("api", host="localhost"), "api.host must be an IP address"),
        (with_("api", host=1), "api.host must be an IP address"),
        (with_("api", host="0.0.0.0"), "api.host 0.0.0.0 is not a loopback address"),
        (with_("api", host="::"), "is not a loopback address"),
        (
            with_("api", host="10.0.0.1", tls_certificate="c", tls_key="k"),
            "is not a loopback address",
        ),
        (with_("api", tls_certificate="c"), "belong together"),
        (with_("api", client_authority="c"), "api.client_authority needs"),
        (with_("pool", transactions_max=0), "pool.transactions_max must be a whole number"),
        (with_("pool", bytes_max=1), "pool.bytes_max must be a whole number"),
        (with_("block", heartbeat_ms=-1), "block.heartbeat_ms must be a whole number"),
        (with_("store", leases_max=0), "store.leases_max must be a whole number"),
        (with_("network", source="eth0"), "network.source must be an IP address"),
        (with_("network", source="0.0.0.0"), "network.source must be one address of this machine"),
        (with_("network", source="::"), "network.source must be one address of this machine"),
        (with_("network", source="224.0.0.1"), "network.source must be one address"),
        (with_("log", level="verbose"), "log.level must be one of debug, info"),
    ],
)
def test_refused(document: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse(document, Path("/folder"))


def test_exposed_with_authority() -> None:
    document = with_(
        "api", host="10.0.0.1", tls_certificate="c", tls_key="k", client_authority="a"
    )
    assert parse(document, Path("/folder")).api.client_authority == Path("/folder/a")


@pytest.mark.parametrize("text", [b"[node", b"name = 1\nname = 2", b"\xff\xfe"])
def test_not_toml(tmp_path: Path, text: bytes) -> None:
    file = tmp_path / "config.toml"
    file.write_bytes(text)
    with pytest.raises(ConfigError, match=r"config\.toml"):
        load(file)


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="bubi node init"):
        load(tmp_path / "none.toml")


NET = {"certificate": "cert.pem", "key": "key.pem"}


def test_the_network_is_read(tmp_path: Path) -> None:
    config = parse(
        with_(
            "network",
            **NET,
            advertise="node.example.org:8901",
            seeds=["192.0.2.1:8901", "[2001:db8::1]:8901"],
            allow=["10.0.0.0/8"],
            deny_nodes=["ab" * 32],
        ),
        tmp_path,
    ).network
    assert str(config.advertise) == "node.example.org:8901"
    assert [str(seed) for seed in config.seeds] == ["192.0.2.1:8901", "[2001:db8::1]:8901"]
    assert str(config.allow[0]) == "10.0.0.0/8"
    assert config.deny_nodes == (bytes.fromhex("ab" * 32),)
    assert config.certificate == tmp_path / "cert.pem"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"certificate": "c"}, "belong together"),
        ({"seeds": ["a:1"]}, "need network.certificate"),
        ({**NET, "outbound_only": True}, "needs network.seeds"),
        ({**NET, "seeds": "a:1"}, "must be a list"),
        ({**NET, "seeds": ["a"]}, "network.seeds must be a host and a port"),
        ({**NET, "advertise": "a:99999"}, "network.advertise must be a host and a port"),
        ({**NET, "allow": ["10.0.0.1/8"]}, "network.allow must hold networks"),
        ({**NET, "deny_nodes": ["AB"]}, "64 lower-case hex digits"),
        ({**NET, "outbound_only": 1}, "must be true or false"),
        ({**NET, "peers_max": 0}, "network.peers_max must be a whole number"),
    ],
)
def test_a_wrong_network_is_refused(tmp_path: Path, values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse(with_("network", **values), tmp_path)
