"""Starts a gateway from its configuration and keeps it until a signal."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from sqlalchemy import Engine

from bubi.gateway import config, sandbox
from bubi.gateway.app import build
from bubi.gateway.follow import Index
from bubi.gateway.index.database import connect
from bubi.gateway.index.follower import Follower
from bubi.gateway.monitoring.assembly import watch
from bubi.gateway.node import Node
from bubi.gateway.sandbox import Sandbox
from bubi.gateway.service import Gateway
from bubi.gateway.stream import Health, News

log = logging.getLogger("bubi.gateway")

EXIT_GOOD = 0
EXIT_FINDING = 1
EXIT_USAGE = 2
BACKLOG = 512
KEEP_ALIVE_SECONDS = 30
DRAIN_SECONDS = 2


def run(file: Path) -> int:
    """Runs the gateway of a configuration file; the exit status of the process.

    Raises:
        ConfigError: the configuration cannot be used.
    """
    settings = config.load(file)
    logging.basicConfig(
        level=settings.log.level.upper(),
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    logging.getLogger("httpx").setLevel(logging.WARNING)
    settings.gateway.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    listener = _listen(settings.gateway)
    return asyncio.run(_serve(settings, listener))


def compose(settings: config.Config) -> Gateway:
    """The gateway with its parts, not working yet."""
    engine = database(settings)
    follower = Follower(engine, settings.node, settings.gateway.data)
    gateway = Gateway(settings, Node(settings.node), News(), follower)
    if settings.sandbox.keystore is not None:
        gateway.sandbox = Sandbox(settings)
    gateway.parts += [Index(gateway, engine), Health(gateway)]
    watch(gateway)
    return gateway


def database(settings: config.Config) -> Engine:
    """The database of the index."""
    return connect(settings.index.database or settings.gateway.data / "index.sqlite")


async def _serve(settings: config.Config, listener: socket.socket) -> int:
    gateway = compose(settings)
    server = _Server(_server_config(gateway))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, gateway.stopping.set)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    stopped = asyncio.create_task(gateway.stopping.wait())
    log.info("listening at %s", url(settings.gateway))
    await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
    gateway.stopping.set()
    server.should_exit = True
    await serving
    stopped.cancel()
    log.info("stopped")
    return EXIT_GOOD if gateway.failure is None else EXIT_FINDING


def url(settings: config.GatewaySection) -> str:
    """Where browsers find it."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    scheme = "http" if settings.tls_certificate is None else "https"
    return f"{scheme}://{host}:{settings.port}"


class _Server(uvicorn.Server):
    """The HTTP server; the gateway handles the signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves the signals alone."""
        yield


def _server_config(gateway: Gateway) -> uvicorn.Config:
    settings = gateway.config.gateway
    return uvicorn.Config(
        build(gateway, [sandbox.router] if gateway.sandbox is not None else []),
        http="httptools",
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        ssl_certfile=str(settings.tls_certificate) if settings.tls_certificate else None,
        ssl_keyfile=str(settings.tls_key) if settings.tls_key else None,
    )


def _listen(settings: config.GatewaySection) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        place = f"{settings.host} port {settings.port}"
        msg = (
            f"cannot listen on {place} ({os.strerror(error.errno or 0)}): set another gateway.port"
        )
        raise config.ConfigError(msg) from error
    listener.setblocking(False)
    return listener
