"""`bubi proof verify`: what a proof shows. Needs a trust file, no network, no compiled core."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from bubi_sdk.codec import parse_json
from bubi_sdk.documents import DocumentReceipt, utc
from bubi_sdk.errors import BubiError, ProofInvalid
from bubi_sdk.network import Trust
from bubi_sdk.proof import (
    AccountProof,
    CellProof,
    ProvenBlock,
    ProvenReceipt,
    verify_account,
    verify_cell,
    verify_finality,
    verify_receipt,
)

from bubi.cli.messages import _
from bubi.cli.output import FINDING, AsJson, details, emit, error_console, finish, say, usage

app = typer.Typer(name="proof", help=_("Check proofs without a network."), no_args_is_help=True)

BYTES_MAX: Final = 128 * 1_048_576
"""Largest file that is read as a proof."""


@app.callback()
def proofs() -> None:
    """Checks proofs without a network."""


@app.command("verify")
def verify(
    file: Annotated[
        Path, typer.Argument(help=_("Receipt of a document, or a proof as JSON, hex or bytes."))
    ],
    trust: Annotated[
        Path, typer.Option(help=_("Trust file of the ledger, from somebody you trust."))
    ],
    document: Annotated[
        Path | None, typer.Option(help=_("The document that the receipt is about."))
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Says what a proof shows and since when, or why it shows nothing."""
    data, trusted = _read(file), _trust(trust)
    try:
        fields, lines = judge(data, trusted, document)
    except ProofInvalid as error:
        _report_invalid(error, as_json=as_json)
        finish(FINDING)
        return
    if as_json:
        emit(fields)
        return
    details(_("The proof is valid"), _shown(fields))
    for line in lines:
        say(line)


def judge(data: bytes, trust: Trust, document: Path | None) -> tuple[dict[str, Any], list[str]]:
    """Checks a proof of any kind: fields for programs and lines for people.

    Raises:
        ProofInvalid: it shows nothing.
    """
    value = _json(data)
    if isinstance(value, dict) and value.keys() & {"kind", "entries", "statement"}:
        # What looks like a receipt is judged as one, so that a changed `kind` is found too.
        return _document(data, trust, document)
    if document is not None:
        raise ProofInvalid(
            "only the receipt of a document can be compared with one", code="no_receipt"
        )
    if isinstance(value, dict) and isinstance(value.get("proof"), dict):
        return _state(value["proof"], trust)
    return _bare(_proof_bytes(data, value), trust)


def _document(
    data: bytes, trust: Trust, document: Path | None
) -> tuple[dict[str, Any], list[str]]:
    receipt = DocumentReceipt.parse(data.decode("utf-8"))
    _readable(document)
    proven = receipt.verify(trust, document)
    records = [
        {
            "algorithm": entry.digest.algorithm.value,
            "digest": entry.digest.bytes.hex(),
            "operation": entry.operation,
            "key": entry.key,
        }
        for entry in receipt.entries
    ]
    fields = {
        **_block(proven.block, "document", proven.code),
        "digest": receipt.entries[0].digest.bytes.hex(),
        "transaction": receipt.transaction.hex(),
        "path": receipt.path,
        "records": records,
        "document_compared": document is not None,
    }
    return fields, _document_lines(receipt, proven, trust, document)


def _document_lines(
    receipt: DocumentReceipt, proven: ProvenReceipt, trust: Trust, document: Path | None
) -> list[str]:
    when = utc(proven.block.time)
    author = ""
    if proven.body is not None:
        operation = proven.body.operations[receipt.entries[0].operation]
        author = trust.network.text(operation.source or proven.body.source)
    lines = [
        _(
            "Proven: the account {author} had the digest of the document {path} recorded in "
            "block {height} of the ledger {chain}. The block was decided at {time} with the votes "
            "of {signers} (weight {weight}, quorum {quorum}).",
            author=author,
            path=receipt.path,
            height=proven.block.height,
            chain=proven.block.chain_id.hex(),
            time=when,
            signers=", ".join(proven.block.signers),
            weight=proven.block.weight,
            quorum=proven.block.quorum,
        )
    ]
    if document is None:
        lines.append(
            _("No document was compared. Give it with --document to check that it is this one.")
        )
    else:
        lines.append(
            _(
                "{document} is that document, byte for byte: it existed no later than {time}.",
                document=document,
                time=when,
            )
        )
    lines.append(_("Not proven: who wrote the document, and whether what it says is true."))
    return lines


def _bare(proof: bytes, trust: Trust) -> tuple[dict[str, Any], list[str]]:
    """A receipt proof, else a finality proof; the first kind's refusal counts if it is neither."""
    try:
        receipt = verify_receipt(trust, proof)
    except ProofInvalid as refusal:
        try:
            block = verify_finality(trust, proof)
        except ProofInvalid:
            raise refusal from None
        line = _(
            "Proven: block {height} was decided at {time}. Its state root is {root}.",
            height=block.height,
            time=utc(block.time),
            root=block.state_root.hex(),
        )
        return {**_block(block, "finality", "final"), "digest": block.digest.hex()}, [line]
    transaction = receipt.receipt.transaction.hex()
    line = _(
        "Proven: transaction {transaction} ended as {code} in block {height}, decided at {time}.",
        transaction=transaction,
        code=receipt.code,
        height=receipt.block.height,
        time=utc(receipt.block.time),
    )
    fields = {**_block(receipt.block, "receipt", receipt.code), "digest": transaction}
    return {**fields, "transaction": transaction}, [line]


def _state(proof: dict[str, Any], trust: Trust) -> tuple[dict[str, Any], list[str]]:
    """Proof of a cell, or of all cells of an account, as the API gives them."""
    finality = _unhex(proof.get("finality"))
    if "account" in proof:
        return _account(_unhex(proof["account"]), finality, trust)
    encoded = _unhex(proof.get("cell"))
    block, cell = verify_cell(trust, finality, encoded)
    stated = CellProof.decode(encoded)
    shown = None if cell is None else cell.hex()
    line = _(
        "Proven: after block {height}, decided at {time}, cell {key} of owner {owner} is {value}.",
        height=block.height,
        time=utc(block.time),
        key=stated.key.hex(),
        owner=stated.owner.hex(),
        value=shown or _("(absent)"),
    )
    where = {"owner": stated.owner.hex(), "key": stated.key.hex(), "value": shown}
    return {**_block(block, "cell", "final"), "digest": block.digest.hex(), **where}, [line]


def _account(encoded: bytes, finality: bytes, trust: Trust) -> tuple[dict[str, Any], list[str]]:
    block, cells = verify_account(trust, finality, encoded)
    owner = AccountProof.decode(encoded).owner.hex()
    line = _(
        "Proven: after block {height}, decided at {time}, {owner} has exactly {count} cells.",
        height=block.height,
        time=utc(block.time),
        owner=owner,
        count=len(cells),
    )
    listed = {key.hex(): value.hex() for key, value in cells.items()}
    fields = {**_block(block, "account", "final"), "digest": block.digest.hex()}
    return {**fields, "owner": owner, "cells": listed}, [line]


def _block(block: ProvenBlock, kind: str, code: str) -> dict[str, Any]:
    return {
        "valid": True,
        "code": code,
        "kind": kind,
        "chain_id": block.chain_id.hex(),
        "height": block.height,
        "time": block.time,
        "signers": list(block.signers),
        "weight": block.weight,
        "quorum": block.quorum,
    }


def _shown(fields: dict[str, Any]) -> dict[str, object]:
    names = {
        "kind": _("Kind"),
        "code": _("Result"),
        "chain_id": _("Chain id"),
        "height": _("Height"),
        "digest": _("Digest"),
        "transaction": _("Transaction"),
    }
    shown: dict[str, object] = {
        text: fields[name] for name, text in names.items() if name in fields
    }
    return {**shown, _("Time"): utc(fields["time"]), _("Signed by"): ", ".join(fields["signers"])}


def _report_invalid(error: ProofInvalid, *, as_json: bool) -> None:
    if as_json:
        empty = dict.fromkeys(("kind", "chain_id", "height", "time", "digest", "quorum"))
        emit({"valid": False, "code": error.code, **empty, "signers": [], "text": error.detail})
    shown = error_console()
    shown.print(f"[bold red]{_('Not valid:')}[/]", end=" ")
    shown.print(f"{error.detail} [{error.code}]", markup=False)


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > BYTES_MAX:
            raise usage(_("{path} is too large to be a proof.", path=path))
        return path.read_bytes()
    except OSError as error:
        raise usage(
            _("{path} cannot be read: {reason}", path=path, reason=error.strerror)
        ) from error


def _readable(path: Path | None) -> None:
    if path is None:
        return
    try:
        with path.open("rb") as document:
            document.read(1)
    except OSError as error:
        raise usage(
            _("{path} cannot be read: {reason}", path=path, reason=error.strerror)
        ) from error


def _trust(path: Path) -> Trust:
    try:
        return Trust.parse(_read(path))
    except (BubiError, UnicodeDecodeError) as error:
        raise usage(
            _("{path} is not a trust file: {reason}", path=path, reason=error),
            _("`bubi status` names the trust file of the development network."),
            code="trust_invalid",
        ) from error


def _json(data: bytes) -> Any:
    """The file as JSON; None if it is none."""
    try:
        return parse_json(data.decode("utf-8"))
    except (UnicodeDecodeError, BubiError):
        if data.lstrip()[:1] == b"{":
            raise ProofInvalid(
                "not JSON, though it begins like it", code="receipt_malformed"
            ) from None
        return None


def _proof_bytes(data: bytes, value: Any) -> bytes:
    """Proof inside the API's answer, as hex text, or as bytes."""
    if isinstance(value, dict):
        return _unhex(value.get("proof"))
    if re.fullmatch(rb"\s*(?:[0-9a-f]{2})+\s*", data):
        return bytes.fromhex(data.decode("ascii"))
    return data


def _unhex(text: Any) -> bytes:
    if not isinstance(text, str) or not re.fullmatch("(?:[0-9a-f]{2})+", text, re.ASCII):
        raise ProofInvalid("the member proof is missing or not hex")
    return bytes.fromhex(text)
