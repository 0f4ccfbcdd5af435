"""Gives a gateway its accounts, its watch over the nodes, and its alarms."""

import logging
import ssl
from functools import partial
from pathlib import Path

from sqlalchemy.exc import OperationalError

from bubi.gateway.accounts.oidc import Logins
from bubi.gateway.accounts.provider import registered
from bubi.gateway.accounts.records import AccountRecords
from bubi.gateway.accounts.service import Accounts
from bubi.gateway.alarms import ledger
from bubi.gateway.alarms.channels import deliver
from bubi.gateway.alarms.machine import Reading
from bubi.gateway.alarms.readings import KnownClients
from bubi.gateway.alarms.records import Records
from bubi.gateway.alarms.service import Alarms
from bubi.gateway.config import Config, MonitoringSection, NodeSection
from bubi.gateway.index.reader import NotReadyError
from bubi.gateway.monitoring.poller import Poller, Target, now_ms
from bubi.gateway.monitoring.service import Monitor
from bubi.gateway.series.store import SeriesStore
from bubi.gateway.service import Gateway

log = logging.getLogger("bubi.gateway.monitoring")

ACCOUNTS_FILE = "accounts.sqlite"
ALARMS_FILE = "alarms.sqlite"
SERIES_FILE = "series.sqlite"
OWN = "own"
"""Name of the own node where `monitoring.nodes` gives it none."""


def watch(gateway: Gateway) -> None:
    """Opens the files in the data folder, and adds the part that watches."""
    config = gateway.config
    folder = config.gateway.data
    secure = config.gateway.tls_certificate is not None
    accounts = open_accounts(folder)
    sessions = Accounts(accounts, now_ms, config.gateway.port, secure=secure)
    gateway.sessions = sessions
    provider = registered(config.oidc)
    if provider is not None:
        sessions.oidc = Logins(provider)
    poller = Poller(targets(config), _tls(config.node, config.monitoring))
    tell = partial(deliver, allowed=config.alarms.internal_networks)
    alarms = Alarms(Records(folder / ALARMS_FILE), now_ms, tell)
    alarms.publish = partial(gateway.news.tell, "alarm")
    series = SeriesStore(folder / SERIES_FILE)
    named = config.monitoring.clients
    clients = KnownClients(named) if named else None
    gateway.monitor = Monitor(poller, series, alarms, now_ms, partial(_ledger, gateway), clients)
    gateway.parts.append(gateway.monitor)


def _ledger(gateway: Gateway, height: int) -> list[Reading]:
    """What the index shows, and how far it is behind the height that nodes tell."""
    if gateway.follower is None or gateway.reader is None or not gateway.follower.state.begun:
        return []
    lag = max(0, height - gateway.follower.state.height)
    own = [Reading("index_behind", "gateway", float(lag))]
    try:
        return own + ledger.readings(gateway.reader)
    except (NotReadyError, OperationalError) as error:
        log.warning("the alarms cannot read the index: %s", error)
        return own


def open_accounts(folder: Path) -> AccountRecords:
    """The users of the gateway with this data folder."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return AccountRecords(folder / ACCOUNTS_FILE)


def targets(config: Config) -> list[Target]:
    """Nodes to watch: the own one, and those that the configuration names."""
    nodes = dict(config.monitoring.nodes)
    if config.node.url not in nodes.values():
        nodes = {OWN: config.node.url, **nodes}
    operators = dict(config.monitoring.operators)
    return [Target(name, url, operators.get(name)) for name, url in nodes.items()]


def _tls(node: NodeSection, monitoring: MonitoringSection) -> ssl.SSLContext:
    """Trusts what either section trusts; shows the certificate of the first that has one."""
    context = ssl.create_default_context()
    for authority in (node.authority, monitoring.authority):
        if authority is not None:
            context.load_verify_locations(authority)
    for certificate, key in (
        (monitoring.certificate, monitoring.key),
        (node.certificate, node.key),
    ):
        if certificate is not None and key is not None:
            context.load_cert_chain(certificate, key)
            break
    return context
