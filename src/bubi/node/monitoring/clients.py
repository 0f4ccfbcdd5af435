"""Which application a request comes from, as a label of metrics: a bounded number of names."""

from collections.abc import Mapping
from typing import Any

CLIENT = "bubi.client"
"""Where a request's scope has the name in the client's certificate."""
NAMES_MAX = 64
"""Certificates, addresses without one, and addresses that are kept outside, that are told apart;
the rest counts as `other`."""
NAME_CHARACTERS_MAX = 100
OTHER = "other"
UNKNOWN = "unknown"


class Clients:
    """Gives labels. Addresses, of which anybody may have many, take no room from certificates."""

    def __init__(self) -> None:
        self._certificates: set[str] = set()
        self._addresses: set[str] = set()
        self._outside: set[str] = set()

    def label(self, scope: Mapping[str, Any], *, outside: bool = False) -> str:
        """The label of a request: the name in its certificate, else its address.

        Addresses that the rules keep `outside` take no room from those that are let in.
        """
        certified = scope.get(CLIENT)
        if certified is not None:
            return _known(self._certificates, str(certified))
        client = scope.get("client")
        if client is None:
            return UNKNOWN
        return _known(self._outside if outside else self._addresses, str(client[0]))


def _known(names: set[str], name: str) -> str:
    name = name[:NAME_CHARACTERS_MAX]
    if name not in names:
        if len(names) >= NAMES_MAX:
            return OTHER
        names.add(name)
    return name
