"""Addresses of nodes and the lists that neighbours exchange. Pure."""

import ipaddress
import re
from dataclasses import dataclass
from itertools import pairwise

from bubi.encoding import RULE, EncodingError, Reader, Writer
from bubi.network.frames import ViolationError

HOST_BYTES_MAX = 253
ADDRESS_BYTES_MAX = HOST_BYTES_MAX + 8
NEIGHBOURS_MAX = 50
NODE_BYTES = 32
PORT_MAX = 65_535
ROLE_VALIDATOR = 1
ROLES_ALL = ROLE_VALIDATOR

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """Where a node listens: a name or an IP address in its canonical form, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Reads `host:port` or `[IPv6]:port`.

        Raises:
            ValueError: If it is not one, or not in its canonical form.
        """
        host, colon, port = text.rpartition(":")
        bracketed = host.startswith("[") and host.endswith("]")
        host = host[1:-1] if bracketed else host
        if not colon or not port.isascii() or not port.isdigit() or port != str(int(port)):
            msg = f"{text!r} is not host:port"
            raise ValueError(msg)
        if not 1 <= int(port) <= PORT_MAX or bracketed != (":" in host) or not _is_host(host):
            msg = f"{text!r} is not host:port"
            raise ValueError(msg)
        return cls(host, int(port))

    @property
    def ip(self) -> IPAddress | None:
        """The IP address, if the host is one."""
        return as_ip(self.host)


def _is_host(host: str) -> bool:
    ip = as_ip(host)
    if ip is not None:
        return host == str(ip)
    labels = host.split(".")
    # A last label of digits would be read as an IPv4 address in an odd form.
    return (
        len(host) <= HOST_BYTES_MAX
        and all(_LABEL.fullmatch(label) for label in labels)
        and not labels[-1].isdigit()
        and not labels[-1].startswith("0x")
    )


def as_ip(host: str) -> IPAddress | None:
    """The IP address that a text is; an IPv4 address in the form of IPv6 is the IPv4 one."""
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return None
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.scope_id is not None:
            return None
        return ip.ipv4_mapped or ip
    return ip


@dataclass(frozen=True, slots=True)
class IpRules:
    """Which IP addresses may connect or be dialled: `deny` wins; an empty `allow` is everyone."""

    allow: tuple[IPNetwork, ...] = ()
    deny: tuple[IPNetwork, ...] = ()

    @classmethod
    def parse(cls, allow: tuple[str, ...] = (), deny: tuple[str, ...] = ()) -> "IpRules":
        """From texts like `10.0.0.0/8` or one address.

        Raises:
            ValueError: If one is not a network.
        """
        return cls(tuple(map(ipaddress.ip_network, allow)), tuple(map(ipaddress.ip_network, deny)))

    def permits(self, ip: IPAddress) -> bool:
        """Whether the rules let it pass."""
        if any(ip in network for network in self.deny):
            return False
        return not self.allow or any(ip in network for network in self.allow)


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A node whose certificate the sender has seen valid, and where it says that it listens."""

    node: bytes
    roles: int
    address: Address


def encode_neighbours(neighbours: tuple[Neighbour, ...]) -> bytes:
    """Payload of a NEIGHBOURS frame."""
    writer = Writer()

    def write(one: Neighbour) -> None:
        writer.fixed(one.node, NODE_BYTES)
        writer.u8(one.roles)
        write_address(writer, one.address)

    writer.list(neighbours, write, NEIGHBOURS_MAX)
    return writer.done()


def decode_neighbours(payload: bytes) -> tuple[Neighbour, ...]:
    """Reads it.

    Raises:
        ViolationError: `neighbours` if it is malformed, unsorted or names a node twice.
    """
    reader = Reader(payload)

    def read() -> Neighbour:
        node, roles, address = reader.fixed(NODE_BYTES), reader.u8(), read_address(reader)
        if roles & ~ROLES_ALL or address is None:
            raise EncodingError(RULE)
        return Neighbour(node, roles, address)

    try:
        result = reader.list(read, NEIGHBOURS_MAX)
        reader.finish()
    except EncodingError as error:
        raise ViolationError("neighbours") from error
    if any(one.node >= other.node for one, other in pairwise(result)):
        raise ViolationError("neighbours")
    return result


def write_address(writer: Writer, address: Address | None) -> None:
    """An address as its text, None as an empty one."""
    writer.text(str(address) if address is not None else "", ADDRESS_BYTES_MAX)


def read_address(reader: Reader) -> Address | None:
    """The address, None for an empty text.

    Raises:
        EncodingError: If it is not in its canonical form.
    """
    text = reader.text(ADDRESS_BYTES_MAX)
    if not text:
        return None
    try:
        return Address.parse(text)
    except ValueError as error:
        raise EncodingError(RULE) from error
