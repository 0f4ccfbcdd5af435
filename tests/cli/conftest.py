"""A ledger of one validator, made by hand: what a node would hand out, without a node."""

import dataclasses
import json
from pathlib import Path

import pytest
from bubi_sdk import MemorySigner, Network, SecretKey, TransactionBuilder, Trust, hashes, merkle
from bubi_sdk.block import (
    BlockOutcome,
    Certificate,
    CertificateVote,
    Proposal,
    Receipt,
    digest,
)
from bubi_sdk.documents import DocumentReceipt, Entry, digests_of_file, record_key
from bubi_sdk.governance import CommitStatement, Validator
from bubi_sdk.hashes import HashSuite
from bubi_sdk.merkle import LeafTag
from bubi_sdk.proof import FinalityProof, ListPath, ReceiptProof
from bubi_sdk.state import ValidatorSet

from bubi import cli
from bubi.cli import messages

SUITE = HashSuite.STANDARD
NETWORK = Network(bytes([7]) * 32, "bubidev", SUITE, "test")
TIME = 1_790_000_000_123
HEIGHT = 42


@dataclasses.dataclass(frozen=True)
class Result:
    """What a command said."""

    status: int
    out: str
    err: str

    @property
    def json(self):
        """The one object on standard output."""
        return json.loads(self.out)


@pytest.fixture
def run(capfd, monkeypatch):
    """Runs a command in this process, in English."""

    def call(*arguments):
        monkeypatch.setenv("LC_ALL", "C.UTF-8")
        capfd.readouterr()
        status = cli.run([str(one) for one in arguments])
        out, err = capfd.readouterr()
        return Result(status, out, err)

    yield call
    messages.choose("en")


@dataclasses.dataclass
class Ledger:
    """A validator that certifies what it is asked to."""

    key: SecretKey = dataclasses.field(default_factory=SecretKey.generate)
    author: MemorySigner = dataclasses.field(default_factory=MemorySigner.generate)

    @property
    def validators(self):
        return ValidatorSet(0, "solo", (Validator("node1", "org", self.key.public_key, 1),), 0, 1)

    @property
    def trust(self):
        return Trust(NETWORK, "development", self.validators)

    def certify(self, receipts):
        """A final block with these receipts."""
        leaves = [merkle.leaf_hash(SUITE, LeafTag.RECEIPT, one.encode()) for one in receipts]
        members = digest(SUITE, hashes.VALIDATORS, NETWORK.chain_id, self.validators)
        outcome = BlockOutcome(merkle.root(SUITE, leaves), bytes(32), members, bytes(32))
        proposal = Proposal(
            NETWORK.chain_id,
            HEIGHT,
            TIME,
            bytes(32),
            bytes(32),
            0,
            bytes(32),
            members,
            bytes(32),
            1,
        )
        statement = CommitStatement(
            0,
            "solo",
            HEIGHT,
            0,
            digest(SUITE, hashes.PROPOSAL, NETWORK.chain_id, proposal),
            digest(SUITE, hashes.OUTCOME, NETWORK.chain_id, outcome),
        )
        message = hashes.COMMIT_VOTE + NETWORK.chain_id + statement.encode()
        vote = CertificateVote(0, self.key.sign(message))
        return FinalityProof(proposal, outcome, Certificate(statement, (vote,)), ())

    def prove(self, transaction, code=0):
        """The receipt proof of a transaction that ended with this code."""
        events = merkle.root(SUITE, [])
        receipt = Receipt(transaction.hash, 0, 0, code, None, events)
        path = ListPath(0, 1, ())
        return ReceiptProof(transaction.body_bytes, receipt, (), path, self.certify([receipt]))

    def record(self, folder, path, algorithms, salts=(), code=0):
        """The receipt of a document below a folder."""
        digests = digests_of_file(Path(folder) / path, algorithms, salts)
        salted = list(salts) or [b""] * len(digests)
        builder = TransactionBuilder(NETWORK, self.author.public_key)
        builder.set_data("first", b"another operation stands before")
        entries = []
        for place, (made, salt) in enumerate(zip(digests, salted, strict=True), start=1):
            key = record_key(path, made.algorithm, salt)
            builder.put_record(NETWORK.namespace_id("documents"), key, made)
            entries.append(Entry(place, made, key, salt))
        transaction = builder.build(TIME)
        return DocumentReceipt(
            path,
            NETWORK.chain_id,
            transaction.hash,
            HEIGHT,
            TIME,
            tuple(entries),
            self.prove(transaction, code).encode(),
        )


@pytest.fixture(scope="session")
def ledger():
    return Ledger()


@pytest.fixture
def trust_file(tmp_path, ledger):
    file = tmp_path / "trust.json"
    file.write_text(json.dumps(ledger.trust.to_json()), encoding="utf-8")
    return file
