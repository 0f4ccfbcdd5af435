"""Recovery of a signer guard that fell silent: a decision of an operator, made while nothing runs.

A validator that may have forgotten a vote must not vote where it may have voted. The recovery does
not find out what was signed; it writes a floor into both places of the guard, below which nothing
is signed any more. How far that must reach, the operator says by typing the newest height that
anybody holds.
"""

from dataclasses import dataclass

from bubi import core
from bubi.consensus import guard
from bubi.consensus.guard import Phase, VoteRequest
from bubi.ledger import guard_records
from bubi.node import files
from bubi.node.config import Config


class RecoveryError(Exception):
    """The guard must not be recovered; `code` is stable."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Silent:
    """A guard that may be recovered: why it is silent, and the newest height of the log."""

    reason: str
    height: int
    engine: str


@dataclass(frozen=True, slots=True)
class Recovered:
    """The floor: nothing is signed at or below this height, round and phase."""

    height: int
    round: int


def look(settings: Config) -> Silent:
    """Says why the guard of a stopped node is silent.

    Raises:
        RecoveryError: it is not silent, or the node has no key to sign with.
        CoreError: the folder is in use or damaged.
        FileError: the genesis cannot be read.
    """
    chain = _open(settings)
    try:
        return _look(chain)
    finally:
        chain.close()


def recover(settings: Config, newest: int) -> Recovered:
    """Writes the floor; `newest` is the newest height that anybody holds.

    Raises:
        RecoveryError: the guard is not silent, or the log does not fit that height.
        CoreError: the folder is in use or damaged, or cannot be written.
        FileError: the genesis cannot be read.
    """
    chain = _open(settings)
    try:
        found = _look(chain)
        _check_height(found, newest)
        engine_set = core.decode_json(core.validator_set_to_json(chain.validator_set))["v1"]
        vote = VoteRequest(
            int(engine_set["epoch"]), found.engine, newest + 1, 0, Phase.CHANGE, bytes(32)
        )
        floor = guard.floor_above(*guard_records(chain), vote)
        record = guard.encode(floor)
        chain.append(core.RecordKind.GUARD, floor.request.height, record)
        chain.sync()
        chain.guard_settle(record)
        return Recovered(floor.request.height, floor.request.round)
    finally:
        chain.close()


def _open(settings: Config) -> core.Chain:
    if settings.node.validator_key is None:
        raise RecoveryError("no_validator", "this node has no validator key: it signs nothing")
    genesis = files.read_genesis(settings.node.genesis)
    if not settings.node.data.is_dir():
        raise RecoveryError("no_ledger", f"there is no ledger in {settings.node.data}")
    store = settings.store
    return core.Chain.open(str(settings.node.data), genesis, segment_bytes=store.segment_bytes)


def _look(chain: core.Chain) -> Silent:
    state = guard.restore(*guard_records(chain), chain.height)
    if state.silent is None:
        raise RecoveryError("guard_sound", "the guard is not silent: there is nothing to recover")
    fields = core.decode_json(core.validator_set_to_json(chain.validator_set))["v1"]
    return Silent(state.silent, chain.height, fields["engine"])


def _check_height(found: Silent, newest: int) -> None:
    if newest < found.height:
        raise RecoveryError(
            "height_mismatch", f"the log holds height {found.height}: the newest is not {newest}"
        )
    if found.engine == "solo" and newest != found.height:
        raise RecoveryError(
            "height_mismatch",
            f"the log ends at height {found.height}, but height {newest} was decided: blocks are "
            "missing here, and deciding them again would contradict the receipts handed out",
        )
