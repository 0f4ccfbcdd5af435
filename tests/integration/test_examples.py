"""The two examples, at reduced size and, marked long, at full size."""

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from network import ROOT, command, environment, example


def check_points(said, customers):
    assert said.status == 0, said.err
    report = said.json
    assert report["schema"] == 1
    assert report["counts"]["customers"] == customers
    supply = report["supply"]
    assert supply["proven"] == supply["held"] == supply["issued"] - supply["lapsed"]
    assert supply["lapsed"] > 0
    assert supply["signers"] == ["node1"]
    statement = report["statement"]
    events = [entry["event"] for entry in statement["history"]]
    assert events[0] == "account_created"
    received = sum(
        int(entry["amount"])
        for entry in statement["history"]
        if entry["event"] == "issued"
        or (entry["event"] == "transferred" and entry["to"] == statement["address"])
    )
    gone = sum(
        int(entry["amount"])
        for entry in statement["history"]
        if entry["event"] == "lapsed"
        or (entry["event"] == "transferred" and entry["from"] == statement["address"])
    )
    assert received - gone == int(statement["balance"])
    assert sum(int(lot["amount"]) for lot in statement["lots"]) == int(statement["balance"])
    return report


def test_points(development, tmp_path):
    folder, _ = development
    out = tmp_path / "proof of supply"
    said = example(
        "points", "--customers", "250", "--promotion-seconds", "10", "--data", folder,
        "--out", out, "--json",
    )  # fmt: skip
    report = check_points(said, 250)
    assert report["counts"]["spenders"] > 0
    check_supply_proof(report["supply"], out)


def check_supply_proof(supply, out):
    """Whoever has the two files and the command can check the supply; a changed one is refused."""
    proof, trust = out / "supply.proof.json", out / "trust.json"
    assert supply["files"]["proof"] == str(proof)
    program, *words = shlex.split(supply["files"]["command"])
    assert (program, words) == ("bubi", ["proof", "verify", str(proof), "--trust", str(trust)])
    verified = command(*words, "--json")
    assert verified.status == 0, verified.err
    assert (verified.json["valid"], verified.json["height"]) == (True, supply["height"])
    assert verified.json["signers"] == supply["signers"]
    answer = json.loads(proof.read_text(encoding="utf-8"))
    shown = answer["value"]["v1"]
    assert shown["supply"] == str(supply["proven"])
    shown["supply"] = str(supply["proven"] + 1)
    proof.write_text(json.dumps(answer), encoding="utf-8")
    refused = command(*words, "--json")
    assert (refused.status, refused.json["valid"]) == (1, False)


@pytest.mark.long
def test_points_at_full_size_on_a_network_of_its_own(tmp_path):
    said = command(
        "--customers", "10000", "--json",
        program=(str(ROOT / "examples/points/run"),), cwd=tmp_path, timeout=280,
    )  # fmt: skip
    report = check_points(said, 10_000)
    assert report["seconds"]["total"] < 60


@pytest.fixture(scope="session")
def documents(tmp_path_factory):
    """A small folder with everything that a real one holds: nesting, links, odd names, secrets."""
    folder = tmp_path_factory.mktemp("documents") / "papers"
    for number in range(130):
        file = folder / f"part {number % 7}" / f"paper-{number}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"paper number {number}\n" * number, encoding="utf-8")
    (folder / "文件.txt").write_text("合同", encoding="utf-8")
    (folder / ("long-" * 40 + "name.txt")).write_bytes(b"a long name")
    (folder / "empty").touch()
    (folder / "link").symlink_to("empty")
    return folder


@pytest.mark.parametrize("options", [("--suite", "both"), ("--suite", "sha256", "--salted")])
def test_notarise(development, documents, tmp_path, options):
    folder, _ = development
    out = tmp_path / "receipts"
    said = example("notarise", documents, "--out", out, *options, "--data", folder, "--json")
    assert said.status == 0, said.err
    report = said.json
    assert report["documents"] == 133
    assert report["records"] == 133 * (2 if "both" in options else 1)
    assert [(one["path"], one["reason"]) for one in report["skipped"]] == [
        ("link", "symbolic link")
    ]
    receipts = sorted(out.rglob("*.receipt.json"))
    assert len(receipts) == 133
    for receipt in receipts[::40]:
        name = receipt.relative_to(out).as_posix().removesuffix(".receipt.json")
        said = command(
            "proof", "verify", receipt, "--trust", out / "trust.json",
            "--document", documents / name, "--json",
        )  # fmt: skip
        assert said.status == 0, said.err
        assert said.json["document_compared"] is True


def offline(*arguments):
    """Runs a command where there is no network at all."""
    return subprocess.run(
        [
            "unshare",
            "--net",
            "--map-root-user",
            sys.executable,
            "-m",
            "bubi",
            *map(str, arguments),
        ],
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )


def can_unshare():
    tried = subprocess.run(
        ["unshare", "--net", "--map-root-user", "true"], capture_output=True, check=False
    )
    return tried.returncode == 0


@pytest.mark.skipif(
    shutil.which("unshare") is None or not can_unshare(), reason="no network namespaces here"
)
def test_a_receipt_outlives_network_and_ledger(documents, tmp_path):
    folder, out = tmp_path / "network", tmp_path / "receipts"
    assert command("up", "--detach", "--data", folder).status == 0
    try:
        said = example("notarise", documents, "--out", out, "--data", folder, "--json")
        assert said.status == 0, said.err
    finally:
        command("reset", "--yes", "--data", folder)
    assert not folder.exists()
    document = tmp_path / "document"
    shutil.copy(documents / "文件.txt", document)
    receipt, trust = out / "文件.txt.receipt.json", out / "trust.json"
    arguments = ("proof", "verify", receipt, "--trust", trust, "--document", document, "--json")
    good = offline(*arguments)
    assert good.returncode == 0, good.stderr
    assert json.loads(good.stdout)["valid"] is True
    for path in (document, receipt):
        whole = path.read_bytes()
        for place in (0, len(whole) // 2, len(whole) - 2):
            changed = bytearray(whole)
            changed[place] ^= 1
            path.write_bytes(changed)
            bad = offline(*arguments)
            assert bad.returncode == 1, (path, place, bad.stdout)
            assert json.loads(bad.stdout)["valid"] is False
        path.write_bytes(whole)


@pytest.mark.long
@pytest.mark.skipif(not Path("/usr/share/doc").is_dir(), reason="no documentation folder")
@pytest.mark.parametrize("suite", ["sha256", "sm3"])
def test_notarise_the_documentation_of_this_machine(development, tmp_path, suite):
    folder, _ = development
    said = example(
        "notarise", "/usr/share/doc", "--out", tmp_path / "receipts", "--suite", suite,
        "--data", folder, "--json", timeout=290,
    )  # fmt: skip
    assert said.status == 0, said.err
    assert said.json["documents"] == len(list((tmp_path / "receipts").rglob("*.receipt.json")))
