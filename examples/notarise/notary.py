"""Notarises a directory: records the digest of every file, and writes one receipt per document.

`bubi proof verify RECEIPT --trust TRUST --document FILE` checks a receipt later, with nothing but
the trust file.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bubi_sdk import Client, KeystoreSigner, Network, Signer, TransactionBuilder
from bubi_sdk.documents import DocumentReceipt, Entry
from bubi_sdk.errors import BubiError, NotFound
from bubi_sdk.network import Trust
from bubi_sdk.proof import ReceiptProof, verify_receipt
from bubi_sdk.transaction import Envelope
from development import Development, ExampleFailed, groups, progress_bar
from development import network as development_network
from notarise.documents import Document, Skipped, algorithms, document, files
from rich.progress import Progress

RECORDS_PER_TRANSACTION = 100
TRANSACTIONS_PER_REQUEST = 50
WAIT_SECONDS = 50.0


def main(arguments: Sequence[str]) -> int:
    """Runs the example."""
    options = _options(arguments)
    if not options.directory.is_dir():
        print(f"Error: {options.directory} is no directory.", file=sys.stderr)
        return 2
    try:
        with development_network(options.data) as development:
            report = notarise(development, options)
    except (ExampleFailed, BubiError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    # Names of files need not be UTF-8.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    if options.json:
        print(json.dumps({"schema": 1, **report}, ensure_ascii=False))
    else:
        _tell(report)
    return 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="notarise", description=__doc__)
    parser.add_argument("directory", type=Path, help="every regular file below it is notarised")
    parser.add_argument("--out", type=Path, required=True, help="folder for the receipts")
    parser.add_argument("--suite", choices=("sha256", "sm3", "both"), default="sha256")
    parser.add_argument(
        "--salted", action="store_true", help="hide the digests and paths behind a salt"
    )
    parser.add_argument("--namespace", default="documents", help="namespace of the records")
    parser.add_argument(
        "--data", type=Path, help="data folder of the network; default: the one that runs"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser.parse_args(arguments)


def notarise(development: Development, options: argparse.Namespace) -> dict[str, object]:
    """Hashes, records and writes receipts; says how much and how long."""
    began = time.monotonic()
    trust = Trust.load(development.trust_file)
    signer = KeystoreSigner.open(development.keystores["notary"], development.password)
    client, names = development.open()
    with client, progress_bar() as progress:
        documents, skipped = _hash(options, progress)
        hashed = time.monotonic()
        namespace = open_namespace(client, names, signer, options.namespace)
        parts = list(_groups(documents))
        envelopes = [_envelope(names, signer, namespace, part) for part in parts]
        _submit(client, envelopes, progress)
        recorded = time.monotonic()
        heights = _write_receipts(
            client, trust, list(zip(envelopes, parts, strict=True)), options.out, progress
        )
    options.out.mkdir(parents=True, exist_ok=True)
    trust_file = options.out / "trust.json"
    trust_file.write_bytes(development.trust_file.read_bytes())
    ended = time.monotonic()
    return {
        "documents": len(documents),
        "records": sum(len(one.records) for one in documents),
        "transactions": len(envelopes),
        "skipped": [vars(one) for one in skipped],
        "heights": [min(heights, default=None), max(heights, default=None)],
        "seconds": {
            "hashing": round(hashed - began, 3),
            "recording": round(recorded - hashed, 3),
            "receipts": round(ended - recorded, 3),
            "total": round(ended - began, 3),
        },
        "chain_id": trust.network.chain_id.hex(),
        "namespace": options.namespace,
        "out": str(options.out),
        "trust_file": str(trust_file),
    }


def _hash(options: argparse.Namespace, progress: Progress) -> tuple[list[Document], list[Skipped]]:
    chosen = algorithms(options.suite, salted=options.salted)
    own = options.out.resolve()
    found = [
        one
        for one in files(options.directory)
        if isinstance(one, Skipped) or own not in one.resolve().parents
    ]
    documents: list[Document] = []
    skipped: list[Skipped] = []
    for one in progress.track(found, description="Hashing"):
        made = one if isinstance(one, Skipped) else document(options.directory, one, chosen)
        if isinstance(made, Skipped):
            skipped.append(made)
        else:
            documents.append(made)
    return documents, skipped


def open_namespace(client: Client, network: Network, signer: Signer, name: str) -> bytes:
    """The namespace with this name; opened for the notary if there is none."""
    try:
        client.namespace(network.namespace_id(name))
    except NotFound:
        builder = TransactionBuilder(network, signer.public_key)
        builder.create_namespace(name, writers=[])
        client.submit_and_wait(builder.build().sign(signer)).raise_for_status()
    return network.namespace_id(name)


def _groups(documents: Sequence[Document]) -> Iterator[list[Document]]:
    """Documents that share a transaction; all records of one document stay together."""
    each = len(documents[0].records) if documents else 1
    yield from groups(documents, RECORDS_PER_TRANSACTION // each)


def _envelope(
    network: Network, signer: Signer, namespace: bytes, group: Sequence[Document]
) -> Envelope:
    builder = TransactionBuilder(network, signer.public_key).valid_for(300)
    for one in group:
        for record in one.records:
            builder.put_record(namespace, record.key, record.digest)
    return builder.build().sign(signer)


def _submit(client: Client, envelopes: Sequence[Envelope], progress: Progress) -> None:
    task = progress.add_task("Recording", total=len(envelopes))
    for some in groups(envelopes, TRANSACTIONS_PER_REQUEST):
        outcome = client.submit_bulk(some, wait=WAIT_SECONDS)
        for verdict, envelope in zip(outcome.verdicts, some, strict=True):
            if not verdict.final:
                client.submit_and_wait(envelope).raise_for_status()
        progress.advance(task, len(some))


def _write_receipts(
    client: Client,
    trust: Trust,
    transactions: Sequence[tuple[Envelope, Sequence[Document]]],
    out: Path,
    progress: Progress,
) -> list[int]:
    heights = []
    for envelope, group in progress.track(transactions, description="Receipts"):
        answer = client.transaction(envelope.hash, proof=True)
        proof = bytes.fromhex(str(answer.data["proof"]))
        # Nothing is handed out that would not verify.
        proven = verify_receipt(trust, ReceiptProof.decode(proof))
        heights.append(proven.block.height)
        operation = 0
        for one in group:
            entries = tuple(
                Entry(operation + place, record.digest, record.key, record.salt)
                for place, record in enumerate(one.records)
            )
            operation += len(entries)
            receipt = DocumentReceipt(
                one.path,
                trust.network.chain_id,
                envelope.hash,
                proven.block.height,
                proven.block.time,
                entries,
                proof,
            )
            _write(out / f"{one.path}.receipt.json", receipt.render())
    return heights


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _tell(report: dict[str, object]) -> None:
    print(
        f"{report['documents']} documents, {report['records']} records, "
        f"{report['transactions']} transactions"
    )
    print(f"heights {report['heights']}, seconds {report['seconds']}")
    skipped = report["skipped"]
    for one in skipped if isinstance(skipped, list) else ():
        print(f"skipped {one['path']}: {one['reason']}")
    print(f"receipts in {report['out']}; check one with")
    print(f"  bubi proof verify RECEIPT --trust {report['trust_file']} --document FILE")
