"""A ledger in memory that the model's generator fills with operations of every kind."""

from collections.abc import Iterable
from dataclasses import replace
from random import Random

from bubi_sdk.keys import PublicKey
from bubi_sdk.transaction import SignatureEntry, SignedTransaction

from bubi import core
from bubi.gateway.index.writer import Origin

from ..model import values as v
from ..model.generator import Generator, Profile
from ..model.ledger import Transaction

VALIDATOR = core.SigningKey.generate(0, b"\x21" * 32)


class _Generator(Generator):
    """Blocks of a network whose validator's key we have."""

    def make_genesis(self) -> v.Genesis:
        validator = v.Validator("n0", "org", VALIDATOR.public_key, 1)
        validators = v.ValidatorSet(0, "solo", (validator,), 2, 3)
        return replace(super().make_genesis(), validators=validators)


class Ledger:
    """A chain on a simulated disk with one validator; signatures are ideal."""

    def __init__(self, seed: int, profile: Profile) -> None:
        self.generator = _Generator(Random(seed), profile)
        self.genesis = self.generator.genesis
        self.chain = core.Chain.open_simulated(core.SimulatedDisk(seed), self.genesis, ideal=True)
        self._numbers = 0

    @property
    def origin(self) -> Origin:
        chain = self.chain
        return Origin(chain.chain_id.hex(), chain.prefix, chain.suite, self.genesis)

    def block(self) -> None:
        """One more block of the generator. What the door would refuse is left out."""
        time, batches = self.generator.block()
        made = [one for one in (self._batch(batch, time) for batch in batches) if one is not None]
        chain = self.chain
        proposal = chain.propose(time, 0, made)
        chain.append_bodies(chain.height + 1, made)
        execution = chain.execute(proposal, made)
        fields = (0, "solo", execution.height, 0, execution.digest, execution.outcome_hash)
        message = core.commit_message(chain.chain_id, *fields)
        vote = core.ideal_sign(VALIDATOR.public_key, message)
        chain.commit(execution, core.certificate(*fields, [(0, vote)]))

    def _batch(self, transactions: Iterable[Transaction], time: int) -> core.Batch | None:
        bulk = core.bulk_body([self._signed(one) for one in transactions])
        admission = self.chain.admit(bulk, time)
        if admission.refused == admission.received:
            return None
        self._numbers += 1
        return self.chain.batch([admission], self._numbers, VALIDATOR)

    def _signed(self, one: Transaction) -> bytes:
        message = core.signing_bytes(self.chain.chain_id, one.body)
        entries = tuple(
            SignatureEntry(PublicKey.from_tagged(key), core.ideal_sign(key, message))
            for key in sorted(one.keys)
        )
        return SignedTransaction(one.body, entries).encode()
