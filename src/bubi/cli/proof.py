"""`bubi proof verify`: what a proof shows. Needs a trust file, no network, no compiled core."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from bubi_sdk.answers import (
    ProvenAnswer,
    ProvenCell,
    ProvenCells,
    verify_answer,
    verify_bare,
)
from bubi_sdk.codec import parse_json
from bubi_sdk.documents import DocumentReceipt, utc
from bubi_sdk.errors import BubiError, ProofInvalid
from bubi_sdk.network import Trust
from bubi_sdk.proof import ProvenBlock, ProvenReceipt

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
    before = _predecessor(trust)
    try:
        fields, lines = judge(data, trusted, document)
    except ProofInvalid as error:
        _report_invalid(error, as_json=as_json, before=before)
        finish(FINDING)
        return
    if as_json:
        emit({**fields, **({} if before is None else {"predecessor": before})})
        return
    details(_("The proof is valid"), _shown(fields))
    for line in [*lines, *_era_lines(before)]:
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
    if isinstance(value, dict):
        return _answer(verify_answer(trust, value))
    return _answer(verify_bare(trust, _proof_bytes(data)))


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


def _answer(proven: ProvenAnswer) -> tuple[dict[str, Any], list[str]]:
    """A proof alone, or with the answer of a node around it."""
    block = proven.block
    match proven.found:
        case ProvenReceipt():
            fields, line = _receipt(proven.found)
        case ProvenCell():
            fields, line = _cell(block, proven.found)
        case ProvenCells():
            fields, line = _account(block, proven.found)
        case None:
            fields = {**_block(block, "finality", "final"), "digest": block.digest.hex()}
            line = _(
                "Proven: block {height} was decided at {time}. Its state root is {root}.",
                height=block.height,
                time=utc(block.time),
                root=block.state_root.hex(),
            )
    lines = [line]
    if proven.not_proven:
        names = ", ".join(proven.not_proven)
        lines.append(_("Not proven, though the answer shows it: {names}.", names=names))
    return {**fields, "not_proven": list(proven.not_proven)}, lines


def _receipt(receipt: ProvenReceipt) -> tuple[dict[str, Any], str]:
    transaction = receipt.receipt.transaction.hex()
    line = _(
        "Proven: transaction {transaction} ended as {code} in block {height}, decided at {time}.",
        transaction=transaction,
        code=receipt.code,
        height=receipt.block.height,
        time=utc(receipt.block.time),
    )
    fields = {**_block(receipt.block, "receipt", receipt.code), "digest": transaction}
    return {**fields, "transaction": transaction}, line


def _cell(block: ProvenBlock, cell: ProvenCell) -> tuple[dict[str, Any], str]:
    shown = None if cell.value is None else cell.value.hex()
    line = _(
        "Proven: after block {height}, decided at {time}, cell {key} of owner {owner} is {value}.",
        height=block.height,
        time=utc(block.time),
        key=cell.key.hex(),
        owner=cell.owner.hex(),
        value=shown or _("(absent)"),
    )
    where = {"owner": cell.owner.hex(), "key": cell.key.hex(), "value": shown}
    return {**_block(block, "cell", "final"), "digest": block.digest.hex(), **where}, line


def _account(block: ProvenBlock, account: ProvenCells) -> tuple[dict[str, Any], str]:
    owner = account.owner.hex()
    line = _(
        "Proven: after block {height}, decided at {time}, {owner} has exactly {count} cells.",
        height=block.height,
        time=utc(block.time),
        owner=owner,
        count=len(account.cells),
    )
    listed = {key.hex(): value.hex() for key, value in account.cells.items()}
    fields = {**_block(block, "account", "final"), "digest": block.digest.hex()}
    return {**fields, "owner": owner, "cells": listed}, line


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


def _era_lines(before: str | None) -> list[str]:
    if before is None:
        return []
    return [
        _(
            "This chain continues the chain {chain}, whose validators lost their quorum; proofs "
            "from before need the trust file of that chain.",
            chain=before,
        )
    ]


def _report_invalid(error: ProofInvalid, *, as_json: bool, before: str | None) -> None:
    if as_json:
        empty = dict.fromkeys(("kind", "chain_id", "height", "time", "digest", "quorum"))
        more = {} if before is None else {"predecessor": before}
        said = {"signers": [], "text": error.detail, **more}
        emit({"valid": False, "code": error.code, **empty, **said})
    shown = error_console()
    shown.print(f"[bold red]{_('Not valid:')}[/]", end=" ")
    shown.print(f"{error.detail} [{error.code}]", markup=False)
    for line in _era_lines(before):
        shown.print(line, markup=False)


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


def _predecessor(path: Path) -> str | None:
    """Chain id of the era before the one that a trust file is of; none if it has none."""
    document = parse_json(_read(path))
    found = document.get("predecessor") if isinstance(document, dict) else None
    chain = found.get("chain") if isinstance(found, dict) else None
    return chain if isinstance(chain, str) else None


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


def _proof_bytes(data: bytes) -> bytes:
    """Proof as hex text, or as bytes."""
    if re.fullmatch(rb"\s*(?:[0-9a-f]{2})+\s*", data):
        return bytes.fromhex(data.decode("ascii"))
    return data
