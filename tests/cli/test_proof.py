"""`bubi proof verify`: what is accepted, what is said, and that every changed byte is refused."""

import dataclasses
import json
import os
import random
import subprocess
import sys

import pytest
from bubi_sdk.documents import record_key
from bubi_sdk.errors import ProofInvalid
from bubi_sdk.operations import DigestAlgorithm

from bubi.cli.proof import judge

BOTH = (DigestAlgorithm.SHA256, DigestAlgorithm.SM3)
SALTED = (DigestAlgorithm.SALTED_SHA256, DigestAlgorithm.SALTED_SM3)
SALTS = (bytes(range(32)), bytes(range(32, 64)))


@pytest.fixture
def document(tmp_path):
    file = tmp_path / "文 件.txt"
    file.write_bytes(b"The parties agree.\n" * 50)
    return file


@pytest.fixture
def receipt(tmp_path, ledger, document):
    made = ledger.record(tmp_path, document.name, BOTH)
    file = tmp_path / "receipt.json"
    file.write_text(made.render(), encoding="utf-8")
    return file


def test_a_receipt_shows_that_the_document_existed(run, receipt, document, trust_file):
    said = run("proof", "verify", receipt, "--trust", trust_file, "--document", document, "--json")
    assert said.status == 0
    fields = said.json
    assert (fields["schema"], fields["valid"], fields["kind"]) == (1, True, "document")
    assert (fields["height"], fields["time"], fields["code"]) == (42, 1_790_000_000_123, "final")
    assert (fields["signers"], fields["quorum"]) == (["node1"], 1)
    assert fields["document_compared"] is True
    assert [one["algorithm"] for one in fields["records"]] == ["sha256", "sm3"]
    assert fields["digest"] == fields["records"][0]["digest"]


@pytest.mark.parametrize(
    ("language", "proven", "not_proven"),
    [("en", "no later than 2026-09-21", "Not proven"), ("zh", "最迟在 2026-09-21", "未证明")],
)
def test_people_read_what_it_proves_and_what_not(
    run, receipt, document, trust_file, language, proven, not_proven
):
    arguments = ("proof", "verify", receipt, "--trust", trust_file, "--document", document)
    said = run("--lang", language, *arguments)
    assert said.status == 0
    assert proven in said.out
    assert not_proven in said.out


def test_without_a_document_it_says_that_none_was_compared(run, receipt, trust_file):
    arguments = ("proof", "verify", receipt, "--trust", trust_file)
    assert "No document was compared" in run(*arguments).out
    assert run(*arguments, "--json").json["document_compared"] is False


def test_salted_digests_verify_with_their_salts(run, tmp_path, ledger, document, trust_file):
    made = ledger.record(tmp_path, document.name, SALTED, SALTS)
    file = tmp_path / "salted.json"
    file.write_text(made.render(), encoding="utf-8")
    assert document.name not in [entry.key for entry in made.entries]
    arguments = ("proof", "verify", file, "--trust", trust_file, "--document", document)
    assert run(*arguments).status == 0


def test_a_name_that_is_not_utf8_has_a_receipt_too(run, tmp_path, ledger, trust_file):
    name = os.fsdecode(b"caf\xe9.txt")
    (tmp_path / name).write_bytes(b"old names")
    made = ledger.record(tmp_path, name, BOTH)
    file = tmp_path / "odd.json"
    file.write_text(made.render(), encoding="utf-8")
    arguments = ("proof", "verify", file, "--trust", trust_file, "--document", tmp_path / name)
    assert run(*arguments, "--json").status == 0
    assert run(*arguments).status == 0


def test_no_two_paths_share_a_record():
    plain = DigestAlgorithm.SHA256
    hashed = record_key("name\n", plain)
    assert hashed.startswith("sha256::")
    forged = hashed.removeprefix("sha256:")
    assert record_key(forged, plain) != hashed
    assert record_key("a:b", plain) == "sha256:a:b"


def test_a_changed_document_is_refused(run, receipt, document, trust_file):
    changed = bytearray(document.read_bytes())
    changed[100] ^= 1
    document.write_bytes(changed)
    said = run("proof", "verify", receipt, "--trust", trust_file, "--document", document, "--json")
    assert (said.status, said.json["valid"]) == (1, False)
    assert said.json["code"] == "document_mismatch"


def test_every_changed_character_of_the_receipt_is_refused(receipt, document, ledger):
    text = receipt.read_bytes()
    source = random.Random(5)
    # All positions before the proof, and a sample of the proof's own.
    start = text.index(b'"proof"')
    for place in [*range(start), *source.sample(range(start, len(text)), 200)]:
        changed = bytearray(text)
        changed[place] ^= 1 << source.randrange(7)
        with pytest.raises(ProofInvalid):
            judge(bytes(changed), ledger.trust, document)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"path": "another.txt"}, "receipt_mismatch"),
        ({"height": 43}, "receipt_mismatch"),
        ({"time": 5}, "receipt_mismatch"),
        ({"transaction": bytes(32)}, "receipt_mismatch"),
        ({"chain_id": bytes(32)}, "receipt_mismatch"),
        ({"entries": ()}, "receipt_mismatch"),
        ({"proof": b""}, "proof_invalid"),
    ],
)
def test_a_receipt_rewritten_with_care_is_refused(
    run, tmp_path, ledger, document, trust_file, change, code
):
    made = ledger.record(tmp_path, document.name, BOTH)
    file = tmp_path / "forged.json"
    file.write_text(dataclasses.replace(made, **change).render(), encoding="utf-8")
    said = run("proof", "verify", file, "--trust", trust_file, "--json")
    assert (said.status, said.json["code"]) == (
        1,
        code if code != "proof_invalid" else said.json["code"],
    )
    assert said.json["valid"] is False


def test_the_operation_has_to_be_the_one_that_records_the_digest(
    run, tmp_path, ledger, document, trust_file
):
    made = ledger.record(tmp_path, document.name, BOTH)
    for operation in (0, 2, 3, -1):
        moved = dataclasses.replace(made.entries[0], operation=operation)
        file = tmp_path / "forged.json"
        forged = dataclasses.replace(made, entries=(moved, made.entries[1]))
        file.write_text(forged.render(), encoding="utf-8")
        said = run("proof", "verify", file, "--trust", trust_file, "--json")
        assert (said.status, said.json["code"]) == (1, "receipt_mismatch")


def test_a_rejected_transaction_proves_no_document(run, tmp_path, ledger, document, trust_file):
    made = ledger.record(tmp_path, document.name, BOTH, code=152)
    file = tmp_path / "rejected.json"
    file.write_text(made.render(), encoding="utf-8")
    said = run("proof", "verify", file, "--trust", trust_file, "--json")
    assert (said.status, said.json["code"]) == (1, "not_final")


def test_another_ledger_is_not_trusted(run, tmp_path, receipt, ledger):
    other = type(ledger)()
    file = tmp_path / "other.json"
    file.write_text(json.dumps(other.trust.to_json()), encoding="utf-8")
    said = run("proof", "verify", receipt, "--trust", file, "--json")
    assert (said.status, said.json["valid"]) == (1, False)


def test_bare_proofs_are_taken_as_bytes_hex_and_json(run, tmp_path, ledger, document, trust_file):
    proof = ledger.record(tmp_path, document.name, BOTH).proof
    file = tmp_path / "proof"
    api = json.dumps({"schema": 1, "status": "final", "proof": proof.hex()}).encode()
    for content in (proof, proof.hex().encode(), api):
        file.write_bytes(content)
        said = run("proof", "verify", file, "--trust", trust_file, "--json")
        assert (said.status, said.json["kind"], said.json["code"]) == (0, "receipt", "final")
    finality = ledger.certify([]).encode()
    file.write_bytes(finality)
    said = run("proof", "verify", file, "--trust", trust_file, "--json")
    assert (said.status, said.json["kind"]) == (0, "finality")


@pytest.mark.parametrize("shown", [{"status": "rejected"}, {"height": "43"}, {"memo": "paid"}])
def test_what_stands_beside_a_proof_must_be_proven(
    run, tmp_path, ledger, document, trust_file, shown
):
    proof = ledger.record(tmp_path, document.name, BOTH).proof
    file = tmp_path / "answer.json"
    file.write_text(json.dumps({"schema": 1, **shown, "proof": proof.hex()}), encoding="utf-8")
    said = run("proof", "verify", file, "--trust", trust_file, "--json")
    assert (said.status, said.json["valid"]) == (1, False)
    assert said.json["code"] == "answer_mismatch"


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"{}", b"\xff\x00", b"abc", b'"x"', b"null"]
)
def test_what_is_no_proof_is_a_finding_and_no_crash(run, tmp_path, trust_file, content):
    file = tmp_path / "nothing"
    file.write_bytes(content)
    said = run("proof", "verify", file, "--trust", trust_file, "--json")
    assert (said.status, said.json["valid"]) == (1, False)


def test_files_that_cannot_be_read_are_usage(run, tmp_path, receipt, trust_file):
    missing = tmp_path / "missing"
    for arguments in (
        (missing, "--trust", trust_file),
        (receipt, "--trust", missing),
        (receipt, "--trust", receipt),
        (receipt, "--trust", trust_file, "--document", missing),
    ):
        said = run("proof", "verify", *arguments, "--json")
        assert said.status == 2
        assert said.json["error"]["text"]


def test_it_needs_no_compiled_core(receipt, document, trust_file):
    code = """
import sys
for name in ("bubi._core", "bubi.core", "bubi.node"):
    sys.modules[name] = None
from bubi import cli
sys.exit(cli.run(sys.argv[1:]))
"""
    arguments = ("proof", "verify", receipt, "--trust", trust_file, "--document", document)
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
