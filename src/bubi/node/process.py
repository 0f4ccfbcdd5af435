"""Composition root of a node.

Opens the ledger, starts the replica, its network and the API, stops in order.
"""

import asyncio
import contextlib
import gc
import hashlib
import logging
import signal
import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import uvicorn

from bubi import core, engines
from bubi.comet import ENGINE as COMETBFT
from bubi.comet.home import reason_against
from bubi.comet.server import SOCKET_PATH_BYTES_MAX
from bubi.consensus import OURS, Registry, guard
from bubi.consensus.engine import Configuration
from bubi.ledger import CoreSignatures, LedgerView, key_bytes, restored_guard, set_quorum
from bubi.mempool import Limits, Mempool, Recent
from bubi.network import certificates as network_certificates
from bubi.node import config, files, tolerance
from bubi.node.api.app import build
from bubi.node.api.certified import CertifiedProtocol
from bubi.node.api.leases import LeaseTable
from bubi.node.api.services import Explaining, Services
from bubi.node.certificates import read_certificate
from bubi.node.comet import CometHost
from bubi.node.comet_view import CometExplainer
from bubi.node.door import Door
from bubi.node.era import END_FILE
from bubi.node.explain import Explainer
from bubi.node.fatal import exit_at_once
from bubi.node.governance import Governance, authorities_of
from bubi.node.health import Health
from bubi.node.heights import Heights
from bubi.node.host import ReplicaHost
from bubi.node.learning import learn_keys
from bubi.node.links import Links, Place
from bubi.node.metrics import Metrics
from bubi.node.monitoring import operator
from bubi.node.monitoring.host import HostMeter
from bubi.node.monitoring.logbook import Logbook
from bubi.node.ports import SystemClock, Threads
from bubi.node.shares import ShareLimits
from bubi.node.trust import trust_document
from bubi.replica.replica import Replica
from bubi.replica.settings import ReplicaSettings

log = logging.getLogger("bubi.node")

EXIT_GOOD = 0
EXIT_FINDING = 1
EXIT_USAGE = 2
RECENT_RETENTION_MS = 600_000
DRAIN_SECONDS = 3
KEEP_ALIVE_SECONDS = 75
BACKLOG = 2_048


def run(config_path: Path) -> int:
    """Runs a node until SIGTERM or SIGINT; returns the exit status."""
    try:
        settings = config.load(config_path)
        logging.basicConfig(
            level=settings.log.level.upper(),
            format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        )
        parts = _open(settings)
    except (config.ConfigError, files.FileError) as error:
        return _report(str(error), EXIT_USAGE)
    except core.StorageFatal as error:
        exit_at_once(error)
    except (core.CoreError, OSError) as error:
        text = _explain(error)
        if isinstance(error, core.CoreError) and core.error_code(error) == "wrong_chain":
            text = f"{text} (here {settings.node.genesis})"
        return _report(text, EXIT_FINDING)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(_serve(parts))
    except files.FileError as error:
        return _report(str(error), EXIT_USAGE)
    finally:
        _close(parts.chain)


def _close(chain: core.Chain) -> None:
    """Writes what lies behind the log; a failure loses nothing, the next start replays it."""
    try:
        chain.close()
    except core.CoreError as error:
        log.error("%s; nothing is lost: the next start reads the log", core.error_detail(error))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """The faster event loop where it is installed."""
    try:
        import uvloop  # noqa: PLC0415 - optional: there are machines without wheels for it
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


@dataclass(frozen=True, slots=True)
class _Parts:
    """What is open before the event loop starts."""

    settings: config.Config
    chain: core.Chain
    genesis: bytes
    key: core.SigningKey | None
    guard: guard.GuardState
    listener: socket.socket


def _open(settings: config.Config) -> _Parts:
    genesis = files.read_genesis(settings.node.genesis)
    key = files.read_key(settings.node.validator_key) if settings.node.validator_key else None
    listener = _listen(settings.api)
    try:
        settings.node.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        store = settings.store
        chain = core.Chain.open(
            str(settings.node.data),
            genesis,
            proof_window=store.proof_window,
            segment_bytes=store.segment_bytes,
            leases=store.leases_max,
            known_keys=store.known_keys_max,
        )
        try:
            _check_member(settings, key, chain)
            _check_tolerance(settings, key, genesis, chain)
            restored = restored_guard(chain)
        except (files.FileError, config.ConfigError):
            _close(chain)
            raise
    except BaseException:
        listener.close()
        raise
    return _Parts(settings, chain, genesis, key, restored, listener)


def _check_member(settings: config.Config, key: core.SigningKey | None, chain: core.Chain) -> None:
    """Refuses a start that could never do what the configuration says, with the cure."""
    fields = core.decode_json(core.validator_set_to_json(chain.validator_set))["v1"]
    total = sum(int(validator["weight"]) for validator in fields["validators"])
    if set_quorum(fields) > total:
        msg = (
            f"the genesis asks for {set_quorum(fields)} of {total} votes, which can never be "
            "reached: make a new one with `bubi network create`"
        )
        raise files.FileError(msg)
    known = [key_bytes(validator["key"]) for validator in fields["validators"]]
    votes = key is not None and key.public_key in known
    if fields["engine"] == COMETBFT:
        _check_comet(settings, chain, votes=votes)
        return
    if key is not None and not votes and fields["engine"] == "solo":
        msg = (
            f"{settings.node.validator_key} is not the key of this chain's validator: restore it "
            "from a backup, or remove node.validator_key from the configuration to serve reads "
            "only"
        )
        raise files.FileError(msg)
    if votes and len(known) > 1 and settings.network.certificate is None:
        msg = (
            "this node is one of several validators and has no network: set network.certificate, "
            "network.key and network.seeds"
        )
        raise files.FileError(msg)
    if key is not None and not votes:
        log.warning("the key of this node has no vote: it follows the network as an observer")
    named = {(one["name"], one["organisation"]) for one in fields["validators"]}
    if key is None and (settings.node.name, settings.node.organisation) in named:
        log.warning(
            "the genesis names %s as a validator, and it has no node.validator_key: it only "
            "follows the network",
            settings.node.name,
        )


def _check_comet(settings: config.Config, chain: core.Chain, *, votes: bool) -> None:
    reason = reason_against(core.decode_json(core.genesis_to_json(chain.genesis))["v1"])
    socket_path = settings.cometbft.abci
    if reason is not None:
        msg = f"{reason}: make a new genesis with `bubi network create`"
    elif socket_path is None:
        msg = "the genesis names the engine cometbft: set cometbft.abci and cometbft.rpc"
    elif len(str(socket_path).encode()) > SOCKET_PATH_BYTES_MAX:
        msg = f"cometbft.abci {socket_path} is too long for a socket: choose a shorter folder"
    elif not votes:
        msg = (
            "this version runs validators only where CometBFT decides: set node.validator_key to "
            "the vote key that the genesis names"
        )
    else:
        return
    raise files.FileError(msg)


def _check_tolerance(
    settings: config.Config, key: core.SigningKey | None, genesis: bytes, chain: core.Chain
) -> None:
    """Refuses to vote in a set that cannot miss one member, unless its owner knows that."""
    fields = core.decode_json(core.genesis_to_json(genesis))["v1"]
    voters = [key_bytes(one["key"]) for one in fields["validators"]["v1"]["validators"]]
    if key is None or key.public_key not in voters:
        return
    present = core.decode_json(core.validator_set_to_json(chain.validator_set))["v1"]
    try:
        tolerance.check(fields, settings.node.acknowledged, epoch=int(present["epoch"]))
    except tolerance.ToleranceError as error:
        names = ", ".join(f'"{name}"' for name in error.missing)
        msg = f"{error}; if that is what its owners want, add {names} to node.acknowledged"
        raise files.FileError(msg) from error


def _listen(api: config.ApiSection) -> socket.socket:
    family = socket.AF_INET6 if ":" in api.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((api.host, api.port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        place = f"{api.host} port {api.port}"
        msg = f"cannot listen on {place} ({error.strerror}): set another api.port"
        raise files.FileError(msg) from error
    listener.setblocking(False)
    return listener


async def _serve(parts: _Parts) -> int:
    settings, chain = parts.settings, parts.chain
    threads, clock, health, metrics = Threads(), SystemClock(), Health(), Metrics()
    pool: Mempool[core.Admission] = Mempool(
        Limits(settings.pool.transactions_max, settings.pool.bytes_max)
    )
    recent = Recent(settings.pool.remembered_max, RECENT_RETENTION_MS)
    door = Door(
        chain,
        threads,
        clock,
        pool,
        recent,
        health,
        metrics,
        settings.api.linger_ms,
        ShareLimits(
            settings.pool.share_max,
            settings.pool.organisation_share_max,
            settings.pool.account_share_max,
        ),
    )
    own_key = parts.key.public_key if parts.key is not None else None
    ledger = LedgerView(chain, own_key)
    configuration = ledger.configuration()
    shared = _Shared(parts, threads, clock, door, health, metrics, ledger)
    host, explainer, governance, links = (
        _comet_engine(shared)
        if configuration.engine == COMETBFT
        else _native_engine(shared, configuration)
    )
    stopping = asyncio.Event()
    trust = trust_document(parts.genesis)
    services = Services(
        chain,
        threads,
        clock,
        door,
        host.heights,
        health,
        metrics,
        settings.api,
        trust,
        LeaseTable(chain, settings.store.leases_max, settings.api.lease_seconds),
        stopping,
        explainer,
        settings.node.data / END_FILE if "predecessor" in trust else None,
    )
    try:
        server = _Server(_server_config(settings.api, services))
    except OSError as error:
        names = ", ".join(map(str, _tls_files(settings.api)))
        msg = f"the files for TLS cannot be used ({error}): check {names}"
        raise files.FileError(msg) from error
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    if links is not None:
        await links.start()
    try:
        async with operator.listening(settings.operator, _desk(settings, services)):
            # What lives as long as the process is never looked at again for garbage.
            gc.collect()
            gc.freeze()
            deciding = asyncio.create_task(host.run())
            looking = asyncio.create_task(_beside(explainer, governance, chain, threads))
            serving = asyncio.create_task(server.serve(sockets=[parts.listener]))
            log.info("node %s at height %d, listening", settings.node.name, chain.height)
            tasks = (deciding, serving, looking)
            return await _until_stopped(host, links, tasks, services, server)
    finally:
        threads.close()


class _Host(Protocol):
    """What decides in this process, or stands for it."""

    heights: Heights

    async def run(self) -> None:
        """Works until `stop`."""
        ...

    def stop(self) -> None:
        """Ends `run`."""
        ...


class _Explainer(Explaining, Protocol):
    async def run(self) -> None:
        """Looks again and again."""
        ...


@dataclass(frozen=True, slots=True)
class _Shared:
    """What every engine works with."""

    parts: _Parts
    threads: Threads
    clock: SystemClock
    door: Door
    health: Health
    metrics: Metrics
    ledger: LedgerView


_Engine = tuple[_Host, _Explainer, Governance, Links | None]


def _comet_engine(shared: _Shared) -> _Engine:
    """CometBFT beside this process; other nodes are met by it alone."""
    parts, health, clock, door = shared.parts, shared.health, shared.clock, shared.door
    chain, ledger = parts.chain, shared.ledger
    host = CometHost(
        chain,
        ledger,
        parts.key,
        shared.threads,
        clock,
        door,
        health,
        shared.metrics,
        parts.settings.cometbft,
        parts.settings.block.heartbeat_ms,
    )
    only = frozenset({COMETBFT})
    governance = Governance(chain, ledger, parts.key, door, clock, only, health, host.alarm)
    host.on_block = governance.look
    governance.look()
    return host, CometExplainer(host, chain, ledger, health, clock), governance, None


def _native_engine(shared: _Shared, configuration: Configuration) -> _Engine:
    """A replica in this process, and its network."""
    parts, settings, clock = shared.parts, shared.parts.settings, shared.clock
    chain, health, metrics = parts.chain, shared.health, shared.metrics
    ledger, door = shared.ledger, shared.door
    signatures = CoreSignatures(chain.chain_id, chain.suite)
    registry = _engines()
    replica = Replica(
        registry.in_force(signatures),
        signatures,
        _replica_settings(settings, clock, registry),
        _told(parts.guard, health),
        door.pool,
        _node_id(settings),
    )
    host = ReplicaHost(
        chain,
        replica,
        ledger,
        parts.key,
        shared.threads,
        clock,
        door,
        health,
        metrics,
        settings.block.heartbeat_ms,
    )
    governance = Governance(
        chain, ledger, parts.key, door, clock, registry.names, health, host.alarm
    )
    host.on_block = governance.look
    host.on_evidence = governance.report
    links: Links | None = None
    if settings.network.certificate is not None:
        listed = authorities_of(ledger.organisations)
        place = Place(chain.chain_id, listed, configuration.own is None)
        links = Links(settings.network, place, host, clock, metrics)
        host.connect(links)
        governance.connect(links)
    governance.look()
    explainer = Explainer(
        replica,
        health,
        clock,
        lambda: host.evidence,
        list if links is None else links.snapshot,
        dict if links is None else links.counters,
    )
    return host, explainer, governance, links


def _desk(settings: config.Config, services: Services) -> operator.Desk:
    metrics = services.metrics.host
    meter, logbook = HostMeter(settings.node.data, metrics), Logbook(metrics)
    if settings.operator.port is not None:
        logging.getLogger().addHandler(logbook)
    return operator.Desk(services, meter, logbook, settings.node.name, settings.node.organisation)


async def _beside(
    explainer: _Explainer, governance: Governance, chain: core.Chain, threads: Threads
) -> None:
    """Works beside the ledger until the node stops; a failure of one task ends all."""
    async with asyncio.TaskGroup() as group:
        group.create_task(explainer.run())
        group.create_task(governance.run())
        group.create_task(learn_keys(chain, threads))


def _engines() -> Registry:
    """The engines that run here; each installed one that cannot is named in the log."""
    registry = engines.installed()
    for name, reason in registry.faults.items():
        log.error("the engine %s does not run: %s", name, reason)
    others = sorted(registry.names - OURS.names)
    if others:
        log.info("engines of other makers: %s", ", ".join(others))
    return registry


def _replica_settings(
    settings: config.Config, clock: SystemClock, registry: Registry
) -> ReplicaSettings:
    limits = core.limits()
    return ReplicaSettings(
        settings.node.name,
        settings.node.organisation,
        clock.now_ms(),
        limits["BATCH_TRANSACTIONS_MAX"],
        limits["BATCH_BYTES_MAX"],
        engines=registry.names,
    )


def _told(restored: guard.GuardState, health: Health) -> guard.GuardState:
    """The same; a silent one is said."""
    if restored.silent is not None:
        log.error("guard_silent: %s", restored.silent)
        health.raise_reason("guard_silent", restored.silent)
    return restored


def _node_id(settings: config.Config) -> bytes:
    """What other nodes know this one by; a node without a network needs some name as well."""
    if settings.network.certificate is None:
        return hashlib.sha256(settings.node.name.encode()).digest()
    return network_certificates.node_id(read_certificate(settings.network.certificate))


async def _until_stopped(
    host: _Host,
    links: Links | None,
    tasks: "tuple[asyncio.Task[None], asyncio.Task[None], asyncio.Task[None]]",
    services: Services,
    server: "_Server",
) -> int:
    deciding, serving, looking = tasks
    stopper = asyncio.create_task(services.stopping.wait())
    await asyncio.wait({stopper, *tasks}, return_when=asyncio.FIRST_COMPLETED)
    stopper.cancel()
    services.health.raise_reason("stopping", "the node is stopping")
    services.stopping.set()
    host.stop()
    status = EXIT_GOOD
    if looking.done():
        log.critical("the node failed", exc_info=looking.exception())
        status = EXIT_FINDING
    try:
        await deciding
    except RuntimeError as error:
        log.critical("%s", error)
        status = EXIT_FINDING
    services.door.close()
    if links is not None:
        await links.stop()
    host.heights.publish(host.heights.height)
    server.should_exit = True
    try:
        await serving
    except OSError as error:
        log.critical("the API failed: %s", error)
        status = EXIT_FINDING
    log.info("stopped at height %d", services.chain.height)
    return status


class _Server(uvicorn.Server):
    """The HTTP server; the node handles the signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves the signals alone."""
        yield


def _server_config(api: config.ApiSection, services: Services) -> uvicorn.Config:
    result = uvicorn.Config(
        build(services),
        http=CertifiedProtocol,
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
        date_header=True,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        ssl_certfile=str(api.tls_certificate) if api.tls_certificate else None,
        ssl_keyfile=str(api.tls_key) if api.tls_key else None,
        ssl_ca_certs=str(api.client_authority) if api.client_authority else None,
        ssl_cert_reqs=ssl.CERT_REQUIRED if api.client_authority else ssl.CERT_NONE,
    )
    result.load()
    if result.ssl is not None:
        result.ssl.minimum_version = ssl.TLSVersion.TLSv1_3
    return result


def _tls_files(api: config.ApiSection) -> list[Path]:
    named = (api.tls_certificate, api.tls_key, api.client_authority)
    return [path for path in named if path is not None]


def _explain(error: core.CoreError | OSError) -> str:
    if isinstance(error, core.Damaged):
        return f"the ledger is damaged: {core.error_detail(error)}. Run `bubi node check`."
    if isinstance(error, core.CoreError):
        return f"{core.error_code(error)}: {core.error_detail(error)}"
    return str(error)


def _report(text: str, status: int) -> int:
    sys.stderr.write(f"bubi: {text}\n")
    return status
