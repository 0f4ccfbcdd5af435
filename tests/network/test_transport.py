"""Dialling: the addresses of a name that are tried, the failure told. Keys on their way to TLS."""

import asyncio
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

from bubi.network import Address, IpRules
from bubi.network.renewal import Identity
from bubi.network.transport import Dialler, _as_file, failure
from tests.ports import free_port

BOTH_FAMILIES = ((socket.AF_INET, ("127.0.0.1",)), (socket.AF_INET6, ("::1",)))


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every name has an IPv4 address and, behind it, an IPv6 one."""

    def resolve(
        host: str, port: int, family: int = 0, kind: int = 0, proto: int = 0, flags: int = 0
    ) -> list[Any]:
        found = [one for one in BOTH_FAMILIES if family in {socket.AF_UNSPEC, one[0]}]
        return [
            (which, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (ip, port))
            for which, (ip,) in found
        ]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


@pytest.mark.usefixtures("both")
def test_the_failure_of_an_address_that_the_source_reaches_is_told() -> None:
    dialler = Dialler(IpRules(), "127.0.0.1", None)
    with pytest.raises(ConnectionRefusedError) as caught:
        asyncio.run(dialler.connect(Address("node.example", free_port())))
    assert failure(caught.value) == "refused"


@pytest.mark.usefixtures("both")
def test_a_name_of_both_families_is_reached_from_a_source() -> None:
    async def dial(port: int) -> tuple[str, str]:
        taken = await Dialler(IpRules(), "127.0.0.7", None).connect(Address("node.example", port))
        with taken:
            return taken.getsockname()[0], taken.getpeername()[0]

    with socket.create_server(("127.0.0.1", 0)) as listener:
        ends = asyncio.run(dial(listener.getsockname()[1]))
    assert ends == ("127.0.0.7", "127.0.0.1")


def test_an_address_of_the_other_family_is_not_resolved() -> None:
    dialler = Dialler(IpRules(), "127.0.0.1", None)
    with pytest.raises(socket.gaierror) as caught:
        asyncio.run(dialler.connect(Address("::1", 1)))
    assert failure(caught.value) == "unresolved"


def test_a_key_is_shown_to_nobody_on_its_way_to_tls() -> None:
    with _as_file(b"secret") as path:
        assert Path(path).read_bytes() == b"secret"
        assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600
    assert not Path(path).exists()
    assert "secret" not in repr(Identity(b"certificate", b"secret"))
