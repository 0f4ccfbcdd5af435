"""A points programme of ten thousand customers: issue, distribute, spend, let a lot lapse, prove.

The customers come from a CSV that is made from a seed. The issuer defines a dated asset: every
point lapses with its lot. The supply at the end is proven with nothing but the trust file.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bubi_sdk import (
    AssetKind,
    BubiError,
    Client,
    KeystoreSigner,
    MemorySigner,
    Network,
    Signer,
    TransactionBuilder,
    Trust,
)
from bubi_sdk.documents import utc
from bubi_sdk.proof import CellProof, verify_cell
from bubi_sdk.state import HEADER_KEY, AssetDefinition, OwnerKind, owner_key
from bubi_sdk.transaction import Envelope
from development import Development, ExampleFailed, groups, network, progress_bar
from points import customers
from points.customers import Customer

OPERATIONS = 100
"""Operations in one atomic group: all of them happen, or none."""
REQUEST = 500
"""Transactions in one request to the bulk door, at most."""
REQUESTS_LEAST = 5
"""A step is sent in so many requests, if it has as many transactions, so that one sees it move."""
WAIT_SECONDS = 50.0
YEAR_MS = 365 * 24 * 3_600 * 1_000


@dataclass
class Programme:
    """The programme while it runs."""

    client: Client
    network: Network
    trust: Trust
    issuer: Signer
    merchant: Signer
    members: list[Customer]
    keys: list[MemorySigner]
    code: str
    lapses_at: int
    asset: bytes = b""
    seconds: dict[str, float] = field(default_factory=dict)
    heights: dict[str, int] = field(default_factory=dict)
    transactions: int = 0

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measures a step and tells about it."""
        print(f"{name} …", file=sys.stderr, flush=True)
        began = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - began, 3)

    def submit(self, step: str, envelopes: Sequence[Envelope]) -> None:
        """Sends transactions through the bulk door; each must become final."""
        with progress_bar() as bar:
            size = min(REQUEST, -(-len(envelopes) // REQUESTS_LEAST))
            for some in bar.track(list(groups(envelopes, size)), description=step):
                outcome = self.client.submit_bulk(some, wait=WAIT_SECONDS)
                for verdict, envelope in zip(outcome.verdicts, some, strict=True):
                    if not verdict.final:
                        # Not known yet, or refused: asked again, which cannot execute it twice.
                        self.client.submit_and_wait(envelope).raise_for_status()
        self.transactions += len(envelopes)
        self.heights[step] = self.height()

    def height(self) -> int:
        """The newest height."""
        return int(str(self.client.status().data["height"]))

    def by_issuer(self) -> TransactionBuilder:
        """A transaction of the issuer."""
        return TransactionBuilder(self.network, self.issuer.public_key).valid_for(300)


def main(arguments: Sequence[str]) -> int:
    """Runs the example."""
    options = _options(arguments)
    try:
        with network(options.data) as development, tempfile.TemporaryDirectory() as folder:
            report = run(development, options, Path(folder))
    except (ExampleFailed, BubiError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps({"schema": 1, **report}, ensure_ascii=False))
    else:
        _tell(report)
    return 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="points", description=__doc__)
    parser.add_argument("--customers", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--csv", type=Path, help="where to write the customers' list")
    parser.add_argument(
        "--promotion-seconds", type=float, default=8.0, help="life of the short lot"
    )
    parser.add_argument(
        "--data", type=Path, help="data folder of the network; else the one that runs"
    )
    parser.add_argument("--url", help="another node of that network")
    parser.add_argument("--out", type=Path, help="folder for the supply proof and its trust file")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    if options.customers < 1:
        parser.error("at least one customer")
    return options


def run(development: Development, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The whole programme; gives its report."""
    began = time.monotonic()
    client, names = development.open()
    if options.url:
        client = Client(options.url, names)
    path = options.csv or folder / "customers.csv"
    customers.write(path, customers.generate(options.customers, options.seed))
    members = customers.read(path)

    def signer(name: str) -> Signer:
        return KeystoreSigner.open(development.keystores[name], development.password)

    with client:
        programme = Programme(
            client,
            names,
            Trust.load(development.trust_file),
            signer("issuer"),
            signer("merchant"),
            members,
            [],
            f"points-{time.time_ns() // 1_000_000}",
            0,
        )
        with programme.step("keys"):
            programme.keys = [MemorySigner.generate() for _ in members]
        open_accounts(programme)
        distribute(programme)
        promote(programme, options.promotion_seconds)
        spend(programme)
        lapse(programme)
        answer, supply = prove_supply(programme)
        statement = state_account(programme)
    if options.out is not None:
        supply["files"] = write_proof(options.out, answer, development.trust_file)
    programme.seconds["total"] = round(time.monotonic() - began, 3)
    return {
        "counts": {
            "customers": len(members),
            "promotions": sum(1 for one in members if one.promotion),
            "spenders": sum(1 for one in members if one.spends),
            "transactions": programme.transactions,
        },
        "seconds": programme.seconds,
        "heights": programme.heights,
        "asset": programme.asset.hex(),
        "code": programme.code,
        "supply": supply,
        "statement": statement,
    }


def open_accounts(programme: Programme) -> None:
    """Defines the asset and opens an account per customer, a hundred at a time."""
    with programme.step("accounts"):
        asset = programme.by_issuer().create_asset(
            programme.code, "Points", kind=AssetKind.DATED, cap=10**15
        )
        made = [asset.build().sign(programme.issuer)]
        for some in groups(programme.keys, OPERATIONS):
            builder = programme.by_issuer()
            for key in some:
                builder.create_account(key.public_key)
            made.append(builder.build().sign(programme.issuer))
        programme.submit("accounts", made)
    issuer = programme.network.address(programme.issuer.public_key)
    programme.asset = programme.network.asset_id(issuer, programme.code)


def distribute(programme: Programme) -> None:
    """Issues all points to the issuer itself, then hands them out in atomic groups."""
    with programme.step("distribution"):
        total = sum(one.points for one in programme.members)
        expires = time.time_ns() // 1_000_000 + YEAR_MS
        issue = programme.by_issuer().issue(
            programme.asset, programme.issuer.public_key, total, expires=expires
        )
        programme.submit("issue", [issue.build().sign(programme.issuer)])
        made = []
        for some in groups(list(zip(programme.members, programme.keys, strict=True)), OPERATIONS):
            builder = programme.by_issuer()
            for member, key in some:
                builder.transfer(programme.asset, key.public_key, member.points)
            made.append(builder.build().sign(programme.issuer))
        programme.submit("distribution", made)


def promote(programme: Programme, seconds: float) -> None:
    """Gives some customers points that lapse soon."""
    chosen = _chosen(programme, lambda member: member.promotion)
    with programme.step("promotion"):
        programme.lapses_at = time.time_ns() // 1_000_000 + int(seconds * 1_000)
        made = []
        for some in groups(chosen, OPERATIONS):
            builder = programme.by_issuer()
            for member, key in some:
                builder.issue(
                    programme.asset,
                    key.public_key,
                    member.promotion,
                    expires=programme.lapses_at,
                )
            made.append(builder.build().sign(programme.issuer))
        programme.submit("promotion", made)


def spend(programme: Programme) -> None:
    """Some customers spend at the merchant; each signs alone. The earliest lot is spent first."""
    with programme.step("spending"):
        made = []
        for member, key in _chosen(programme, lambda member: member.spends):
            builder = TransactionBuilder(programme.network, key.public_key).valid_for(300)
            builder.transfer(programme.asset, programme.merchant.public_key, member.spends)
            made.append(builder.build().sign(key))
        programme.submit("spending", made)


def _chosen(programme: Programme, wanted: Any) -> list[tuple[Customer, MemorySigner]]:
    pairs = zip(programme.members, programme.keys, strict=True)
    return [(member, key) for member, key in pairs if wanted(member)]


def lapse(programme: Programme) -> None:
    """Waits until the promotion has lapsed and every lot of it is retired."""
    with programme.step("lapse"):
        time.sleep(max(0.0, programme.lapses_at / 1_000 - time.time()))
        deadline = time.monotonic() + 60
        number = 0
        while any(
            lot["expires"] == str(programme.lapses_at)
            for _, holding in holdings(programme)[1]
            for lot in holding["lots"]
        ):
            if time.monotonic() > deadline:
                raise ExampleFailed("the lots did not lapse within a minute")
            # Lots are retired when a block is made; a small entry makes one.
            number += 1
            entry = programme.by_issuer().set_data("points.lapse", str(number).encode())
            programme.submit("lapse", [entry.build().sign(programme.issuer)])


def holdings(programme: Programme) -> tuple[int, list[tuple[str, dict[str, Any]]]]:
    """Everybody who holds the asset, all at one height."""
    page = programme.client.holders(programme.asset, limit=1_000)
    height, found = page.height, _pairs(page.items)
    while page.next is not None:
        page = programme.client.holders(programme.asset, cursor=page.next, limit=1_000)
        found += _pairs(page.items)
    return height, found


def _pairs(items: Iterable[Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(item["holder"], item["holding"]["v1"]) for item in items]


def prove_supply(programme: Programme) -> tuple[dict[str, Any], dict[str, Any]]:
    """Checks the asset's cell against a certified block, and the holders against the supply.

    Gives the node's answer with its proof, and what it shows.
    """
    with programme.step("supply proof"):
        answer: Any = programme.client.asset(programme.asset, proof=True).data
        evidence = bytes.fromhex(answer["proof"]["cell"])
        block, value = verify_cell(
            programme.trust, bytes.fromhex(answer["proof"]["finality"]), evidence
        )
        cell = CellProof.decode(evidence)
        if (cell.owner, cell.key) != (owner_key(OwnerKind.ASSET, programme.asset), HEADER_KEY):
            raise ExampleFailed("the proof is about another cell")
        if value is None:
            raise ExampleFailed("the proof shows that there is no such asset")
        supply = AssetDefinition.decode(value).supply
        height, found = holdings(programme)
        held = sum(int(one["balance"]) + int(one["reserved"]) for _, one in found)
        if height != block.height:
            raise ExampleFailed("somebody else made a block meanwhile; run the example again")
        if held != supply:
            raise ExampleFailed(f"holders have {held}, the proven supply is {supply}")
    issued = sum(one.points + one.promotion for one in programme.members)
    return answer, {
        "proven": supply,
        "held": held,
        "holders": len(found),
        "issued": issued,
        "lapsed": issued - supply,
        "height": block.height,
        "time": block.time,
        "signers": list(block.signers),
        "quorum": block.quorum,
    }


def write_proof(folder: Path, answer: dict[str, Any], trust: Path) -> dict[str, str]:
    """Writes what somebody needs to check the supply without the node."""
    folder.mkdir(parents=True, exist_ok=True)
    proof, copied = folder / "supply.proof.json", folder / "trust.json"
    proof.write_text(json.dumps(answer, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    copied.write_bytes(trust.read_bytes())
    return {
        "proof": str(proof),
        "trust": str(copied),
        "command": shlex.join(["bubi", "proof", "verify", str(proof), "--trust", str(copied)]),
    }


def state_account(programme: Programme) -> dict[str, Any]:
    """The statement of one customer, if possible one with promotion points who spent some."""
    pairs = list(zip(programme.members, programme.keys, strict=True))
    member, key = max(pairs, key=lambda pair: (bool(pair[0].promotion), bool(pair[0].spends)))
    address = programme.network.text(key.public_key)
    with programme.step("statement"):
        # The customer asks for the statement on the ledger: that entry ends the history.
        asks = TransactionBuilder(programme.network, key.public_key).set_data(
            "statement", b"asked"
        )
        asked = programme.client.submit_and_wait(asks.build().sign(key)).raise_for_status()
        balance: Any = programme.client.balance(address, programme.asset).data
        history = _history(programme, address, asked.transaction.hex())
    return {
        "customer": member.number,
        "name": member.name,
        "address": address,
        "balance": balance["value"]["v1"]["balance"],
        "lots": balance["value"]["v1"]["lots"],
        "height": balance["height"],
        "history": history,
    }


def _history(programme: Programme, address: str, last: str) -> list[dict[str, Any]]:
    """Events of an account from the beginning to the given transaction, from the event stream."""
    history = []
    for event in programme.client.follow_account(address, after="0"):
        entry: Any = event.data
        if entry["transaction"] == last:
            break
        ((kind, fields),) = entry["event"].items()
        history.append(
            {
                "height": int(entry["height"]),
                "time": int(entry["time"]),
                "event": kind,
                "amount": fields.get("amount"),
                "from": fields.get("from"),
                "to": fields.get("to"),
            }
        )
    return history


def _tell(report: dict[str, Any]) -> None:
    supply, statement, counts = report["supply"], report["statement"], report["counts"]
    print(f"{counts['customers']} customers, {counts['transactions']} transactions")
    print(
        f"Supply proof: block {supply['height']} ({utc(supply['time'])}), signed by "
        f"{', '.join(supply['signers'])}, shows a supply of {supply['proven']}."
    )
    print(f"  {supply['holders']} holders have {supply['held']} together: equal.")
    if "files" in supply:
        print(f"  Check it: {supply['files']['command']}")
    print(f"  {supply['issued']} were issued, {supply['lapsed']} have lapsed.")
    print(f"Statement of customer {statement['customer']} ({statement['name']})")
    print(f"  {statement['address']}")
    for entry in statement["history"]:
        amount = entry["amount"] or ""
        print(f"  {utc(entry['time'])}  {entry['event']:<16} {amount:>10}")
    print(f"  balance {statement['balance']}")
    for lot in statement["lots"]:
        print(f"    {lot['amount']} until {utc(int(lot['expires']))}")
    print(f"Seconds: {report['seconds']}")
