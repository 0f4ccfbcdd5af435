"""Section 8 of spec/ledger.md, checked over the whole state."""

from collections.abc import Iterable

from . import values as v
from .governance import SYSTEM, Council
from .governance import due as proposal_due
from .ledger import CellKey, Ledger, asset_cell, due_cell
from .values import AMOUNT_MAX, LOTS_MAX, AssetKind, Holding


def invariant_breaches(ledger: Ledger) -> list[str]:
    """What is wrong, in words."""
    return [
        *_supply_breaches(ledger),
        *_holding_breaches(ledger),
        *_governance_breaches(ledger),
        *_membership_breaches(ledger),
    ]


def _supply_breaches(ledger: Ledger) -> Iterable[str]:
    held: dict[bytes, int] = {}
    for (owner, key), value in ledger.cells.items():
        if owner[0] == 1 and key[0] == 1:
            held[key[1:]] = held.get(key[1:], 0) + value.balance + value.reserved
        elif owner[0] == 2 and key[0] == 1:
            held[owner[1:]] = held.get(owner[1:], 0) + 1
    for (owner, key), value in ledger.cells.items():
        if owner[0] == 2 and key == b"\0" and value.supply != held.get(owner[1:], 0):
            yield f"supply of {value.code} is {value.supply}, held is {held.get(owner[1:], 0)}"
        if owner[0] == 2 and key == b"\0" and value.supply > (value.cap or AMOUNT_MAX):
            yield f"supply of {value.code} passes its cap"


def _holding_breaches(ledger: Ledger) -> Iterable[str]:
    reserved: dict[tuple[bytes, bytes], list[int]] = {}
    due = set()
    for (owner, key), value in ledger.cells.items():
        if owner[0] == 1 and key[0] == 7:
            entry = reserved.setdefault((owner, value.asset), [0, 0])
            entry[0] += value.amount
            entry[1] += len(value.lots)
            due.add(due_cell(value.expires, 1, owner[1:], key[1:]))
    for (owner, key), value in ledger.cells.items():
        if owner[0] != 1 or key[0] != 1:
            continue
        amount, lots = reserved.pop((owner, key[1:]), [0, 0])
        if (value.reserved, value.reserved_lots) != (amount, lots):
            yield f"reserved is {value.reserved}, holds have {amount} in {lots} lots"
        dated = ledger.cells[asset_cell(key[1:])].kind == AssetKind.DATED
        if value.balance != sum(lot.amount for lot in value.lots) and (dated or value.lots):
            yield f"balance {value.balance} is not the sum of its lots"
        if (
            min(value.balance, value.reserved) < 0
            or value == Holding()
            or lots + len(value.lots) > LOTS_MAX
        ):
            yield "a holding is negative, empty or has too many lots"
        due.update(due_cell(lot.expires, 0, owner[1:], key[1:]) for lot in value.lots)
    if reserved:
        yield "a hold without a holding"
    if due != {cell for cell in ledger.cells if is_due(cell) and cell[1][9] < 2}:
        yield "due cells are not those of the lots and holds"


def is_due(cell: CellKey) -> bool:
    """Whether something falls due by this cell."""
    return cell[0] == SYSTEM and cell[1][0] == 3


def _governance_breaches(ledger: Ledger) -> Iterable[str]:
    council = Council(ledger, [])
    agenda, pending = council.agenda, council.agenda.pending
    proposals = {one: council.proposal(one) for one in council.named(b"\7")}
    due = {proposal_due(known.expires, one) for one, known in proposals.items() if is_open(known)}
    if pending is not None and pending.activation is None:
        due.add(proposal_due(pending.until, pending.proposal))
    if due != {cell for cell in ledger.cells if is_due(cell) and cell[1][9] == 2}:
        yield "due cells are not those of the proposals"
    if set(agenda.open) != {one for one, known in proposals.items() if is_open(known)}:
        yield "the open proposals are not those that are listed"
    approved = [
        one for one, known in proposals.items() if known.status == v.ProposalStatus.APPROVED
    ]
    if approved != ([] if pending is None else [pending.proposal]):
        yield "the approved proposal is not the pending one"
    voices = {
        one.governance: name
        for name, one in council.organisations().items()
        if one.governance is not None
    }
    if voices != {account: one.organisation for account, one in council.named(b"\r").items()}:
        yield "voters are not those of the organisations"
    epochs = sorted(council.named(b"\x08"))
    newest = ledger.cells[SYSTEM, b"\x08" + epochs[-1]].validators
    if newest != council.validators or len(epochs) != newest.epoch + 1:
        yield "the newest epoch is not the one in force"


def _membership_breaches(ledger: Ledger) -> Iterable[str]:
    for (owner, key), value in ledger.cells.items():
        if owner[0] == 1 and key == b"\12" and value == v.Membership():
            yield "a membership that says nothing"
        if owner == SYSTEM and key[0] == 14 and not isinstance(value, v.Use):
            yield "the use of an organisation's quota is none"


def is_open(proposal: v.ChangeProposal) -> bool:
    """Whether votes on it may still be taken."""
    return proposal.status == v.ProposalStatus.OPEN
