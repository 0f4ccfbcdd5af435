"""How commands open proposals and vote: who signs, how long a vote lasts, what is reported."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from bubi_sdk import TransactionBuilder
from bubi_sdk.collection import Collection
from bubi_sdk.governance import Change
from bubi_sdk.transaction import Transaction

from bubi.cli.connection import address_of, client, network_of, open_signer
from bubi.cli.messages import _
from bubi.cli.outcome import outcome_fields, report_outcome
from bubi.cli.output import GOOD, emit, finish, say, usage

DAYS: Final = 3.0
"""Days for which organisations may vote if nothing else is said."""
_DAY_MS: Final = 86_400_000

SignersOption = Annotated[
    list[str],
    typer.Option(
        "--as", help=_("Demo account or keystore file that signs; the first one acts; repeatable.")
    ),
]
SourceOption = Annotated[
    str | None,
    typer.Option("--source", help=_("Governance account, if its address is not that of --as.")),
]
ExpiresOption = Annotated[
    float,
    typer.Option("--days", min=0.001, help=_("Days for which organisations may vote.")),
]
NotBeforeOption = Annotated[
    int | None,
    typer.Option("--not-before", min=1, help=_("Height before which it must not be in force.")),
]
AcknowledgeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--acknowledge",
        metavar="RISK",
        help=_("A risk that you accept: no_fault_tolerance, or the name of a heavy validator."),
    ),
]
MemoOption = Annotated[str, typer.Option("--memo", help=_("Why, for the others to read."))]


@dataclass(frozen=True)
class Acting:
    """Who acts, and on which network."""

    signers: Sequence[str]
    source: str | None
    url: str | None
    data: Path | None
    password_stdin: bool = False


@dataclass(frozen=True)
class Terms:
    """What a proposal says beside its changes."""

    days: float = DAYS
    not_before: int | None = None
    acknowledged: Sequence[str] = ()
    memo: str = ""


def propose(acting: Acting, changes: Sequence[Change], terms: Terms, *, as_json: bool) -> None:
    """Opens a proposal and reports its id.

    Raises:
        Failure: it cannot be signed or sent; a refusal by the ledger is a finding.
    """
    if not changes:
        raise usage(_("Name at least one change."), _("`--help` lists them."))
    expires = int(time.time() * 1000 + terms.days * _DAY_MS)

    def add(builder: TransactionBuilder) -> None:
        builder.propose(
            *changes,
            expires=expires,
            not_before=terms.not_before,
            acknowledged=terms.acknowledged,
            memo=terms.memo,
        )

    transaction, outcome = _submit(acting, add)
    proposal = transaction.proposal_id().hex()
    if as_json:
        emit({**outcome_fields(outcome), "proposal": proposal})
        finish(GOOD if outcome.final else 1)
        return
    if outcome.final:
        say(_("Proposal {proposal} is open.", proposal=proposal))
        say(_("The others vote with `bubi governance vote {proposal} --yes`.", proposal=proposal))
    report_outcome(outcome, as_json=False)


def vote(acting: Acting, proposal: str, *, approve: bool, as_json: bool) -> None:
    """Votes on a proposal."""
    _transaction, outcome = _submit(acting, lambda builder: builder.vote(proposal, approve))
    report_outcome(outcome, as_json=as_json, proposal=proposal)


def withdraw(acting: Acting, proposal: str, *, as_json: bool) -> None:
    """Takes back a proposal."""
    _transaction, outcome = _submit(acting, lambda builder: builder.withdraw_proposal(proposal))
    report_outcome(outcome, as_json=as_json, proposal=proposal)


def ask_membership(acting: Acting, organisation: str | None, *, as_json: bool) -> None:
    """Asks an organisation to take the acting account in; None leaves the one it is in."""
    _transaction, outcome = _submit(acting, lambda builder: builder.ask_membership(organisation))
    report_outcome(outcome, as_json=as_json, organisation=organisation)


def set_member(acting: Acting, account: str, *, member: bool, as_json: bool) -> None:
    """Takes an account in that asks for one's organisation, or lets it go."""
    address = address_of(account, network_of(acting.url, acting.data), acting.data)
    _transaction, outcome = _submit(acting, lambda builder: builder.set_member(address, member))
    report_outcome(outcome, as_json=as_json, account=account)


def _submit(acting: Acting, add: Any) -> tuple[Transaction, Any]:
    with client(acting.url, acting.data) as (node, network):
        source = address_of(acting.source or acting.signers[0], network, acting.data)
        builder = TransactionBuilder(network, source)
        add(builder)
        transaction = builder.build()
        collection = Collection(transaction)
        for name in acting.signers:
            collection.add(open_signer(name, acting.data, password_stdin=acting.password_stdin))
        return transaction, node.submit_and_wait(collection.envelope())
