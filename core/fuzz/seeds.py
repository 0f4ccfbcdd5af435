"""Writes the vectors of spec/vectors as the first inputs of the fuzz targets (corpus/<target>)."""

import hashlib
import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
VECTORS = HERE.parents[1] / "spec" / "vectors"
TARGETS = {
    "SignedTransaction": "signed_transaction",
    "TransactionBody": "transaction_body",
    "Genesis": "genesis",
    "BlockRecord": "block_record",
    "ReceiptProof": "receipt_proof",
}


def load(name: str) -> Any:
    """One file of vectors."""
    return json.loads((VECTORS / name).read_text(encoding="utf-8"))


def save(target: str, data: bytes) -> None:
    """One input, named by its digest as libFuzzer does."""
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / hashlib.sha1(data, usedforsecurity=False).hexdigest()).write_bytes(data)


def proofs(value: Any) -> list[bytes]:
    """Every proof in the vectors of the state tree, wherever it stands."""
    if isinstance(value, dict):
        own = [bytes.fromhex(value["proof"])] if isinstance(value.get("proof"), str) else []
        return own + [one for inner in value.values() for one in proofs(inner)]
    if isinstance(value, list):
        return [one for inner in value for one in proofs(inner)]
    return []


def main() -> None:
    """Writes all of them."""
    codec, transactions = load("codec.json"), load("transaction.json")["transactions"]
    for case in codec["valid"] + codec["invalid"]:
        if case["type"] in TARGETS and "bytes" in case:
            save(TARGETS[case["type"]], bytes.fromhex(case["bytes"]))
        if case["type"] == "TransactionBody" and "json" in case:
            save("json_transaction", json.dumps(case["json"]).encode())
    for case in codec["invalid_json"]:
        save("json_transaction", case["text"].encode())
    for case in transactions:
        signed = bytes.fromhex(case["signed"])
        save("signed_transaction", signed)
        if len(signed) < 2**14:
            length = bytes([len(signed) & 0x7F | 0x80, len(signed) >> 7])
            save("bulk", b"\x01" + length + signed)
            save("bulk", b"\x02" + 2 * (length + signed))
    for case in load("proof.json")["receipts"]:
        save("receipt_proof", bytes.fromhex(case["proof"]))
    for proof in proofs(load("state_tree.json")):
        save("state_proof", proof)


if __name__ == "__main__":
    main()
