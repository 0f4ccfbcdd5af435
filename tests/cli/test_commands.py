"""All commands at once: help for each, and one object of schema 1 from every `--json`."""

import json

import pytest
import typer

from bubi.cli import app


def tree(command, words=()):
    inner = getattr(command, "commands", None)
    if inner is None:
        yield words, command
        return
    yield words, command
    for name, one in inner.items():
        yield from tree(one, (*words, name))


COMMANDS = list(tree(typer.main.get_command(app.build())))
LEAVES = [(words, command) for words, command in COMMANDS if not hasattr(command, "commands")]
WITH_JSON = [
    words for words, command in LEAVES if any("--json" in one.opts for one in command.params)
]

EXPECTED = {
    "up", "down", "status", "reset", "logs", "doctor", "why", "quorum",
    "node init", "node run", "node check",
    "tx build", "tx sign", "tx submit", "tx show", "tx decode", "tx simulate", "tx codes",
    "proof verify", "account create", "account show", "account list",
    "key create", "key import", "key show", "asset show", "asset holders", "record show",
    "network request", "network create", "network join", "peers",
    "network era export", "network era create", "network era approve", "network era show",
    "bench verify", "bench ledger", "bench api", "bench network",
    "sim run", "sim twins", "sim thresholds", "sim mutants", "sim replay", "sim conformance",
}  # fmt: skip


def test_every_command_of_the_contract_exists():
    assert {" ".join(words) for words, _ in LEAVES} >= EXPECTED


@pytest.mark.parametrize("words", [words for words, _ in COMMANDS], ids=" ".join)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_command_has_help(run, words, language):
    said = run("--lang", language, *words, "--help")
    assert said.status == 0
    assert "Usage" in said.out


@pytest.mark.parametrize("words", [words for words, _ in COMMANDS if words], ids=" ".join)
def test_every_command_says_in_one_line_what_it_does(words):
    command = dict(COMMANDS)[words]
    assert command.help
    assert command.help.strip()


def test_only_what_runs_in_front_has_no_json():
    assert {" ".join(words) for words, _ in LEAVES} - {" ".join(words) for words in WITH_JSON} == {
        "gateway run",
        "node run",
    }


ARGUMENTS = {
    ("quorum",): ("4",),
    ("tx", "show"): ("00" * 32,),
    ("tx", "submit"): ("missing",),
    ("tx", "simulate"): ("missing",),
    ("tx", "sign"): ("missing", "--as", "alice"),
    ("tx", "build"): ("--source", "alice"),
    ("tx", "decode"): ("00",),
    ("proof", "verify"): ("missing", "--trust", "missing"),
    ("account", "create"): ("carol",),
    ("account", "show"): ("alice",),
    ("key", "create"): ("missing/key.json",),
    ("key", "import"): ("missing/key.json", "--from", "missing"),
    ("key", "show"): ("missing",),
    ("asset", "show"): ("00" * 32,),
    ("asset", "holders"): ("00" * 32,),
    ("record", "show"): ("documents", "key"),
    ("node", "init"): (".",),
    ("node", "check"): ("missing",),
    ("network", "create"): (),
    ("up",): ("--nodes", "0"),
    ("bench", "verify"): ("--algorithm", "rot13"),
    ("bench", "api"): ("--transactions", "0"),
    ("bench", "ledger"): ("--accounts", "0"),
    ("bench", "network"): ("--nodes", "0"),
    ("sim", "run"): ("--seeds", "5:1"),
    ("sim", "twins"): ("--scenarios", "0"),
    ("sim", "mutants"): ("--only", "missing"),
    ("sim", "replay"): ("0", "--nodes", "0"),
    ("sim", "conformance"): ("missing:engine",),
}


@pytest.mark.parametrize("words", WITH_JSON, ids=" ".join)
def test_json_is_one_object_of_schema_1_even_when_nothing_runs(run, words, tmp_path, monkeypatch):
    (tmp_path / "something").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BUBI_HOME", raising=False)
    said = run(*words, *ARGUMENTS.get(words, ()), "--json")
    value = json.loads(said.out)
    assert value["schema"] == 1
    if "error" in value:
        assert said.status in (1, 2, 3)
        assert value["error"]["code"]
        assert value["error"]["text"] in said.err.replace("\n", " ") or said.err
    assert "Traceback" not in said.err
    assert not (tmp_path / ".bubi").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("tx", "nonsense"),
        ("quorum",),
        ("quorum", "four"),
        ("quorum", "0"),
        ("quorum", "4294967296"),
        ("up", "--nodes", "0"),
        ("network", "create", "--dev", "--requests", "missing"),
        ("logs", "--follow", "--json"),
        ("why", "--url", "ftp://x"),
        ("--lang", "xx", "quorum", "4"),
        ("asset", "show", "nonsense", "--url", "nonsense"),
        ("proof", "verify", "missing"),
        ("node", "init"),
        ("bench", "verify", "--algorithm", "rot13"),
        ("bench", "verify", "--count", "0"),
        ("key", "create"),
        ("tx", "sign", "missing"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_status_2_with_a_line_and_no_trace(run, arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = run(*arguments)
    assert said.status == 2
    assert said.err.startswith("Error: ")
    assert "Traceback" not in said.err
    assert said.out == "" or "--json" in arguments
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("status",),
        ("down",),
        ("logs",),
        ("why",),
        ("reset", "--yes"),
        ("account", "list"),
        ("tx", "show", "00" * 32),
        ("account", "list", "--data", "nowhere"),
        ("tx", "show", "00" * 32, "--url", "http://127.0.0.1:9"),
        ("why", "--url", "http://127.0.0.1:9"),
    ],
    ids=" ".join,
)
def test_nothing_running_is_status_3_with_a_cure(run, arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = run(*arguments)
    assert said.status == 3
    assert said.err.startswith("Error: ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["up", "status", "down", "reset", "doctor", "logs"])
@pytest.mark.parametrize("below", [False, True])
def test_a_file_in_place_of_the_folder_is_an_error_with_a_line(run, tmp_path, name, below):
    file = tmp_path / "file"
    file.write_text("mine", encoding="utf-8")
    data = file / "below" if below else file
    said = run(name, "--data", data, "--json")
    assert said.status in (1, 3)
    assert said.json["schema"] == 1
    assert "Traceback" not in said.err
    assert file.read_text(encoding="utf-8") == "mine"
