"""Builds transactions: one method per operation, in the words of the ledger."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Mapping
from typing import Self

from bubi_sdk import operations as ops
from bubi_sdk.address import Address
from bubi_sdk.errors import InvalidInput
from bubi_sdk.governance import Change
from bubi_sdk.keys import PublicKey
from bubi_sdk.network import AddressLike, IdLike, Network, identifier
from bubi_sdk.operations import (
    AccountSigner,
    AssetFeatures,
    AssetKind,
    Content,
    Digest,
    OperationBody,
    RecordReference,
    Thresholds,
)
from bubi_sdk.transaction import (
    BalancePrecondition,
    DataVersionPrecondition,
    HeightPrecondition,
    Id,
    Precondition,
    RecordVersionPrecondition,
    ReplayKey,
    Sequence,
    TimePrecondition,
    Transaction,
    TransactionBody,
)

DEFAULT_LIFETIME = 120
"""Seconds for which a transaction is valid if nothing else is said.

Networks allow 600 by default.
"""


class TransactionBuilder:
    """Collects operations, then `build()`. All of them happen, or none.

    Addresses may be `Address`, text, or a public key (its own account); ids may be bytes or hex.
    Lists that the ledger
    wants sorted are sorted here. `acting` names the account of one operation if it is not the
    transaction's source.
    """

    def __init__(self, network: Network, source: AddressLike) -> None:
        self._network = network
        self._source = network.address(source)
        self._replay: ReplayKey | None = None
        self._valid_until: int | None = None
        self._lifetime = DEFAULT_LIFETIME * 1_000
        self._memo = b""
        self._preconditions: list[Precondition] = []
        self._operations: list[ops.Operation] = []

    def _add(self, body: OperationBody, acting: AddressLike | None) -> Self:
        source = None if acting is None else self._network.address(acting)
        body.check_for(source or self._source)
        self._operations.append(ops.Operation(source, body))
        return self

    def _address(self, value: AddressLike) -> Address:
        return self._network.address(value)

    def _optional(self, value: AddressLike | None) -> Address | None:
        return None if value is None else self._network.address(value)

    # The whole transaction

    def memo(self, memo: bytes | str) -> Self:
        """Bytes for the application, at most 256."""
        self._memo = memo.encode() if isinstance(memo, str) else memo
        return self

    def valid_for(self, seconds: float) -> Self:
        """How long from `build()` on the transaction may be decided."""
        self._lifetime, self._valid_until = int(seconds * 1_000), None
        return self

    def valid_until(self, milliseconds: int) -> Self:
        """Block time (ms since 1970) up to which the transaction may be decided."""
        self._valid_until = milliseconds
        return self

    def id(self, value: bytes) -> Self:
        """An id of 16 bytes of one's own, such as a business number.

        A second transaction under it is refused.
        """
        self._replay = Id(value)
        return self

    def sequence(self, lane: int, number: int) -> Self:
        """Takes a place in a lane of the source instead of an id.

        For collected signatures, valid up to one year.
        """
        self._replay = Sequence(lane, number)
        return self

    def require_balance(self, account: AddressLike, asset: IdLike, at_least: int) -> Self:
        """Only if the account can spend at least this much."""
        asset_id = identifier(asset)
        return self._require(BalancePrecondition(self._address(account), asset_id, at_least))

    def require_data_version(self, account: AddressLike, name: str, version: int) -> Self:
        """Only if the data entry stands at this version (0: absent)."""
        return self._require(DataVersionPrecondition(self._address(account), name, version))

    def require_record_version(self, namespace: IdLike, key: str, version: int) -> Self:
        """Only if the record stands at this version (0: absent)."""
        return self._require(RecordVersionPrecondition(identifier(namespace), key, version))

    def require_height(self, first: int, last: int) -> Self:
        """Only in blocks of these heights, both included."""
        return self._require(HeightPrecondition(first, last))

    def require_time(self, first: int, last: int) -> Self:
        """Only at these block times (ms), both included."""
        return self._require(TimePrecondition(first, last))

    def _require(self, precondition: Precondition) -> Self:
        precondition.check()
        self._preconditions.append(precondition)
        return self

    # Governance

    def propose(
        self,
        *changes: Change,
        expires: int,
        not_before: int | None = None,
        acknowledged: Iterable[str] = (),
        memo: str = "",
        acting: AddressLike | None = None,
    ) -> Self:
        """Opens a proposal of changes, which organisations may vote on until `expires` (ms)."""
        body = ops.Propose(changes, expires, not_before, tuple(sorted(set(acknowledged))), memo)
        return self._add(body, acting)

    def vote(self, proposal: IdLike, approve: bool, *, acting: AddressLike | None = None) -> Self:
        """Votes on an open proposal for the organisation of the source."""
        return self._add(ops.Vote(identifier(proposal), approve), acting)

    def withdraw_proposal(self, proposal: IdLike, *, acting: AddressLike | None = None) -> Self:
        """Takes back an open proposal of the source's organisation."""
        return self._add(ops.WithdrawProposal(identifier(proposal)), acting)

    def ready(self, proposal: IdLike, *, acting: AddressLike | None = None) -> Self:
        """The source, the account of a next validator's key, is ready for an approved change."""
        return self._add(ops.Ready(identifier(proposal)), acting)

    def report_evidence(
        self, evidence: ops.ReportEvidence, *, acting: AddressLike | None = None
    ) -> Self:
        """Reports two contradicting statements of one validator."""
        return self._add(evidence, acting)

    # Organisations

    def ask_membership(
        self, organisation: str | None, *, acting: AddressLike | None = None
    ) -> Self:
        """Asks an organisation to take the source in; None takes that back and leaves."""
        return self._add(ops.AskMembership(organisation), acting)

    def set_member(
        self, account: AddressLike, member: bool, *, acting: AddressLike | None = None
    ) -> Self:
        """The source's organisation takes an account in that asked for it, or lets it go."""
        return self._add(ops.SetMember(self._address(account), member), acting)

    def add(self, body: OperationBody, acting: AddressLike | None = None) -> Self:
        """Any operation, as it is."""
        return self._add(body, acting)

    def build(self, now: int | None = None) -> Transaction:
        """The transaction, ready to be signed. `now` (ms) replaces the clock of this machine."""
        if not self._operations:
            raise InvalidInput("a transaction needs at least one operation")
        current = time.time_ns() // 1_000_000 if now is None else now
        until = current + self._lifetime if self._valid_until is None else self._valid_until
        body = TransactionBody(
            self._source,
            self._replay or Id(secrets.token_bytes(16)),
            until,
            tuple(self._preconditions),
            self._memo,
            tuple(self._operations),
        )
        return Transaction(self._network, body)

    # Accounts

    def create_account(
        self,
        key: PublicKey | None = None,
        *,
        signers: Iterable[AccountSigner] = (),
        threshold: int = 1,
        thresholds: Mapping[int, int] | None = None,
        acting: AddressLike | None = None,
    ) -> Self:
        """Opens the own account of `key`.

        Without a key a further account (`Transaction.derived_account`).
        """
        ordered = _by_key(signers)
        target = ops.DerivedTarget() if key is None else ops.KeyTarget(key)
        needed = Thresholds(threshold, dict(thresholds or {})) if ordered else None
        return self._add(ops.CreateAccount(target, ordered, needed), acting)

    def set_signers(
        self,
        signers: Iterable[AccountSigner],
        threshold: int = 1,
        thresholds: Mapping[int, int] | None = None,
        *,
        acting: AddressLike | None = None,
    ) -> Self:
        """Replaces signers and thresholds: key rotation, multi-signature."""
        needed = Thresholds(threshold, dict(thresholds or {}))
        return self._add(ops.SetSigners(_by_key(signers), needed), acting)

    def set_data(
        self,
        name: str,
        value: bytes | None,
        *,
        expected_version: int | None = None,
        acting: AddressLike | None = None,
    ) -> Self:
        """Writes a data entry; None deletes it."""
        return self._add(ops.SetData(name, value, expected_version), acting)

    def close_account(self, *, acting: AddressLike | None = None) -> Self:
        """Closes the account for ever."""
        return self._add(ops.CloseAccount(), acting)

    def set_claim(
        self,
        subject: AddressLike,
        kind: str,
        digest: IdLike,
        *,
        expires: int | None = None,
        acting: AddressLike | None = None,
    ) -> Self:
        """States a claim about an account."""
        body = ops.SetClaim(self._address(subject), kind, identifier(digest), expires)
        return self._add(body, acting)

    def revoke_claim(
        self,
        issuer: AddressLike,
        subject: AddressLike,
        kind: str,
        *,
        acting: AddressLike | None = None,
    ) -> Self:
        """Withdraws a claim."""
        body = ops.RevokeClaim(self._address(issuer), self._address(subject), kind)
        return self._add(body, acting)

    # Assets

    def create_asset(
        self,
        code: str,
        name: str,
        *,
        kind: AssetKind = AssetKind.FUNGIBLE,
        decimals: int = 0,
        cap: int | None = None,
        features: AssetFeatures | None = None,
        acting: AddressLike | None = None,
    ) -> Self:
        """Defines an asset; its id is `network.asset_id(issuer, code)`."""
        chosen = features or AssetFeatures()
        return self._add(ops.CreateAsset(code, name, kind, decimals, cap, chosen), acting)

    def issue(
        self,
        asset: IdLike,
        to: AddressLike,
        amount: int,
        *,
        expires: int | None = None,
        acting: AddressLike | None = None,
    ) -> Self:
        """Issues an amount; `expires` (ms) exactly for dated assets."""
        return self._add(ops.Issue(identifier(asset), self._address(to), amount, expires), acting)

    def transfer(
        self, asset: IdLike, to: AddressLike, amount: int, *, acting: AddressLike | None = None
    ) -> Self:
        """Sends an amount."""
        return self._add(ops.Transfer(identifier(asset), self._address(to), amount), acting)

    def burn(self, asset: IdLike, amount: int, *, acting: AddressLike | None = None) -> Self:
        """Destroys an amount that the source holds."""
        return self._add(ops.Burn(identifier(asset), amount), acting)

    def clawback(
        self,
        asset: IdLike,
        holder: AddressLike,
        amount: int,
        *,
        to: AddressLike | None = None,
        acting: AddressLike | None = None,
    ) -> Self:
        """Takes an amount away from a holder; without `to` it is destroyed."""
        source, target = self._address(holder), self._optional(to)
        return self._add(ops.Clawback(identifier(asset), source, target, amount), acting)

    def freeze_asset(
        self, asset: IdLike, frozen: bool = True, *, acting: AddressLike | None = None
    ) -> Self:
        """Freezes or thaws an asset."""
        return self._add(ops.FreezeAsset(identifier(asset), frozen), acting)

    def freeze_holder(
        self,
        asset: IdLike,
        holder: AddressLike,
        frozen: bool = True,
        *,
        acting: AddressLike | None = None,
    ) -> Self:
        """Freezes or thaws one holder."""
        body = ops.FreezeHolder(identifier(asset), self._address(holder), frozen)
        return self._add(body, acting)

    def authorise_holder(
        self,
        asset: IdLike,
        holder: AddressLike,
        authorised: bool = True,
        *,
        acting: AddressLike | None = None,
    ) -> Self:
        """Puts an account on the whitelist or takes it off."""
        body = ops.AuthoriseHolder(identifier(asset), self._address(holder), authorised)
        return self._add(body, acting)

    def issue_item(
        self,
        asset: IdLike,
        item: str,
        to: AddressLike,
        *,
        digest: IdLike | None = None,
        acting: AddressLike | None = None,
    ) -> Self:
        """Issues an item of a unique asset."""
        described = None if digest is None else identifier(digest)
        body = ops.IssueItem(identifier(asset), item, self._address(to), described)
        return self._add(body, acting)

    def transfer_item(
        self, asset: IdLike, item: str, to: AddressLike, *, acting: AddressLike | None = None
    ) -> Self:
        """Sends an item."""
        return self._add(ops.TransferItem(identifier(asset), item, self._address(to)), acting)

    def burn_item(self, asset: IdLike, item: str, *, acting: AddressLike | None = None) -> Self:
        """Destroys an item."""
        return self._add(ops.BurnItem(identifier(asset), item), acting)

    def clawback_item(
        self,
        asset: IdLike,
        item: str,
        *,
        to: AddressLike | None = None,
        acting: AddressLike | None = None,
    ) -> Self:
        """Takes an item away from its holder; without `to` it is destroyed."""
        body = ops.ClawbackItem(identifier(asset), item, self._optional(to))
        return self._add(body, acting)

    # Holds

    def reserve(
        self,
        asset: IdLike,
        beneficiary: AddressLike,
        amount: int,
        expires: int,
        *,
        acting: AddressLike | None = None,
    ) -> Self:
        """Sets an amount aside until `expires` (ms).

        The hold's id is `Transaction.hold_id(index)`.
        """
        body = ops.Reserve(identifier(asset), self._address(beneficiary), amount, expires)
        return self._add(body, acting)

    def capture(
        self, holder: AddressLike, hold: IdLike, amount: int, *, acting: AddressLike | None = None
    ) -> Self:
        """Takes all or part of a hold."""
        return self._add(ops.Capture(self._address(holder), identifier(hold), amount), acting)

    def release(
        self, holder: AddressLike, hold: IdLike, *, acting: AddressLike | None = None
    ) -> Self:
        """Gives a hold up."""
        return self._add(ops.Release(self._address(holder), identifier(hold)), acting)

    # Records

    def create_namespace(
        self,
        name: str,
        *,
        writers: Iterable[AddressLike] | None = None,
        shared: bool = False,
        acting: AddressLike | None = None,
    ) -> Self:
        """Opens a namespace; without `writers` everyone may write."""
        return self._add(ops.CreateNamespace(name, self._writers(writers), shared), acting)

    def set_namespace(
        self,
        namespace: IdLike,
        owner: AddressLike,
        *,
        writers: Iterable[AddressLike] | None = None,
        shared: bool = False,
        acting: AddressLike | None = None,
    ) -> Self:
        """Changes owner and writers of a namespace."""
        body = ops.SetNamespace(
            identifier(namespace), self._address(owner), self._writers(writers), shared
        )
        return self._add(body, acting)

    def put_record(
        self,
        namespace: IdLike,
        key: str,
        digest: Digest,
        *,
        content: Content | bytes | None = None,
        parents: Iterable[RecordReference] = (),
        expected_version: int | None = None,
        acting: AddressLike | None = None,
    ) -> Self:
        """Writes the first or the next version of a record.

        `Digest.of(document)` makes the digest.
        """
        if content is None:
            content = ops.NoContent()
        elif isinstance(content, bytes):
            content = ops.PlainContent(content)
        ordered = tuple(sorted(set(parents)))
        body = ops.PutRecord(
            identifier(namespace), key, digest, content, ordered, expected_version
        )
        return self._add(body, acting)

    def _writers(self, writers: Iterable[AddressLike] | None) -> ops.Writers:
        if writers is None:
            return ops.Everyone()
        return ops.Listed(tuple(sorted({self._address(one) for one in writers})))


def _by_key(signers: Iterable[AccountSigner]) -> tuple[AccountSigner, ...]:
    return tuple(sorted(signers, key=lambda signer: signer.key))
