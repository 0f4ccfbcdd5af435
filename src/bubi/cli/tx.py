"""`bubi tx`: build, sign, submit, show, decode and simulate transactions.

A transaction travels as a collection file: the body and the signatures so far. Signing it needs
no network.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from bubi_sdk.builder import TransactionBuilder
from bubi_sdk.codec import Json, parse_json
from bubi_sdk.codes import RESULT_CODES, meaning
from bubi_sdk.collection import Collection
from bubi_sdk.errors import BubiError, InvalidInput
from bubi_sdk.network import Network, Trust
from bubi_sdk.operations import Operation
from bubi_sdk.transaction import Envelope, Transaction, TransactionBody

from bubi.cli.connection import (
    DataOption,
    UrlOption,
    address_of,
    client,
    network_of,
    open_signer,
)
from bubi.cli.key import PasswordStdin
from bubi.cli.messages import _
from bubi.cli.outcome import TimeoutOption, WaitOption, report_outcome
from bubi.cli.output import FINDING, GOOD, AsJson, emit, finish, say, table, usage

app = typer.Typer(
    name="tx", help=_("Build, sign, submit and read transactions."), no_args_is_help=True
)

FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help=_("Collection file of the transaction."))
]
SourceOption = Annotated[str, typer.Option(help=_("Name or address of the account that asks."))]


@app.command("build", help=_("Write a transaction, not yet signed, into a file."))
def build(  # noqa: PLR0913, PLR0917 - each is one option of the command
    source: SourceOption,
    operation: Annotated[
        list[str] | None,
        typer.Option(metavar="JSON", help=_("Operation in its JSON form; repeatable.")),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", help=_("JSON list of operations instead; - reads standard input.")),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help=_("File to write; else standard output."))
    ] = None,
    valid_for: Annotated[
        float, typer.Option(min=1, help=_("Seconds for which it may be decided."))
    ] = 300,
    sequence: Annotated[
        str | None,
        typer.Option(metavar="LANE:NUMBER", help=_("Place in a lane instead of a random id.")),
    ] = None,
    memo: Annotated[str, typer.Option(help=_("Text for the application."))] = "",
    trust: Annotated[
        Path | None, typer.Option(help=_("Trust file of the network, to build off-line."))
    ] = None,
    url: UrlOption = None,
    data: DataOption = None,
    as_json: AsJson = False,
) -> None:
    """Writes a transaction that is not yet signed."""
    network = _network(trust, url, data)
    builder = TransactionBuilder(network, address_of(source, network, data)).valid_for(valid_for)
    if memo:
        builder.memo(memo)
    if sequence is not None:
        builder.sequence(*_place(sequence))
    for value in _operations(operation, file):
        made = operation_from_json(value, network)
        builder.add(made.body, made.source)
    collection = Collection(builder.build())
    if out is not None:
        _save(collection, out)
    if as_json:
        emit(_collection_fields(collection, out))
    elif out is None:
        sys.stdout.write(json.dumps(collection.to_json(), indent=1) + "\n")
    else:
        say(_("Wrote {path}. Sign it with `bubi tx sign {path} --as NAME`.", path=out))


def _network(trust: Path | None, url: str | None, data: Path | None) -> Network:
    if trust is None:
        return network_of(url, data)
    try:
        return Trust.load(trust).network
    except OSError as error:
        raise usage(
            _("{path} cannot be read: {reason}", path=trust, reason=error.strerror)
        ) from error


def _place(text: str) -> tuple[int, int]:
    if not re.fullmatch("[0-9]+:[0-9]+", text, re.ASCII):
        raise usage(_("{text} is not LANE:NUMBER.", text=text))
    lane, number = text.split(":")
    return int(lane), int(number)


def _operations(given: list[str] | None, file: Path | None) -> list[Json]:
    if bool(given) == (file is not None):
        raise usage(_("Give operations with --operation or with --file, not both."))
    if given:
        return [parse_json(text) for text in given]
    value = parse_json(_text(file))
    if not isinstance(value, list):
        raise usage(_("The file must hold a JSON list of operations."))
    return value


def operation_from_json(value: Json, network: Network) -> Operation:
    """An operation in the API's form, or just its body (then the transaction's source acts)."""
    if isinstance(value, dict) and "body" in value:
        return Operation.from_json(value, network.prefix)
    return Operation.from_json({"source": None, "body": value}, network.prefix)


def _text(path: Path | None) -> str:
    try:
        return (
            sys.stdin.read()
            if path is None or str(path) == "-"
            else path.read_text(encoding="utf-8")
        )
    except (OSError, UnicodeDecodeError) as error:
        raise usage(_("{path} cannot be read: {reason}", path=path, reason=error)) from error


def _save(collection: Collection, path: Path) -> None:
    try:
        collection.save(path)
    except OSError as error:
        raise usage(
            _("{path} cannot be written: {reason}", path=path, reason=error.strerror)
        ) from error


def _load(path: Path) -> Collection:
    return Collection.from_json(parse_json(_text(path)))


def _collection_fields(collection: Collection, path: Path | None) -> dict[str, Any]:
    transaction = collection.transaction
    return {
        "id": transaction.hash.hex(),
        "valid_until": transaction.body.valid_until,
        "signatures": len(collection.signatures),
        "file": None if path is None else str(path),
        "collection": collection.to_json(),
    }


@app.command("sign", help=_("Add a signature to a transaction file; needs no network."))
def sign(
    file: FileArgument,
    signer: Annotated[
        list[str],
        typer.Option("--as", help=_("Demo account or keystore file that signs; repeatable.")),
    ],
    out: Annotated[
        Path | None, typer.Option(help=_("File to write; else FILE is replaced."))
    ] = None,
    password_stdin: PasswordStdin = False,
    data: DataOption = None,
    as_json: AsJson = False,
) -> None:
    """Adds signatures to a transaction file."""
    collection = _load(file)
    for name in signer:
        collection.add(open_signer(name, data, password_stdin=password_stdin))
    target = file if out is None else out
    _save(collection, target)
    if as_json:
        envelope = collection.envelope()
        emit({**_collection_fields(collection, target), "bytes": envelope.encoded.hex()})
    else:
        say(
            _(
                "{path} now has {count} signatures. Submit it with `bubi tx submit {path}`.",
                path=target,
                count=len(collection.signatures),
            )
        )


@app.command("submit", help=_("Submit a signed transaction and wait for its outcome."))
def submit(
    file: FileArgument,
    wait: WaitOption = True,
    timeout: TimeoutOption = 30.0,
    url: UrlOption = None,
    data: DataOption = None,
    as_json: AsJson = False,
) -> None:
    """Submits a signed transaction."""
    with client(url, data) as (node, network):
        envelope = _envelope(file, network)
        outcome = node.submit_and_wait(envelope, timeout) if wait else node.submit(envelope)
    report_outcome(outcome, as_json=as_json)


def _envelope(file: Path, network: Network) -> Envelope:
    """A signed transaction from a collection file, its JSON form, hex, or bytes."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise usage(
            _("{path} cannot be read: {reason}", path=file, reason=error.strerror)
        ) from error
    return envelope_from(data, network)


def envelope_from(data: bytes, network: Network) -> Envelope:
    """A signed transaction in any of its written forms.

    Raises:
        InvalidInput: it is none, or belongs to another chain.
    """
    text = data.strip()
    if re.fullmatch(b"(?:[0-9a-f]{2})+", text):
        return Envelope.decode(network, bytes.fromhex(text.decode("ascii")))
    if not text.startswith(b"{"):
        return Envelope.decode(network, data)
    value = parse_json(text)
    if isinstance(value, dict) and value.get("kind") == "bubi-collection":
        return _of_chain(Collection.from_json(value), network).envelope()
    return Envelope.from_json(network, text)


def _of_chain(collection: Collection, network: Network) -> Collection:
    if collection.transaction.network.chain_id != network.chain_id:
        raise InvalidInput("the transaction was built for another chain", code="wrong_chain")
    return collection


def _simulated(file: Path, network: Network) -> Envelope | Transaction:
    """What to simulate: a transaction that nobody signed yet is judged as if everybody had."""
    try:
        value = parse_json(file.read_bytes())
    except (OSError, BubiError):
        return _envelope(file, network)
    if isinstance(value, dict) and value.get("kind") == "bubi-collection":
        collection = _of_chain(Collection.from_json(value), network)
        return collection.envelope() if collection.signatures else collection.transaction
    inner = value.get("v1") if isinstance(value, dict) else None
    if isinstance(inner, dict) and "signatures" not in inner:
        return Transaction(network, TransactionBody.from_json(value, network.prefix))
    return _envelope(file, network)


@app.command("simulate", help=_("Ask what a transaction would do if it were next."))
def simulate(
    file: FileArgument, url: UrlOption = None, data: DataOption = None, as_json: AsJson = False
) -> None:
    """Asks the node what a transaction would do now; nothing is submitted."""
    with client(url, data) as (node, network):
        answer = node.simulate(_simulated(file, network))
    code = str(answer.data.get("code") or answer.data.get("refused"))
    if as_json:
        emit({**answer.data, "code": code})
    else:
        say(_("It would end as {code}: {text}", code=code, text=meaning(code)))
        if answer.data.get("signatures_assumed"):
            say(_("Nobody has signed it yet: it was judged as if everybody had."))
    finish(GOOD if code == "final" else FINDING)


@app.command("show", help=_("Show what became of a transaction."))
def show(
    transaction: Annotated[
        str, typer.Argument(metavar="HASH", help=_("Hash of the transaction."))
    ],
    url: UrlOption = None,
    data: DataOption = None,
    as_json: AsJson = False,
) -> None:
    """Shows what became of a transaction."""
    with client(url, data) as (node, _network):
        outcome = node.transaction(transaction)
    report_outcome(outcome, as_json=as_json)


@app.command(
    "decode", help=_("Show a transaction as JSON, from a file, hex or standard input (-).")
)
def decode(
    source: Annotated[
        str, typer.Argument(metavar="HEX|FILE", help=_("Bytes in hex, a file, or -."))
    ],
    trust: Annotated[
        Path | None, typer.Option(help=_("Trust file of the network, to decode off-line."))
    ] = None,
    url: UrlOption = None,
    data: DataOption = None,
    as_json: AsJson = False,
) -> None:
    """Shows a transaction as JSON; a body without signatures too."""
    network = _network(trust, url, data)
    content = _content(source)
    try:
        envelope = envelope_from(content, network)
        transaction, signatures = envelope.transaction, envelope.signed.signatures
    except BubiError as refusal:
        transaction, signatures = _bare_body(content, network, refusal), ()
    fields = {
        "id": transaction.hash.hex(),
        "transaction": transaction.to_json(),
        "signatures": [entry.to_json(network.prefix) for entry in signatures],
    }
    if as_json:
        emit(fields)
    else:
        sys.stdout.write(json.dumps(fields, indent=2, ensure_ascii=False) + "\n")


def _content(source: str) -> bytes:
    if source == "-":
        return sys.stdin.buffer.read()
    if re.fullmatch("(?:[0-9a-f]{2})+", source, re.ASCII):
        return source.encode("ascii")
    try:
        return Path(source).read_bytes()
    except OSError as error:
        raise usage(
            _("{path} cannot be read: {reason}", path=source, reason=error.strerror)
        ) from error


def _bare_body(content: bytes, network: Network, refusal: BubiError) -> Transaction:
    text = content.strip()
    data = bytes.fromhex(text.decode()) if re.fullmatch(b"(?:[0-9a-f]{2})+", text) else content
    try:
        return Transaction(network, data)
    except BubiError:
        raise refusal from None


@app.command("codes", help=_("List every result code with its meaning."))
def codes(as_json: AsJson = False) -> None:
    """Lists every result code."""
    if as_json:
        emit(
            {
                "codes": [
                    {"number": number, "name": name, "meaning": text}
                    for number, (name, text) in RESULT_CODES.items()
                ]
            }
        )
        return
    table(
        _("Result codes"),
        (_("Number"), _("Name"), _("Meaning")),
        [(number, name, text) for number, (name, text) in RESULT_CODES.items()],
    )
