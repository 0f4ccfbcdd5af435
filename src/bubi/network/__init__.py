"""Connections between nodes; README.md says which file is what."""

from bubi.network.addresses import Address, IpRules
from bubi.network.admission import DoorLimits
from bubi.network.certificates import Authority, CertificateError
from bubi.network.connection import ConnectionLimits, Delivery
from bubi.network.mesh import Host, Network, PeerInfo, Settings
from bubi.network.peers import NodeLists, Policy, TrustRules

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
    "NodeLists",
    "PeerInfo",
    "Policy",
    "Settings",
    "TrustRules",
]
