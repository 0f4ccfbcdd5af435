"""Records chains for this release: `python -m tests.corpus.record FOLDER`.

The generator of the reference model fills them from fixed seeds, and the model has to agree with
every block. Everything is signed for real, so that a replay checks all that a node checks.
"""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from bubi import core
from tests.gateway.ledgers import POOL, SECRETS, Simulated, signature
from tests.model import keys
from tests.model import values as v
from tests.model.bcs import decode
from tests.model.generator import PROFILES, Chosen, Generator, Profile, Sent
from tests.model.ledger import NUMBERS, Transaction

from .files import outcome_of, parts_of

CHAINS = {"standard": (16, PROFILES[1]), "national": (5, PROFILES[4])}
"""Seed and profile of each chain, by its name."""
BLOCKS_MAX = 250
DRAWS_MAX = 50
NAMES = core.operation_names()
BLOCKS_MIN = 36


class Signing(Generator):
    """Transactions that pass a node's door: signed for real, possible on the newest state."""

    door: Callable[[Transaction, int], bool] | None = None

    def __init__(self, random: Random, profile: Profile) -> None:
        self.done: set[str] = set()
        super().__init__(random, profile)

    def operation(self) -> Chosen:
        """One of the model, mostly of a kind that has not happened yet."""
        chosen = super().operation()
        for _ in range(DRAWS_MAX if self.often(70) else 0):
            if NAMES[NUMBERS[type(chosen[1])]] not in self.done:
                break
            chosen = super().operation()
        return chosen

    def signing_keys(self, actors: list[bytes]) -> frozenset[bytes]:
        """Those of the model, without the keys of which nobody has the secret."""
        chosen = {key for key in super().signing_keys(actors) if key in POOL or key in SECRETS}
        return frozenset(chosen or {keys.VALID[0]})

    def transaction(self) -> Sent:
        """One of the model, drawn again while the door refuses it."""
        sent = super().transaction()
        for _ in range(DRAWS_MAX):
            if self.door is None or self.door(sent.transaction, self.time):
                break
            sent = super().transaction()
        return sent


class Recorded(Simulated):
    """A chain of the generator, decided by all of its validators."""

    def __init__(self, seed: int, profile: Profile) -> None:
        self.generator = Signing(Random(seed), profile)
        super().__init__(seed, self.generator.genesis, ideal=False)
        self._sign = signature
        self.generator.door = self.lets_in

    @property
    def missing(self) -> list[str]:
        """Operations that never happened."""
        return [name for name in NAMES if name not in self.generator.done]

    def lets_in(self, transaction: Transaction, now: int) -> bool:
        """Whether the node takes a transaction for its next block."""
        bulk = core.bulk_body([self._signed(transaction)])
        return not self.chain.admit(bulk, now).refused

    def block(self) -> None:
        """One more block, which the model has to have understood in the same way."""
        time, batches = self.generator.block()
        self.decide(time, batches)
        model = self.generator.ledger
        assert self.chain.height == model.height
        outcome = self.generator.result.outcome
        if self.chain.state_root != outcome.state_root:
            raise ValueError(f"height {model.height}: the model came to another state")
        text = self.chain.block_json(self.chain.height, True)
        assert text is not None
        final = {
            one["id"] for one in core.decode_json(text)["transactions"] if one["code"] == "final"
        }
        for transaction in (one for batch in batches for one in batch):
            if model.transaction_hash(transaction.body).hex() not in final:
                continue
            body = decode(v.Body, transaction.body)
            kinds = {NAMES[NUMBERS[type(one.body)]] for one in body.operations}
            self.generator.done |= kinds


def record(folder: Path, seed: int, profile: Profile) -> None:
    """Writes one chain that reaches every operation."""
    made = Recorded(seed, profile)
    while made.missing or made.chain.height < BLOCKS_MIN:
        if made.chain.height == BLOCKS_MAX:
            raise ValueError(f"seed {seed} never reaches {', '.join(made.missing)}")
        made.block()
    heights = range(1, made.chain.height + 1)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "genesis.bin").write_bytes(made.genesis)
    blocks = [parts_of(made.chain, height) for height in heights]
    (folder / "blocks.bin").write_bytes(b"".join(blocks))
    lines = [json.dumps(outcome_of(made.chain, height)) + "\n" for height in heights]
    (folder / "expected.jsonl").write_text("".join(lines), encoding="utf-8")


def main(arguments: Sequence[str]) -> int:
    """Records every chain into a folder; returns the exit status."""
    (folder,) = map(Path, arguments)
    for name, (seed, profile) in CHAINS.items():
        record(folder / name, seed, profile)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
