"""Which addresses the channels of alarms may reach.

Who manages the console decides where alarms go, but need not have a way into the network that the
gateway stands in: without a rule, a webhook would be one (server-side request forgery). A name
may mean another address each time it is asked for, and a server may send a client on. So what
counts is the address at the moment when a socket is connected to it. The libraries that carry
messages open their sockets themselves; all of them end in `socket.socket`, whose ways out are
watched here, in threads that are inside of `limited` and in no others.
"""

import contextlib
import ipaddress
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from typing import Any, TypeVar

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Method = TypeVar("Method", bound=Callable[..., Any])

REFUSED = "address_internal"
"""Why a message went nowhere: its address is in an internal network that
`alarms.internal_networks` does not name."""
TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")
"""IPv6 addresses that stand for IPv4 addresses (RFC 6052)."""
UNICAST = ipaddress.IPv6Network("2000::/3")
"""All IPv6 addresses that are given out to be reached from everywhere (RFC 4291)."""
SPECIAL = tuple(
    ipaddress.ip_network(one)
    for one in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
        "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16",
        "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
    )
)  # fmt: skip
"""What else is not public (IANA registries of special-purpose addresses, RFC 6890). Listed here,
as the answer of `ipaddress` differs between patch levels of Python."""


class InternalAddressError(OSError):
    """A channel leads into an internal network."""


class _Limits(threading.local):
    """What the work of this thread may reach; None: everything."""

    allowed: tuple[Network, ...] | None = None
    refused: bool = False


_limits = _Limits()


@contextlib.contextmanager
def limited(allowed: Sequence[Network]) -> Iterator[Callable[[], bool]]:
    """Sockets of this thread reach public addresses and these networks, and nothing else.

    It gives a function that says whether something was refused. A refused socket raises
    `InternalAddressError`.
    """
    before = _limits.allowed, _limits.refused
    _limits.allowed, _limits.refused = tuple(allowed), False
    try:
        yield lambda: _limits.refused
    finally:
        _limits.allowed, _limits.refused = before


def permitted(address: Address, allowed: Sequence[Network]) -> bool:
    """Whether an address is public, or in one of these networks."""
    if any(one.version == address.version and address in one for one in allowed):
        return True
    inner = _inner(address)
    if inner is not None:
        return permitted(inner, allowed)
    if address.version == 6 and address not in UNICAST:
        return False
    return not any(one.version == address.version and address in one for one in SPECIAL)


def _inner(address: Address) -> Address | None:
    """The IPv4 address that an IPv6 address leads to."""
    if not isinstance(address, ipaddress.IPv6Address):
        return None
    if address in TRANSLATED:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    if address.teredo is not None:
        return address.teredo[1]
    return address.ipv4_mapped or address.sixtofour


def _checked(family: int, target: Any) -> Any:
    """The target with its address resolved.

    Raises:
        InternalAddressError: it must not be reached.
    """
    allowed = _limits.allowed
    if allowed is None:
        return target
    if family in {socket.AF_INET, socket.AF_INET6}:
        host, port, *rest = target
        # What was checked is what is connected: a name is not asked for twice.
        found = socket.getaddrinfo(host, port, socket.AddressFamily(family))[0][4]
        address = ipaddress.ip_address(str(found[0]).partition("%")[0])
        if permitted(address, allowed):
            return (found[0], port, *(rest or found[2:]))
    _limits.refused = True
    raise InternalAddressError(REFUSED)


def _watched(method: Method) -> Method:
    """A method of sockets whose last argument is where it leads."""

    @wraps(method)
    def checked(self: socket.socket, *arguments: Any) -> Any:
        # Without a target, as `sendmsg` on a connected socket has none, there is nothing to check.
        if _limits.allowed is None or not arguments or not isinstance(arguments[-1], tuple | str):
            return method(self, *arguments)
        return method(self, *arguments[:-1], _checked(self.family, arguments[-1]))

    return checked  # type: ignore[return-value]


for _name in ("connect", "connect_ex", "sendto", "sendmsg"):
    setattr(socket.socket, _name, _watched(getattr(socket.socket, _name)))
