"""Shares of the pool: no connection, organisation or account takes it from the others. Pure.

A transaction counts from its admission until its outcome: for the connection that it came over,
for the organisation of that connection's certificate if it showed one, and for its source account.
Accounts are counted by the fingerprints that the core gives, in one pass per group.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from bubi import core

Key = TypeVar("Key", str, int)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where transactions came from.

    `connection` is a client's address or a peer. `organisation` is the one that its certificate
    names; None: it showed none, so that only its connection is limited. `client` is the label
    under which metrics count it; empty: they do not.
    """

    connection: str
    organisation: str | None = None
    client: str = ""


@dataclass(frozen=True, slots=True)
class ShareLimits:
    """Most waiting transactions of one connection, one organisation, one account."""

    connection: int
    organisation: int
    account: int


@dataclass(frozen=True, slots=True)
class Charge:
    """What a group of transactions takes of the shares, until it is given back."""

    origins: Mapping[Origin, int]
    accounts: Mapping[int, int]


@dataclass(slots=True, eq=False)
class Shares:
    """See the module."""

    limits: ShareLimits
    _connections: Counter[str] = field(default_factory=Counter)
    _organisations: Counter[str] = field(default_factory=Counter)
    _accounts: Counter[int] = field(default_factory=Counter)

    def refusal(self, origin: Origin, count: int) -> str | None:
        """Why an origin gets no room for so many more transactions; None if it does."""
        limits, organisation = self.limits, origin.organisation
        held = self._connections[origin.connection]
        if held + count > limits.connection:
            return f"{origin.connection} has {held} transactions waiting here already"
        if organisation is not None:
            held = self._organisations[organisation]
            if held + count > limits.organisation:
                return f"clients of {organisation} have {held} transactions waiting here already"
        return None

    def beyond(
        self, admission: core.Admission, origins: Sequence[Origin] | None = None
    ) -> set[int]:
        """Places of admitted transactions for which there is no room; the first come first.

        `origins` has one per transaction received where each has its own; else accounts alone
        count.
        """
        sources = _sources(admission)
        counts = Counter(sources)
        most, held = self.limits.account, self._accounts
        greedy = {one for one, count in counts.items() if one and held.get(one, 0) + count > most}
        if not greedy and origins is None:
            return set()
        refused: set[int] = set()
        accounts: Counter[int] = Counter()
        taken = Shares(self.limits, self._connections.copy(), self._organisations.copy())
        for place, source in enumerate(sources):
            if not source:
                continue
            if source in greedy:
                accounts[source] += 1
                if held.get(source, 0) + accounts[source] > most:
                    refused.add(place)
                    continue
            if origins is not None:
                origin = origins[place]
                if taken.refusal(origin, 1) is None:
                    taken.take(Charge({origin: 1}, {}))
                else:
                    refused.add(place)
        return refused

    @staticmethod
    def charge(admission: core.Admission, origins: Origin | Sequence[Origin]) -> Charge:
        """What an admission will take: of one origin, or of one per transaction received."""
        sources = _sources(admission)
        accounts = Counter(sources)
        accounts.pop(0, None)
        if isinstance(origins, Origin):
            return Charge({origins: len(admission)}, accounts)
        admitted = (origin for origin, source in zip(origins, sources, strict=True) if source)
        return Charge(Counter(admitted), accounts)

    def take(self, charge: Charge) -> None:
        """Counts a group."""
        self._move(charge, 1)

    def give_back(self, charge: Charge) -> None:
        """Forgets a group that has its outcome."""
        self._move(charge, -1)

    def _move(self, charge: Charge, sign: int) -> None:
        for origin, count in charge.origins.items():
            _add(self._connections, origin.connection, sign * count)
            if origin.organisation is not None:
                _add(self._organisations, origin.organisation, sign * count)
        if sign > 0:
            self._accounts.update(charge.accounts)
            return
        self._accounts.subtract(charge.accounts)
        for source in [one for one in charge.accounts if not self._accounts[one]]:
            del self._accounts[source]


def _add(counter: Counter[Key], key: Key, count: int) -> None:
    """Adds to a number; one that falls to zero is forgotten."""
    left = counter[key] + count
    if left:
        counter[key] = left
    else:
        del counter[key]


def _sources(admission: core.Admission) -> Sequence[int]:
    """Fingerprint of the source account per transaction received; 0 where it was refused."""
    return memoryview(admission.sources).cast("Q")
