"""Organisations and the accounts that belong to them, now and as of any height.

An account belongs to the organisation for which it votes; else to the one that took it in, if that
exists (spec/ledger.md 3.1). Who votes for whom is of the epoch, so it is looked up, not kept.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from bubi_sdk import state
from bubi_sdk.errors import BubiError
from sqlalchemy import Select, func, select

from bubi.gateway import shapes
from bubi.gateway.index import schema
from bubi.gateway.index.governance import of_text
from bubi.gateway.index.paging import Asked, Order, Page
from bubi.gateway.index.reader import Reader, View
from bubi.gateway.index.settings import Settings
from bubi.gateway.node import Node
from bubi.gateway.problems import ProblemError

Kind = Literal["member", "asks"]
SYSTEM = "00" * 33
"""Owner of the cells of the network, in hex."""
MEMBERS = schema.memberships


class Member(NamedTuple):
    """That an account belonged to an organisation, or asked for it, for some time."""

    account: int
    since: int
    until: int
    votes: bool
    """Whether it belongs because it votes for the organisation."""


class Term(NamedTuple):
    """That an account votes for an organisation, for some time."""

    organisation: str
    address: str
    since: int
    until: int


# --- organisations -------------------------------------------------------------------------------


def organisations(
    reader: Reader, asked: Asked, height: int | None = None, contains: str = ""
) -> Page:
    """Organisations that there are at a height and whose names contain a text, by name.

    Raises:
        AheadError: the index has not reached the height.
    """
    with reader.view() as view:
        at = view.at(height)
        now = _settings(view, at)
        order = Order([schema.memberships.c.organisation], down=False, types=(str,))
        after = None if asked.cursor is None else order.values(asked.cursor)[0]
        fitting = [name for name in now.organisations if contains in name]
        names = sorted(name for name in fitting if after is None or name > after)
        shown = names[: asked.limit]
        following = order.cursor([shown[-1]]) if len(names) > len(shown) else None
        return Page(_shown(view, shown, now, at), following, at)


def organisation(
    reader: Reader, name: str, height: int | None = None
) -> shapes.OrganisationDetail | None:
    """One organisation; None if there is none of this name at the height.

    Raises:
        AheadError: the index has not reached the height.
    """
    with reader.view() as view:
        at = view.at(height)
        now = _settings(view, at)
        if name not in now.organisations:
            return None
        return {**_shown(view, [name], now, at)[0], "indexed_height": str(at)}


def _shown(view: View, names: Sequence[str], now: Settings, at: int) -> list[shapes.Organisation]:
    weights = now.weights()
    voters = _voters(view, now)
    members = _counts(view, "organisation", names, at, voters)
    asking = _counts(view, "asks", names, at, {})
    return [
        {
            "name": name,
            "weight": weights.get(name, 0),
            "validators": [one["name"] for one in now.validators if one["organisation"] == name],
            "members": str(members.get(name, 0) + (name in voters.values())),
            "asking": str(asking.get(name, 0)),
            "governance": now.organisations[name]["governance"],
            "certificate_bytes": now.organisations[name]["certificate_bytes"],
            "certificate_sha256": now.organisations[name]["certificate_sha256"],
        }
        for name in names
    ]


def _counts(
    view: View, column: str, names: Sequence[str], at: int, voters: Mapping[int, str]
) -> dict[str, int]:
    """Accounts that an organisation took in, or that ask for it; without those that vote."""
    by = MEMBERS.c[column]
    query = (
        select(by, func.count())
        .where(by.in_(names), *_valid(at), MEMBERS.c.account.not_in(list(voters)))
        .group_by(by)
    )
    found = view.connection.execute(query).all()
    return {row[0]: row[1] for row in found}


# --- members -------------------------------------------------------------------------------------


def members(
    reader: Reader,
    name: str,
    asked: Asked,
    height: int | None,
    kind: Kind,
    *,
    history: bool,
    account: str | None = None,
) -> Page | None:
    """Accounts of an organisation at a height, or those that ask it to take them in.

    With `account` only that one, if it is among them.

    With `history` all that were until then: each from block `since` to before `until`. None if
    there never was such an organisation.

    Raises:
        AheadError: the index has not reached the height.
    """
    with reader.view() as view:
        at = view.at(height)
        terms = _terms(view, at)
        if name not in terms:
            return None
        only = None if account is None else (view.account_number(account),)
        rows = _members(view, name, at, asked, kind, terms[name], history=history, only=only)
        order = Order([MEMBERS.c.account, MEMBERS.c.since], down=False)
        shown, following = order.split(rows, asked, ["account", "since"])
        return Page(_member_rows(view, shown), following, at)


def _members(
    view: View,
    name: str,
    at: int,
    asked: Asked,
    kind: Kind,
    terms: Sequence[Term],
    *,
    history: bool,
    only: tuple[int | None] | None,
) -> list[Member]:
    """Rows behind the cursor, at least one more than asked for if there are so many."""
    order = Order([MEMBERS.c.account, MEMBERS.c.since], down=False)
    now = _settings(view, at)
    taken: Select[Any] = select(MEMBERS.c.account, MEMBERS.c.since, MEMBERS.c.until)
    if kind == "asks":
        taken = taken.where(MEMBERS.c.asks == name)
    else:
        taken = taken.where(MEMBERS.c.organisation == name)
        if not history:
            # Who votes belongs there whoever took him in.
            taken = taken.where(MEMBERS.c.account.not_in(list(_voters(view, now))))
            if name not in now.organisations:
                return []
    if only is not None:
        taken = taken.where(MEMBERS.c.account == only[0])
    taken = taken.where(MEMBERS.c.since <= at) if history else taken.where(*_valid(at))
    found = view.connection.execute(order.apply(taken, asked)).all()
    rows = [Member(account, since, until, votes=False) for account, since, until in found]
    if kind == "member":
        after = None if asked.cursor is None else tuple(order.values(asked.cursor))
        voting = _voting(view, [one for one in terms if history or one.until > at])
        voting = [one for one in voting if only is None or one.account == only[0]]
        rows += [one for one in voting if after is None or one[:2] > after]
    return _merged(rows)


def _merged(rows: Sequence[Member]) -> list[Member]:
    """Rows in order; who was taken in and votes from the same block on has one."""
    found: dict[tuple[int, int], Member] = {}
    for row in sorted(rows):
        same = found.get(row[:2], row)
        found[row[:2]] = row._replace(votes=same.votes or row.votes)
    return list(found.values())


def _voting(view: View, terms: Sequence[Term]) -> list[Member]:
    numbers = _numbers(view, [one.address for one in terms])
    return [
        Member(numbers[one.address], one.since, one.until, votes=True)
        for one in terms
        if one.address in numbers
    ]


def _member_rows(view: View, rows: Sequence[Member]) -> list[shapes.Member]:
    named = view.addresses([row.account for row in rows])
    accounts = schema.accounts
    closed = select(accounts.c.account, accounts.c.closed).where(
        accounts.c.account.in_([row.account for row in rows]), accounts.c.closed.is_not(None)
    )
    ended = dict(view.connection.execute(closed).all()) if rows else {}
    return [
        {
            "address": named[row.account],
            "votes": row.votes,
            "closed": str(ended[row.account]) if row.account in ended else None,
            "since": str(row.since),
            "until": None if row.until == schema.OPEN else str(row.until),
        }
        for row in rows
    ]


# --- one account ---------------------------------------------------------------------------------


def belonging(reader: Reader, address: str, height: int | None = None) -> shapes.Belonging:
    """To which organisation an account belongs at a height, and which one it asks.

    Raises:
        AheadError: the index has not reached the height.
    """
    with reader.view() as view:
        at = view.at(height)
        now = _settings(view, at)
        number = view.account_number(address)
        query = select(MEMBERS).where(MEMBERS.c.account == number, *_valid(at))
        row = view.connection.execute(query).first()
        votes = now.organisation_of(address)
        taken = row.organisation if row is not None else None
        return {
            "organisation": votes or (taken if taken in now.organisations else None),
            "votes": votes is not None,
            "asks": row.asks if row is not None else None,
        }


# --- quotas --------------------------------------------------------------------------------------


async def account_quota(node: Node, address: str) -> shapes.AccountQuota:
    """What an account and its organisation used of their quotas, as the node has it now.

    Raises:
        ProblemError: there is no such account; the node refused, or could not be reached.
    """
    found = await node.get(f"/v1/accounts/{address}")
    return {
        "organisation": found["organisation"],
        "quota": found["quota"],
        "height": found["height"],
    }


async def quota(node: Node, name: str) -> shapes.OrganisationQuota:
    """What the accounts of an organisation used of the quota that they share.

    `quota` is null if there is none. Governance accounts and accounts of validators have one each
    for themselves, which is not in it.

    Raises:
        ProblemError: the node refused, could not be reached, or gave something unusable.
    """
    network = await node.get("/v1/network")
    limit = int(network["parameters"]["organisation_operations"])
    if limit == 0:
        return {"quota": None, "height": network["height"]}
    key = state.organisation_use_key(name).hex()
    cell = await node.get(f"/v1/cells/{SYSTEM}/{key}", {"height": network["height"]})
    window = int(network["parameters"]["quota_window"])
    period = int(network["time"]) // window
    used = _used(cell["value"], period)
    until = str((period + 1) * window)
    found: shapes.SharedUse = {"used": str(used), "limit": str(limit), "until": until}
    return {"quota": found, "height": network["height"]}


def _used(cell: str | None, period: int) -> int:
    """What a cell says was used in a window; it tells of the newest window that was charged."""
    if cell is None:
        return 0
    try:
        use = state.Use.decode(bytes.fromhex(cell))
    except (BubiError, ValueError) as error:
        raise ProblemError("node_failed", "the node's cell is no use of a quota") from error
    return use.used if use.period == period else 0


# --- epochs --------------------------------------------------------------------------------------


def _settings(view: View, at: int) -> Settings:
    """What is in force behind a block."""
    table = schema.epochs
    query = (
        select(table.c.settings)
        .where(table.c.height <= at + 1)
        .order_by(table.c.epoch.desc())
        .limit(1)
    )
    return of_text(view.connection.execute(query).scalar_one())


def _terms(view: View, at: int) -> dict[str, list[Term]]:
    """Who voted when for each organisation that there was until a height."""
    table = schema.epochs
    query = (
        select(table.c.height, table.c.settings)
        .where(table.c.height <= at + 1)
        .order_by(table.c.epoch)
    )
    found: dict[str, list[Term]] = {}
    open_: dict[str, Term] = {}
    for height, text in view.connection.execute(query):
        # An epoch is in force from the end of the block before its first.
        since = height - 1
        now = {name: one["governance"] for name, one in of_text(text).organisations.items()}
        for name in set(open_) | set(now):
            found.setdefault(name, [])
            term = open_.get(name)
            if term is not None and term.address != now.get(name):
                found[name].append(open_.pop(name)._replace(until=since))
                term = None
            if term is None and now.get(name) is not None:
                open_[name] = Term(name, now[name], since, schema.OPEN)
    for name, term in open_.items():
        found[name].append(term)
    return found


def _voters(view: View, now: Settings) -> dict[int, str]:
    """Accounts by their numbers, each with the organisation that it votes for."""
    known = {one["governance"]: name for name, one in now.organisations.items()}
    numbers = _numbers(view, [address for address in known if address is not None])
    return {number: known[address] for address, number in numbers.items()}


def _numbers(view: View, addresses: Iterable[str]) -> dict[str, int]:
    table = schema.addresses
    wanted = sorted(set(addresses))
    query = select(table.c.address, table.c.id).where(table.c.address.in_(wanted))
    return dict(view.connection.execute(query).all()) if wanted else {}


def _valid(at: int) -> tuple[Any, ...]:
    return (MEMBERS.c.since <= at, MEMBERS.c.until > at)
