"""Rules about what the index shows, on ledgers whose time is made."""

import pytest
from sqlalchemy import Engine

from bubi.gateway.alarms import ledger
from bubi.gateway.alarms.machine import Event, Machine
from bubi.gateway.alarms.rules import BY_CODE, DEFAULTS
from bubi.gateway.index.reader import Reader
from bubi.gateway.index.writer import Writer

from ..model import values as v
from ..model.test_governance import DAY
from ..model.test_governance import Chain as Council
from .conftest import Databases
from .ledgers import Simulated

HOUR = DAY // 24


class Watched:
    """A ledger worked out by hand, its index, and what the rules see."""

    def __init__(self, engine: Engine) -> None:
        self.model = Council(proposal_lifetime=7 * DAY)
        self.chain = Simulated(1, self.model.genesis, ideal=False)
        self._writer = Writer(engine, self.chain.origin)
        chain = self.chain.chain
        self._reader = Reader(engine, chain.prefix, chain.suite, chain.chain_id.hex())
        self._done = 0

    def look(self) -> dict[tuple[str, str], float]:
        for time, batches in self.model.blocks[self._done :]:
            self.chain.decide(time, batches)
        self._done = len(self.model.blocks)
        export = self.chain.chain.export(self._writer.progress.height, 10_000, 1 << 30)
        if export:
            self._writer.write(self._writer.decode(export))
        found = ledger.readings(self._reader)
        return {one.place: one.value for one in found if one.value is not None}

    def bad(self) -> set[str]:
        """Codes of the rules whose readings are bad."""
        return {code for (code, _), value in self.look().items() if BY_CODE[code].bad(value)}


@pytest.fixture
def watched(database: Databases) -> Watched:
    return Watched(database.engine())


def test_votes_that_are_missing_near_the_end(watched: Watched) -> None:
    model = watched.model
    proposal = model.propose(v.SetQuorum(3, 4), expires=7 * DAY)
    place = ("proposal_unvoted", proposal.hex()[:12])
    model.vote(proposal, 0)
    assert watched.look()[place] == ledger.OK_HOURS
    model.block(after=6 * DAY + 2 * HOUR)
    assert 21 < watched.look()[place] < 22
    assert watched.bad() == {"proposal_unvoted"}
    # Those who said no have voted, too.
    model.vote(proposal, 1)
    model.vote(proposal, 2, approve=False)
    assert watched.bad() == {"proposal_unvoted"}
    model.vote(proposal, 3, approve=False)
    assert watched.bad() == set()


def test_a_short_proposal_is_not_late_from_its_beginning(watched: Watched) -> None:
    proposal = watched.model.propose(v.SetQuorum(3, 4), expires=2 * HOUR)
    assert watched.bad() == set()
    watched.model.block(after=HOUR + 60_000)
    assert watched.bad() == {"proposal_unvoted"}
    watched.model.block(after=HOUR)
    found = watched.look()["proposal_unvoted", proposal.hex()[:12]]
    assert found == ledger.OK_HOURS, "it has expired"


def create(watched: Watched, code: str, cap: int | None) -> bytes:
    model = watched.model
    definition = v.CreateAsset(code, code, v.AssetKind.FUNGIBLE, cap=cap)
    assert model.send(model.voices[0], definition) == 0
    return model.ledger.asset_id(model.voices[0], code)


def issue(watched: Watched, asset: bytes, amount: int) -> None:
    model = watched.model
    one = v.Issue(asset, model.voices[0], amount)
    assert model.send(model.voices[0], one) == 0


def test_a_supply_that_nears_its_cap(watched: Watched) -> None:
    capped, free = create(watched, "CAPPED", 1_000), create(watched, "FREE", None)
    issue(watched, capped, 949)
    issue(watched, free, 10**30)
    assert watched.bad() == set()
    issue(watched, capped, 1)
    assert watched.bad() == {"supply_near_cap"}
    ((code, key),) = [place for place, value in watched.look().items() if value == 0.95]
    assert (code, key) == ("supply_near_cap", f"CAPPED ({capped.hex()[:8]})")
    watched.model.block(after=DAY + HOUR)
    assert watched.bad() == set(), "what does not move is no news"


def test_an_issue_that_is_unusual(watched: Watched) -> None:
    asset = create(watched, "POINT", None)
    issue(watched, asset, 1_000)
    watched.model.block(after=HOUR)
    issue(watched, asset, 9_000)
    assert watched.bad() == set(), "a new asset is issued in large parts"
    watched.model.block(after=2 * DAY)
    issue(watched, asset, 4_000)
    assert watched.bad() == set()
    issue(watched, asset, 1_000)
    assert watched.bad() == {"issue_unusual"}
    watched.model.block(after=HOUR + 1)
    assert watched.bad() == set()


def test_an_alarm_of_the_index_fires_and_ends(watched: Watched) -> None:
    machine = Machine(DEFAULTS)

    def observe(now: int) -> list[Event]:
        watched.look()
        seen = machine.observe(ledger.readings(watched._reader), now)
        return [one.event for one in seen]

    asset = create(watched, "CAPPED", 100)
    issue(watched, asset, 100)
    assert observe(1_000) == [Event.FIRED]
    assert observe(2_000) == []
    one = v.Burn(asset, 50)
    assert watched.model.send(watched.model.voices[0], one) == 0
    assert observe(3_000) == [Event.RESOLVED]
