"""What a validator says on the ledger by itself: evidence, and that it is ready for the next set.

Pure, and the same in node and simulator: it knows what is to be said until a block holds it. Its
host submits the transactions and tells what became of them.

Against one member a node says one thing at a time, and nothing for `SILENCE_BLOCKS` after evidence
against it stands on the ledger and more of it would change nothing. Without that one liar could
keep an idle network busy: each block with evidence is another occasion to lie.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bubi import core
from bubi.consensus.engine import ReportEvidence
from bubi.ledger import LedgerView, evidence_id, key_bytes, signed_transaction, statement_json

LIFETIME_MS = 60_000
"""How long one attempt to say something may wait for its block at most."""
ENDED = frozenset(
    {
        "final",
        "ready_known",
        "change_missing",
        "not_validator",
        "evidence_known",
        "evidence_old",
        "evidence_foreign",
        "evidence_invalid",
        "evidence_divergence",
        "evidence_signature",
    }
)
"""Result codes after which saying it again would change nothing."""
SILENCE_BLOCKS = 100
"""So many blocks after evidence was recorded its member is reported again at the earliest."""

_SETTLED_UNDER = {"ignored": 0, "alarmed": 1, "proposed": 2, "kept": 3, "gone": 3}
"""The strictest `evidence_policy` under which another report would lead to no more than this."""
_GOING = frozenset({"scheduled", "queued"})
"""The member goes with the change under way, or with the one after it."""
_PAGE = 1_000
"""Records of evidence that are read at once."""

_READY = b"ready"
_EVIDENCE = b"evidence"


def is_divergence(evidence: ReportEvidence) -> bool:
    """Whether the two statements name one proposal: its outcomes differ, and nobody has lied."""
    return evidence.first.request.digest == evidence.second.request.digest


@dataclass(frozen=True, slots=True)
class Standing:
    """Evidence on the ledger: the height that recorded it, and what it led to."""

    recorded: int
    action: str


class Declarations:
    """See the module. Without a key, as on an observer, there is nothing to say."""

    def __init__(self, chain: core.Chain, ledger: LedgerView, key: core.SigningKey | None) -> None:
        self._chain = chain
        self._ledger = ledger
        self._key = key
        self._wanted: dict[bytes, dict[str, Any]] = {}
        self._standing: dict[bytes, Standing] | None = None
        """The newest evidence that is known to stand on the ledger, by the key of the member."""

    @property
    def wanted(self) -> Mapping[bytes, Mapping[str, Any]]:
        """Operations that no block holds yet, by a name of their own."""
        return self._wanted

    @property
    def evidence_wanted(self) -> int:
        """How many pieces of evidence no block holds yet."""
        return sum(1 for name in self._wanted if name.startswith(_EVIDENCE))

    # --- what is to be said ------------------------------------------------------------------

    def ready(self, pending: Mapping[str, Any]) -> None:
        """This node can do what the change under way asks: it says so if that is awaited."""
        if self._key is None or pending["activation"] is not None:
            return
        own = self.account
        if any(one["account"] == own and not one["ready"] for one in pending["members"]):
            proposal = str(pending["proposal"])
            name = _READY + bytes.fromhex(proposal)
            self._wanted.setdefault(name, {"ready": {"proposal": proposal}})

    def nothing_pending(self) -> None:
        """No change is under way."""
        for name in [one for one in self._wanted if one.startswith(_READY)]:
            del self._wanted[name]

    def report(self, evidence: ReportEvidence) -> None:
        """Two contradicting statements of a validator; no divergence, which nobody records.

        Left out if something else is being said against that member, or lately was.
        """
        one, two = evidence.first.request, evidence.second.request
        chain = self._chain
        encoded = chain.validator_set_of_epoch(one.epoch)
        if self._key is None or encoded is None:
            return
        members = core.decode_json(core.validator_set_to_json(encoded))["v1"]["validators"]
        member = members[evidence.first.validator]["key"]
        if self._is_accused(member) or self._is_settled(member):
            return
        identity = evidence_id(chain.chain_id, chain.suite, key_bytes(member), one)
        if chain.evidence_json(identity) is not None:
            return
        operation = {
            "member": member,
            "statement_one": statement_json(one),
            "signature_one": evidence.first.signature.hex(),
            "statement_two": statement_json(two),
            "signature_two": evidence.second.signature.hex(),
        }
        self._wanted.setdefault(_EVIDENCE + identity, {"report_evidence": operation})

    def _is_accused(self, member: Mapping[str, str]) -> bool:
        """Whether something is being said against a member."""
        said = (one.get("report_evidence") for one in self._wanted.values())
        return any(one is not None and one["member"] == member for one in said)

    def _is_settled(self, member: Mapping[str, str]) -> bool:
        """Whether more evidence against a member would change nothing now."""
        if self._standing is None:
            self._standing = self._recorded()
        standing = self._standing.get(key_bytes(member))
        if standing is None:
            return False
        if standing.action in _GOING:
            return self._ledger.governance["pending"] is not None
        policy = int(self._ledger.parameters["evidence_policy"])
        lately = self._chain.height < standing.recorded + SILENCE_BLOCKS
        return lately and policy <= _SETTLED_UNDER[standing.action]

    def _recorded(self) -> dict[bytes, Standing]:
        """What stands on the ledger; read once, for a node does not remember what it has said."""
        found: dict[bytes, Standing] = {}
        after = b""
        while True:
            page = core.decode_json(self._chain.list_evidence(after, _PAGE))
            for one in page["items"]:
                _remember(found, one["value"]["v1"])
            if page["next"] is None:
                return found
            after = bytes.fromhex(page["next"])

    # --- saying it -----------------------------------------------------------------------

    @property
    def account(self) -> str:
        """Address of the account of this node's vote key."""
        assert self._key is not None
        chain = self._chain
        return core.address_to_text(
            chain.prefix, core.key_address(chain.suite, self._key.public_key)
        )

    @property
    def lifetime_ms(self) -> int:
        """How long one attempt may wait for its block."""
        return min(LIFETIME_MS, int(self._ledger.parameters["max_lifetime"]) // 2)

    def transaction(self, name: bytes, now_ms: int, identifier: bytes) -> bytes:
        """A signed transaction that says it; `identifier` are 16 bytes that were never used."""
        assert self._key is not None
        chain = self._chain
        document = {
            "v1": {
                "source": self.account,
                "replay": {"id": identifier.hex()},
                "valid_until": str(max(now_ms, chain.time) + self.lifetime_ms),
                "preconditions": [],
                "memo": "",
                "operations": [{"source": None, "body": self._wanted[name]}],
            }
        }
        body = core.body_from_json(chain.prefix, core.encode_json(document))
        return signed_transaction(chain.chain_id, body, self._key)

    def ended(self, name: bytes, code: str) -> bool:
        """An attempt ended with this code; whether nothing is left to be said."""
        if code not in ENDED:
            return False
        self._wanted.pop(name, None)
        if name.startswith(_EVIDENCE) and self._standing is not None:
            record = self._chain.evidence_json(name.removeprefix(_EVIDENCE))
            if record is not None:
                _remember(self._standing, core.decode_json(record)["v1"])
        return True


def _remember(known: dict[bytes, Standing], record: Mapping[str, Any]) -> None:
    """Takes up a record of evidence as JSON if it is the newest against its member."""
    action = record["action"]
    if isinstance(action, Mapping):
        (action,) = action
    member, recorded = key_bytes(record["member"]), int(record["recorded"])
    before = known.get(member)
    if before is None or recorded >= before.recorded:
        known[member] = Standing(recorded, str(action))
