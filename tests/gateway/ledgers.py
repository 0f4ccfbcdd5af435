"""A ledger in memory that the model's generator fills with operations of every kind."""

import json
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from bubi_sdk.keys import Algorithm, PublicKey
from bubi_sdk.transaction import SignatureEntry, SignedTransaction

from bubi import core
from bubi.gateway.index.writer import Inheritance, Origin

from ..model import keys
from ..model import values as v
from ..model.generator import Generator, Profile
from ..model.ledger import Transaction

VALIDATOR = core.SigningKey.generate(0, b"\x21" * 32)
SECRETS = {VALIDATOR.public_key: VALIDATOR} | {
    key: core.SigningKey.from_bytes(0, number.to_bytes(32, "big"))
    for number, key in enumerate(keys.VOTE_KEYS, 41)
}
"""By the tagged keys of validators."""


def _tagged(key: dict[str, str]) -> bytes:
    """A key in its JSON form as bytes."""
    ((algorithm, digits),) = key.items()
    return PublicKey.of(Algorithm[algorithm.upper()], bytes.fromhex(digits)).tagged


class _Generator(Generator):
    """Blocks of a network whose validator's key we have."""

    def make_genesis(self) -> v.Genesis:
        validator = v.Validator("n0", "org", VALIDATOR.public_key, 1)
        validators = v.ValidatorSet(0, "solo", (validator,), 2, 3)
        return replace(super().make_genesis(), validators=validators)


class Simulated:
    """A chain on a simulated disk. Signatures are `ideal`, or of keys that the model can use."""

    def __init__(self, seed: int, genesis: bytes, *, ideal: bool) -> None:
        self.genesis = genesis
        self.chain = core.Chain.open_simulated(core.SimulatedDisk(seed), genesis, ideal=ideal)
        self._sign = core.ideal_sign if ideal else keys.sign
        self._numbers = 0
        self.inheritance: Inheritance | None = None

    @property
    def origin(self) -> Origin:
        chain = self.chain
        return Origin(chain.chain_id.hex(), chain.prefix, chain.suite, self.genesis)

    @property
    def members(self) -> dict[str, Any]:
        """The validators in force."""
        found = json.loads(core.validator_set_to_json(self.chain.validator_set))
        return dict(found["v1"])

    def author(self) -> core.SigningKey:
        """A validator in force whose secret we have."""
        in_force = (_tagged(one["key"]) for one in self.members["validators"])
        return next(SECRETS[key] for key in in_force if key in SECRETS)

    def decide(
        self,
        time: int,
        batches: Iterable[Iterable[Transaction]],
        parent_round: int = 0,
        round_: int = 0,
    ) -> None:
        """One more block, decided in this round. What the door would refuse is left out."""
        made = [one for one in (self._batch(batch, time) for batch in batches) if one is not None]
        chain, members = self.chain, self.members
        proposal = chain.propose(time, parent_round, made)
        chain.append_bodies(chain.height + 1, made)
        execution = chain.execute(proposal, made)
        epoch, engine = int(members["epoch"]), members["engine"]
        digest, outcome = execution.digest, execution.outcome_hash
        fields = (epoch, engine, execution.height, round_, digest, outcome)
        message = core.commit_message(chain.chain_id, *fields)
        votes = [
            (place, self._sign(_tagged(one["key"]), message))
            for place, one in enumerate(members["validators"])
        ]
        chain.commit(execution, core.certificate(*fields, votes))

    def _batch(self, transactions: Iterable[Transaction], time: int) -> core.Batch | None:
        bulk = core.bulk_body([self._signed(one) for one in transactions])
        admission = self.chain.admit(bulk, time)
        if admission.refused == admission.received:
            return None
        self._numbers += 1
        return self.chain.batch([admission], self._numbers, self.author())

    def _signed(self, one: Transaction) -> bytes:
        message = core.signing_bytes(self.chain.chain_id, one.body)
        entries = tuple(
            SignatureEntry(PublicKey.from_tagged(key), self._sign(key, message))
            for key in sorted(one.keys)
        )
        return SignedTransaction(one.body, entries).encode()


class Ledger(Simulated):
    """A chain with one validator that the model's generator fills."""

    def __init__(self, seed: int, profile: Profile) -> None:
        self.generator = _Generator(Random(seed), profile)
        super().__init__(seed, self.generator.genesis, ideal=True)

    def block(self) -> None:
        """One more block of the generator."""
        self.decide(*self.generator.block())

    def begin_era(self, folder: Path) -> None:
        """Ends the chain; from here on the same business goes on, on a chain that continues it."""
        self.chain.write_end(str(folder), END)
        prefix, time = self.chain.prefix, self.chain.time
        end = core.decode_json(core.read_end(str(folder), END, prefix))
        fields = core.decode_json(core.genesis_to_json(self.genesis))
        fields["v1"] |= {
            "nonce": "09" * 32,
            "time": str(time + 1),
            "predecessor": end["predecessor"],
            "accounts": [],
        }
        self.genesis = core.genesis_from_json(core.encode_json(fields))
        self.chain.close()
        self.chain = core.Chain.open(str(folder), self.genesis)
        self.inheritance = partial(nullcontext, folder / END)
        self._sign = signature


END = "inheritance"


def signature(key: bytes, message: bytes) -> bytes:
    """The signature of a key of the pool; nobody has the secrets of the doubtful ones."""
    secret = POOL.get(key) or SECRETS.get(key)
    return bytes(64) if secret is None else secret.sign(message)


POOL = {
    made.public_key: made
    for algorithm, count in enumerate((24, 8, 8, 8))
    for made in (
        core.SigningKey.from_bytes(algorithm, number.to_bytes(32, "big"))
        for number in range(1, count + 1)
    )
}
"""The pool of the model, with its secrets."""
