"""A new era: the organisations that remain go on from the last block of a chain without quorum.

1. `export`: a stopped node of the old chain writes the chain's end: its last final block with the
   proof of it, and every cell after it.
2. `ceremony.create` with `Before`: a genesis that continues that end, with other validators.
3. `approve`: each organisation holds the end against its own node and signs the new chain id with
   its governance account's key.
4. `ceremony.join`, which refuses while a sign-off is missing.

`spec/ledger.md`, section 13; `docs/operating/new-era.md`.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from bubi import core
from bubi.consensus import guard
from bubi.consensus.guard import Phase
from bubi.ledger import is_signed, key_bytes
from bubi.node import files
from bubi.node.config import Config
from bubi.node.files import key_json, read_genesis, write_file, write_json
from bubi.node.init import Organisation
from bubi.node.trust import PREFIXES, write_trust

END_FILE = "inheritance"
"""The end of the old chain: in the public folder, and in the data folder of a node."""
GENESIS_FILE = "predecessor-genesis.bin"
TRUST_FILE = "predecessor-trust.json"
APPROVALS = "approvals"
APPROVAL_BYTES_MAX = 4_096
VOTE_OPERATION = "25"
"""Number of the operation `vote`, whose threshold an organisation's sign-off must reach."""


class EraError(Exception):
    """A new era cannot begin like this; the message says why and what to do. `code` is stable."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class Key(Protocol):
    """Whatever signs for an organisation; the key is tagged bytes."""

    @property
    def key(self) -> bytes:
        """Public key."""

    def sign(self, message: bytes) -> bytes:
        """A signature."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written; `open_votes` are heights above it for whose block this node voted."""

    chain_id: str
    height: int
    state_root: str
    open_votes: tuple[int, ...]


class Before:
    """The end of the old chain as it lies in a folder, checked in itself, and its genesis."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.genesis = read_genesis(directory / GENESIS_FILE)
        self._fields: Mapping[str, Any] = core.decode_json(core.genesis_to_json(self.genesis))[
            "v1"
        ]
        if not (directory / END_FILE).is_file():
            msg = f"{directory / END_FILE} is missing: `bubi network era export` writes it"
            raise EraError("end_missing", msg)
        self._end: Mapping[str, Any] = json.loads(
            core.read_end(str(directory), END_FILE, PREFIXES[self.kind])
        )
        if core.chain_id(self.genesis).hex() != self.predecessor["chain"]:
            msg = f"{directory / GENESIS_FILE} is not the genesis of the chain that ended"
            raise EraError("era_refused", msg)

    @property
    def name(self) -> str:
        """Name of the network."""
        return str(self._fields["name"])

    @property
    def kind(self) -> str:
        """Kind of the network."""
        return str(self._fields["kind"])

    @property
    def suite(self) -> str:
        """Hash suite."""
        return str(self._fields["suite"])

    @property
    def predecessor(self) -> Mapping[str, str]:
        """What the next genesis says of it: chain, certificate, state root."""
        found: Mapping[str, str] = self._end["predecessor"]
        return found

    @property
    def height(self) -> int:
        """The last final block."""
        return int(self._end["height"])

    @property
    def time(self) -> int:
        """Its time (ms)."""
        return int(self._end["time"])

    @property
    def proof(self) -> bytes:
        """Its finality proof, for the trust file of the old chain."""
        return bytes.fromhex(self._end["proof"])

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Parameters in force at the end."""
        found: Mapping[str, Any] = self._end["parameters"]["v1"]
        return found

    @property
    def protocol_version(self) -> int:
        """Protocol version in force at the end."""
        return int(self._end["protocol_version"])

    @cached_property
    def known(self) -> Mapping[str, Mapping[str, Any]]:
        """Organisations of the old chain by name, with their governance accounts."""
        return {one["name"]: one for one in self._end["organisations"]}

    def organisations(self, certificates: Mapping[str, bytes]) -> list[Organisation]:
        """The organisations that go on, each with the governance account that it had.

        Raises:
            EraError: one was none of the old chain, or comes with another authority.
        """
        found = []
        for name, certificate in sorted(certificates.items()):
            old = self.known.get(name)
            if old is None:
                msg = f"{name} is none of the old network: it can join the new one by vote"
                raise EraError("organisation_unknown", msg)
            if old["certificate"] != certificate.hex():
                msg = (
                    f"the request of {name} comes from another authority than the old network "
                    "knows: make it with --authority and the folder of that one"
                )
                raise EraError("authority_changed", msg)
            found.append(Organisation(name, None, certificate, old["governance"]))
        return found

    def publish(self, directory: Path) -> None:
        """Puts the end beside the files of the new network."""
        names = (END_FILE, GENESIS_FILE)
        for name in names:
            if directory.resolve() != self.directory.resolve():
                _copy(self.directory / name, directory / name)
        if not (directory / TRUST_FILE).exists():
            write_trust(directory / TRUST_FILE, self.genesis)


# --- export --------------------------------------------------------------------------------------


def export(settings: Config, directory: Path) -> Exported:
    """Writes the end of a stopped node's chain into a folder, with its genesis and trust file.

    Raises:
        EraError: there is no ledger.
        CoreError: the folder is in use or damaged, or the chain can have no successor.
        FileError: a file cannot be read or written.
    """
    with _opened(settings) as chain:
        directory.mkdir(parents=True, exist_ok=True)
        genesis = read_genesis(settings.node.genesis)
        write_file(directory / GENESIS_FILE, genesis)
        write_trust(directory / TRUST_FILE, genesis)
        if (directory / END_FILE).exists():
            msg = f"{directory / END_FILE} exists and is not overwritten: choose another folder"
            raise files.FileError(msg)
        chain.write_end(str(directory), END_FILE)
        return Exported(
            chain.chain_id.hex(), chain.height, chain.state_root.hex(), _open_votes(chain)
        )


@contextmanager
def _opened(settings: Config) -> Iterator[core.Chain]:
    if not settings.node.data.is_dir():
        raise EraError("no_ledger", f"there is no ledger in {settings.node.data}")
    genesis = read_genesis(settings.node.genesis)
    chain = core.Chain.open(
        str(settings.node.data), genesis, segment_bytes=settings.store.segment_bytes
    )
    try:
        yield chain
    finally:
        chain.close()


def _open_votes(chain: core.Chain) -> tuple[int, ...]:
    """Heights above the newest block for which this node voted to commit.

    With that vote others may have decided such a block, and shown its receipts to somebody.
    """
    records = [data for _, data in chain.log_records(core.RecordKind.GUARD, chain.height + 1)]
    requests = [guard.decode(data).request for data in records]
    return tuple(sorted({one.height for one in requests if one.phase is Phase.COMMIT}))


# --- sign-off ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SignOff:
    """How far an organisation has agreed. `needed` is 0 if it has no voice: it agrees by joining.

    `weight` is that of the signers who signed.
    """

    organisation: str
    weight: int
    needed: int

    @property
    def complete(self) -> bool:
        """Whether that is enough."""
        return self.weight >= self.needed


@dataclass(frozen=True, slots=True)
class Standing:
    """A prepared era: what it continues, and who has agreed."""

    chain_id: str
    predecessor: str
    height: int
    state_root: str
    first_root: str
    sign_offs: tuple[SignOff, ...]

    @property
    def complete(self) -> bool:
        """Whether every organisation has agreed."""
        return all(one.complete for one in self.sign_offs)


def look(public: Path) -> Standing:
    """What is prepared in the public folder of a new era, everything checked but the old votes.

    Raises:
        EraError, CoreError, FileError: it is no such folder, or its files contradict each other.
    """
    before, genesis, fields = _read(public)
    first_root = core.continues(str(public), END_FILE, genesis)
    chain_id = core.chain_id(genesis)
    signed = _signed(public, chain_id)
    sign_offs = []
    for one in fields["organisations"]:
        needed, weights = _authority(before, one["name"])
        keys = signed.get(one["name"], set())
        weight = sum(weights.get(key, 0) for key in keys)
        sign_offs.append(SignOff(one["name"], weight, needed))
    return Standing(
        chain_id.hex(),
        before.predecessor["chain"],
        before.height,
        before.predecessor["state_root"],
        first_root.hex(),
        tuple(sign_offs),
    )


def approve(public: Path, settings: Config, signers: Sequence[Key]) -> Exported:
    """Holds a prepared era against a stopped node of the old chain, and signs it off.

    Raises:
        EraError: the node knows better, or a key may not sign for its organisation.
        CoreError, FileError: a file is damaged, in use or missing.
    """
    before, genesis, fields = _read(public)
    core.continues(str(public), END_FILE, genesis)
    organisation = settings.node.organisation
    if organisation not in {one["name"] for one in fields["organisations"]}:
        raise EraError("organisation_unknown", f"{organisation} is not in the new genesis")
    with _opened(settings) as chain:
        _compare(before, chain)
        open_votes = tuple(one for one in _open_votes(chain) if one > before.height)
    _needed, weights = _authority(before, organisation)
    chain_id = core.chain_id(genesis)
    (public / APPROVALS).mkdir(exist_ok=True)
    for signer in signers:
        if signer.key not in weights:
            msg = f"that key is no signer of the governance account of {organisation}"
            raise EraError("not_voter", msg)
        signature = signer.sign(core.sign_off(chain_id, organisation))
        document = {
            "schema": 1,
            "chain_id": chain_id.hex(),
            "organisation": organisation,
            "key": key_json(signer.key),
            "signature": signature.hex(),
        }
        name = hashlib.sha256(organisation.encode() + b"\0" + signer.key).hexdigest()[:32]
        path = public / APPROVALS / f"{name}.json"
        path.unlink(missing_ok=True)
        write_json(path, document)
    return Exported(chain_id.hex(), before.height, before.predecessor["state_root"], open_votes)


def take_over(public: Path, directory: Path, genesis: bytes) -> None:
    """Gives a node that joins the state that its genesis continues.

    Raises:
        EraError: an organisation has not signed off.
        CoreError, FileError: the files contradict each other, or cannot be copied.
    """
    standing = look(public)
    missing = [one.organisation for one in standing.sign_offs if not one.complete]
    if missing:
        msg = (
            f"not signed off by {', '.join(missing)}: each does so with "
            "`bubi network era approve`, and all need the files of its folder approvals"
        )
        raise EraError("sign_off_missing", msg)
    directory.mkdir(mode=0o700, exist_ok=True)
    _copy(public / END_FILE, directory / END_FILE)
    core.continues(str(directory), END_FILE, genesis)


def _read(public: Path) -> tuple[Before, bytes, Mapping[str, Any]]:
    genesis = read_genesis(public / "genesis.bin")
    fields: Mapping[str, Any] = core.decode_json(core.genesis_to_json(genesis))["v1"]
    if fields["predecessor"] is None:
        raise EraError("no_era", f"the genesis in {public} continues no other chain")
    return Before(public), genesis, fields


def _compare(before: Before, chain: core.Chain) -> None:
    """Refuses an end that the own node contradicts."""
    if chain.chain_id.hex() != before.predecessor["chain"]:
        raise EraError("wrong_chain", "this node keeps another chain than the one that ended")
    if chain.height > before.height:
        msg = (
            f"this node holds block {chain.height}, the new era would go on from block "
            f"{before.height}: final transactions would be lost; export from this node instead"
        )
        raise EraError("era_behind", msg)
    if (
        chain.height == before.height
        and chain.state_root.hex() != before.predecessor["state_root"]
    ):
        msg = f"this node has another state after block {before.height}: find out which is right"
        raise EraError("era_diverges", msg)


def _authority(before: Before, organisation: str) -> tuple[int, Mapping[bytes, int]]:
    """The weight that an organisation's sign-off needs, and its signers; 0 without a voice."""
    account = before.known[organisation]["account"]
    if account is None:
        return 0, {}
    fields = account["v1"]
    signers = {
        key_bytes(one["key"]): int(one["weight"])
        for one in fields["signers"]
        if one["limits"] is None
    }
    thresholds = fields["thresholds"]
    return int(thresholds["operations"].get(VOTE_OPERATION, thresholds["default"])), signers


def _signed(public: Path, chain_id: bytes) -> Mapping[str, set[bytes]]:
    """Keys that signed this era off, by organisation.

    Raises:
        EraError: a file is no valid sign-off.
    """
    found: dict[str, set[bytes]] = {}
    for path in sorted((public / APPROVALS).glob("*.json")):
        try:
            if path.stat().st_size > APPROVAL_BYTES_MAX:
                raise ValueError("too large")
            document = json.loads(path.read_text(encoding="utf-8"))
            organisation = str(document["organisation"])
            key = key_bytes(document["key"])
            signature = bytes.fromhex(document["signature"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            msg = f"{path} is not a sign-off: {error}; remove it, or get it again from its owner"
            raise EraError("sign_off_malformed", msg) from error
        message = core.sign_off(chain_id, organisation)
        if document.get("chain_id") != chain_id.hex() or not is_signed(key, message, signature):
            msg = f"{path} is not a valid sign-off of this chain: remove it"
            raise EraError("sign_off_invalid", msg)
        found.setdefault(organisation, set()).add(key)
    return found


def _copy(source: Path, target: Path) -> None:
    if target.exists():
        msg = f"{target} exists and is not overwritten: choose another folder"
        raise files.FileError(msg)
    try:
        shutil.copyfile(source, target)
    except OSError as error:
        msg = f"{source} cannot be copied to {target}: {error}"
        raise files.FileError(msg) from error


__all__ = [
    "Before",
    "EraError",
    "Exported",
    "SignOff",
    "Standing",
    "approve",
    "export",
    "look",
    "take_over",
]
