"""Connections between nodes. `transport.py` is the edge; the rest is pure but `connection.py`."""

from bubi.network.addresses import Address, IpRules
from bubi.network.admission import DoorLimits
from bubi.network.certificates import Authority, CertificateError
from bubi.network.connection import ConnectionLimits, Delivery
from bubi.network.peers import Policy, TrustRules
from bubi.network.transport import Host, Network, PeerInfo, Settings

__all__ = [
    "Address",
    "Authority",
    "CertificateError",
    "ConnectionLimits",
    "Delivery",
    "DoorLimits",
    "Host",
    "IpRules",
    "Network",
    "PeerInfo",
    "Policy",
    "Settings",
    "TrustRules",
]
