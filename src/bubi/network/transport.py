"""Sockets and TLS: the only file that opens a connection to another node.

It listens, accepts, dials (through an HTTP proxy if there is one) and does the handshakes of TLS
1.3, with certificates on both sides. What is said on a connection is not known here.
"""

import asyncio
import contextlib
import logging
import os
import socket
import ssl
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from bubi.network.addresses import Address, IPAddress, IpRules, as_ip
from bubi.network.certificates import Authority

log = logging.getLogger("bubi.network")

NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL, which Python does not name: expiry is an alarm here."""
NOT_SENT_BYTES = 131_072
"""Bytes that may wait in the kernel: more would stand before the next vote."""
BACKLOG = 64
ACCEPT_PAUSE = 0.1
SHUTDOWN_SECONDS = 1.0
PROXY_ANSWER_BYTES_MAX = 4_096
PROXY_REACHED_NOBODY = (b"502", b"503", b"504")
"""Statuses of a proxy that permits the target and got no answer from it (RFC 9110, 15.6)."""
RESOLVED_MAX = 4

Socket: TypeAlias = socket.socket
"""A socket, for who hands one on and never opens one."""


class DialError(Exception):
    """Dialling failed; `reason` is a stable code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class SourceError(OSError):
    """The address to dial from is not one of this machine."""


@dataclass(frozen=True, slots=True)
class Contexts:
    """TLS as the side that was dialled and as the side that dials."""

    inside: ssl.SSLContext
    outside: ssl.SSLContext


def contexts(authorities: Iterable[Authority], certificate: bytes, key: bytes) -> Contexts:
    """TLS 1.3 that shows a certificate and accepts the authorities', whatever their dates.

    Args:
        authorities: Those whose certificates are accepted.
        certificate: The own one as PEM, with what belongs to its chain.
        key: Its key as PEM.

    Raises:
        OSError: If certificate and key cannot be used or do not belong together.
    """
    trusted = b"".join(one.certificate for one in authorities)
    made = []
    for protocol in (ssl.PROTOCOL_TLS_SERVER, ssl.PROTOCOL_TLS_CLIENT):
        context = ssl.SSLContext(protocol)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.check_hostname = False
        context.verify_mode = ssl.CERT_REQUIRED
        # An authority of the ledger is trusted as it is, whoever signed it.
        context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
        context.verify_flags |= ssl.VerifyFlags(NO_CHECK_TIME)
        if trusted:
            context.load_verify_locations(cadata=trusted)
        with _as_file(certificate) as shown, _as_file(key) as secret:
            context.load_cert_chain(shown, secret)
        made.append(context)
    # No resumption: every connection shows its certificate.
    made[0].num_tickets = 0
    return Contexts(made[0], made[1])


@contextlib.contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """A path for the TLS library, which reads files only; nobody else may read what it leads to.

    It is in memory where the system can do that, so that no key is left on a disk.
    """
    if sys.platform == "linux":
        with os.fdopen(os.memfd_create("tls"), "wb", buffering=0) as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(content)
            yield f"/proc/self/fd/{file.fileno()}"
    else:
        with tempfile.NamedTemporaryFile(buffering=0) as file:
            file.write(content)
            yield file.name


async def accept_tls(
    taken: socket.socket, protocol: asyncio.Protocol, context: ssl.SSLContext, seconds: float
) -> None:
    """TLS on an accepted socket, which is closed if it fails.

    Raises:
        OSError: If the handshake fails.
    """
    try:
        tune(taken)
        await asyncio.get_running_loop().connect_accepted_socket(
            lambda: protocol,
            taken,
            ssl=context,
            ssl_handshake_timeout=seconds,
            ssl_shutdown_timeout=SHUTDOWN_SECONDS,
        )
    except BaseException:
        taken.close()
        raise


async def dial_tls(
    taken: socket.socket, protocol: asyncio.Protocol, context: ssl.SSLContext, seconds: float
) -> None:
    """TLS on a socket that this side connected, which is closed if it fails.

    Raises:
        OSError: If the handshake fails.
    """
    try:
        await asyncio.get_running_loop().create_connection(
            lambda: protocol,
            sock=taken,
            ssl=context,
            server_hostname="",
            ssl_handshake_timeout=seconds,
            ssl_shutdown_timeout=SHUTDOWN_SECONDS,
        )
    except BaseException:
        taken.close()
        raise


def _family(ip: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in ip else socket.AF_INET


def listen(address: Address) -> socket.socket:
    """A listening socket.

    Raises:
        OSError: If the address is not free, or not one of this machine.
    """
    listener = socket.socket(_family(address.host), socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address.host, address.port))
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def check_source(source: str) -> None:
    """Finds out now, not at every attempt, that an address cannot be dialled from.

    Raises:
        SourceError: If it is not an address of this machine.
    """
    with socket.socket(_family(source), socket.SOCK_STREAM) as probe:
        try:
            probe.bind((source, 0))
        except OSError as error:
            msg = f"cannot connect from {source} ({error.strerror})"
            raise SourceError(msg) from error


async def accept(
    listener: socket.socket,
    admit: Callable[[IPAddress], bool],
    take: Callable[[socket.socket, IPAddress], None],
) -> None:
    """Accepts for ever; what `admit` refuses is closed before it costs anything."""
    while True:
        # Others have their turn between two connections.
        await asyncio.sleep(0)
        try:
            taken, place = listener.accept()
        except BlockingIOError:
            await _readable(listener)
            continue
        except OSError as error:
            # Out of file descriptors, most likely: others may close some.
            log.warning("cannot accept connections: %s", error)
            await asyncio.sleep(ACCEPT_PAUSE)
            continue
        taken.setblocking(False)
        ip = as_ip(place[0].partition("%")[0])
        if ip is None or not admit(ip):
            _drop(taken)
            continue
        take(taken, ip)


async def _readable(listener: socket.socket) -> None:
    """Waits for a connection to accept.

    Unlike `loop.sock_accept`, which fails in the event loop and loses the connection if it is
    cancelled while one comes in.
    """
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(listener, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(listener)


@dataclass(frozen=True, slots=True)
class Dialler:
    """How this node reaches others.

    `source` is the local IP address to dial from, and addresses of its family alone are dialled.
    `proxy` is an HTTP proxy that knows CONNECT; with one, names are resolved there. Every IP
    address dialled is checked against `rules`.
    """

    rules: IpRules
    source: str | None
    proxy: Address | None

    async def connect(self, address: Address) -> socket.socket:
        """A connected socket.

        Raises:
            DialError: `ip_denied`, `unresolved`, `proxy_refused`, `proxy_unreachable`.
            OSError: If nobody answers.
        """
        if address.ip is not None and not self.rules.permits(address.ip):
            raise DialError("ip_denied")
        if self.proxy is None:
            return await self._connect(address, self.rules)
        taken = await self._connect(self.proxy, IpRules())
        try:
            await _ask_proxy(taken, address)
        except BaseException:
            taken.close()
            raise
        return taken

    async def _connect(self, address: Address, rules: IpRules) -> socket.socket:
        loop = asyncio.get_running_loop()
        # From an IPv4 address no IPv6 address is reached, nor the other way round.
        wanted = socket.AF_UNSPEC if self.source is None else _family(self.source)
        found = await loop.getaddrinfo(
            address.host, address.port, family=wanted, type=socket.SOCK_STREAM
        )
        failure: OSError | DialError = DialError("unresolved")
        for family, kind, protocol, _, place in found[:RESOLVED_MAX]:
            ip = as_ip(str(place[0]))
            if ip is None or not rules.permits(ip):
                failure = DialError("ip_denied")
                continue
            taken = socket.socket(family, kind, protocol)
            try:
                taken.setblocking(False)
                tune(taken)
                if self.source is not None:
                    taken.bind((self.source, 0))
                await loop.sock_connect(taken, place)
            except OSError as error:
                taken.close()
                failure = error
            except BaseException:
                taken.close()
                raise
            else:
                return taken
        raise failure


async def _ask_proxy(taken: socket.socket, address: Address) -> None:
    """HTTP CONNECT. The peer speaks after us only, so all that comes is the proxy's answer."""
    loop = asyncio.get_running_loop()
    request = f"CONNECT {address} HTTP/1.1\r\nHost: {address}\r\n\r\n"
    await loop.sock_sendall(taken, request.encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        part = await loop.sock_recv(taken, PROXY_ANSWER_BYTES_MAX - len(answer))
        if not part:
            raise DialError("proxy_refused")
        answer += part
    status = answer.split(b"\r\n", 1)[0].split(b" ")
    if len(status) < 2 or not status[0].startswith(b"HTTP/1."):
        raise DialError("proxy_refused")
    if status[1] in PROXY_REACHED_NOBODY:
        raise DialError("proxy_unreachable")
    # Bytes behind the answer cannot be the peer's.
    if status[1] != b"200" or not answer.endswith(b"\r\n\r\n"):
        raise DialError("proxy_refused")


def tune(taken: socket.socket) -> None:
    """Votes leave at once and do not stand behind much."""
    taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, NOT_SENT_BYTES)


def _drop(taken: socket.socket) -> None:
    """Closes at once, without leaving the port in TIME_WAIT."""
    with contextlib.suppress(OSError):
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    taken.close()


def remote(taken: socket.socket) -> IPAddress | None:
    """The IP address at the other end; None if it has gone already."""
    try:
        return as_ip(str(taken.getpeername()[0]).partition("%")[0])
    except OSError:
        return None


def failure(error: OSError | DialError) -> str:
    """A stable code for what went wrong before TLS was established."""
    if isinstance(error, DialError):
        return error.reason
    kinds: tuple[tuple[type[OSError] | tuple[type[OSError], ...], str], ...] = (
        (ssl.SSLCertVerificationError, "certificate"),
        (ssl.SSLError, "tls"),
        ((TimeoutError, ConnectionAbortedError), "timeout"),
        (ConnectionRefusedError, "refused"),
        (socket.gaierror, "unresolved"),
        (ConnectionError, "lost"),
    )
    return next((code for kind, code in kinds if isinstance(error, kind)), "unreachable")
