"""Damage of every kind of file: repaired, or refused by name; never wrong data, never a panic."""

import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from harness import Node, data_files, open_chain, receipts, replayed_root

from bubi import core
from tests.ports import free_port

DERIVED = ("state/", "txindex/")


@dataclass(frozen=True)
class Prepared:
    """A folder of a stopped node and what it must say."""

    node: Node
    files: list[str]
    height: int
    root: bytes
    receipts: dict[str, tuple[int, str]]
    holders: bytes

    @property
    def genesis(self) -> Path:
        return self.node.made.directory / "genesis.bin"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prepared]:
    """Several log segments, state runs and index files of a real node, stopped in order."""
    folder = tmp_path_factory.mktemp("damage")
    node = Node.make(folder / "node", settings="[store]\nsegment_bytes = 1048576")
    node.start()
    signer = node.prepare_asset()
    for _ in range(2):
        for _ in range(4):
            answer = node.bulk([signer.transfer() for _ in range(400)]).json()
            assert answer["codes"], answer
        for _ in range(4):
            assert node.submit(signer.transfer()).json()["status"] == "final"
        assert node.stop() == 0
        node.start()
    assert node.stop() == 0
    chain = open_chain(node.data, node.made.directory / "genesis.bin")
    try:
        asset = core.decode_json(chain.lease().page("assets", "", b"", 9)[0])[0]["asset"]  # type: ignore[index]
        holders = chain.lease().page("holders", asset, b"", 500)[0]
        found = Prepared(
            node,
            [str(path.relative_to(node.data)) for path in data_files(node.data)],
            chain.height,
            chain.state_root,
            receipts(chain),
            holders,
        )
    finally:
        chain.close()
    assert replayed_root(node.data, found.genesis, folder / "r") == (found.height, found.root)
    assert core.check(str(node.data), found.genesis.read_bytes()) == []
    yield found
    node.close()


def families(files: list[str]) -> dict[str, list[str]]:
    """Files by kind: folder and extension."""
    found: dict[str, list[str]] = {}
    for name in files:
        found.setdefault(f"{Path(name).parent}/*{Path(name).suffix}", []).append(name)
    return found


Damage = Callable[[Path], None]


def flip(offset: int) -> Damage:
    def work(path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[offset] ^= 0x10
        path.write_bytes(data)

    return work


def cut(length: int) -> Damage:
    def work(path: Path) -> None:
        with path.open("r+b") as file:
            file.truncate(length)

    return work


def remove(path: Path) -> None:
    path.unlink()


def cases(path: Path, chance: random.Random, count: int) -> Iterator[tuple[str, Damage]]:
    """Damages of one file; both ends always, the rest drawn."""
    size = path.stat().st_size
    places = {0, 9, size // 2, size - 1, max(0, size - 40)}
    places |= {chance.randrange(size) for _ in range(count)}
    for place in sorted(places):
        if place < size:
            yield f"byte {place} flipped", flip(place)
            yield f"cut to {place}", cut(place)
    yield "removed", remove


def examine(prepared: Prepared, data: Path, name: str, what: str) -> str:
    """Opens a damaged folder: it tells the truth, or refuses and names what is wrong."""
    where = f"{name}, {what}"
    findings = core.check(str(data), prepared.genesis.read_bytes())
    try:
        chain = open_chain(data, prepared.genesis)
    except core.CoreError as error:
        text = core.error_detail(error)
        # Without its newest segment the log ends with the one before.
        assert name in text or (what == "removed" and "log/" in text), f"{where}: {text}"
        assert ";" in text or ":" in text, f"{where}: no cure in {text}"
        assert not name.startswith(DERIVED), f"{where}: derived data must be rebuilt: {text}"
        assert findings, f"{where}: the check is silent, opening says {text}"
        return "refused"
    try:
        assert (chain.height, chain.state_root) == (prepared.height, prepared.root), where
        assert chain.snapshot_root() == prepared.root, where
        wrong = look_up(prepared, chain, where)
        assert findings, f"{where}: the check is silent"
        return wrong or "repaired"
    finally:
        chain.close()


def look_up(prepared: Prepared, chain: core.Chain, where: str) -> str | None:
    """Outcomes and lists are true, or reading them says which file is damaged."""
    sample = list(prepared.receipts.items())[:: max(1, len(prepared.receipts) // 20)]
    try:
        for digest, (height, code) in sample:
            found = chain.status_json(bytes.fromhex(digest), False)
            assert found is not None, f"{where}: {digest} is lost"
            document = core.decode_json(found)
            assert (int(document["height"]), document["code"]) == (height, code), where
        asset = core.decode_json(chain.lease().page("assets", "", b"", 9)[0])[0]["asset"]  # type: ignore[index]
        assert chain.lease().page("holders", asset, b"", 500)[0] == prepared.holders, where
    except core.Damaged as error:
        assert any(kind in core.error_detail(error) for kind in ("txindex/", "state/", "log/"))
        return "refused when read"
    return None


def run_cases(prepared: Prepared, folder: Path, seed: int, count: int) -> dict[str, int]:
    chance = random.Random(seed)
    outcomes: dict[str, int] = {}
    failures: list[str] = []
    for family, names in families(prepared.files).items():
        chosen = (
            names if len(names) <= 3 else [names[0], *chance.sample(names[1:-1], 1), names[-1]]
        )
        for name in chosen:
            for what, damage in cases(prepared.node.data / name, chance, count):
                copy = folder / "copy"
                shutil.copytree(prepared.node.data, copy)
                damage(copy / name)
                try:
                    outcome = f"{family}: {examine(prepared, copy, name, what)}"
                except AssertionError as failure:
                    failures.append(str(failure))
                else:
                    outcomes[outcome] = outcomes.get(outcome, 0) + 1
                shutil.rmtree(copy)
    assert not failures, "\n".join(failures)
    return outcomes


def test_every_kind_of_file(prepared: Prepared, tmp_path: Path) -> None:
    began = time.monotonic()
    assert len(families(prepared.files)) >= 6, prepared.files
    outcomes = run_cases(prepared, tmp_path, seed=5, count=8)
    text = ", ".join(f"{name} {count}" for name, count in sorted(outcomes.items()))
    print(f"{sum(outcomes.values())} cases in {time.monotonic() - began:.0f} s: {text}")  # noqa: T201


@pytest.mark.long
@pytest.mark.timeout(3_600)
def test_every_kind_of_file_long(prepared: Prepared, tmp_path: Path) -> None:
    outcomes = run_cases(prepared, tmp_path, seed=int(time.time()), count=150)
    print(outcomes)  # noqa: T201


def test_a_log_that_lost_its_end_is_refused(prepared: Prepared, tmp_path: Path) -> None:
    # Each witness alone is enough: guard file, state store, transaction index.
    newest = max(name for name in prepared.files if name.endswith(".log"))
    for kept in ("guard.bin", "state", "txindex"):
        copy = tmp_path / kept
        shutil.copytree(prepared.node.data, copy)
        for other in {"guard.bin", "state", "txindex"} - {kept}:
            target = copy / other
            target.unlink() if target.is_file() else shutil.rmtree(target)
        cut((copy / newest).stat().st_size - 10)(copy / newest)
        before = (copy / newest).read_bytes()
        with pytest.raises(core.Damaged, match=f"{newest}.*{kept}.*another node or a backup"):
            open_chain(copy, prepared.genesis)
        assert (copy / newest).read_bytes() == before, "nothing is cut before a person looked"
        kinds = {kind for _, _, kind, _ in core.check(str(copy), prepared.genesis.read_bytes())}
        assert "ahead of the log" in kinds, kinds


def test_two_openings_of_one_folder(prepared: Prepared) -> None:
    chain = open_chain(prepared.node.data, prepared.genesis)
    try:
        for work in (
            lambda: open_chain(prepared.node.data, prepared.genesis),
            lambda: core.check(str(prepared.node.data), prepared.genesis.read_bytes()),
        ):
            with pytest.raises(core.CoreError) as refused:
                work()
            assert core.error_code(refused.value) == "folder_in_use"
            assert str(prepared.node.data) in core.error_detail(refused.value)
    finally:
        chain.close()


# --- through the command ----------------------------------------------------------------------


def command(*arguments: str, timeout: int = 240) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "bubi", *arguments],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def copied_node(prepared: Prepared, folder: Path) -> Path:
    """A copy of the whole folder of the node; gives its configuration."""
    shutil.copytree(prepared.node.made.directory, folder)
    return folder / "config.toml"


def run_briefly(config: Path) -> tuple[int | None, str]:
    """Runs a node until it listens or ends; gives its exit status, if it ended, and its words."""
    log = config.parent / "words.txt"
    with log.open("wb") as words:
        process = subprocess.Popen(
            [sys.executable, "-m", "bubi", "node", "run", str(config)], stdout=words, stderr=words
        )
    try:
        ends = time.monotonic() + 240
        while process.poll() is None and "listening" not in log.read_text(encoding="utf-8"):
            assert time.monotonic() < ends
            time.sleep(0.05)
        return process.poll(), log.read_text(encoding="utf-8")
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(120)


CASES = [
    ("genesis.bin", flip(60), {1, 2}),
    ("genesis.bin", cut(33), {2}),
    ("genesis.bin", remove, {2}),
    ("config.toml", cut(0), {2}),
    ("config.toml", remove, {2}),
    ("validator.key", flip(3), {2}),
    ("validator.key", flip(12), {2}),
    ("validator.key", cut(20), {2}),
    ("validator.key", remove, {2}),
    ("cert.pem", flip(100), {2}),
    ("cert.pem", cut(60), {2}),
    ("cert.pem", remove, {2}),
    ("key.pem", cut(60), {2}),
    ("key.pem", remove, {2}),
]


@pytest.mark.parametrize(
    ("use", "name", "damage", "status"),
    [("api", *one) for one in CASES]
    + [("network", *one) for one in CASES if one[0].endswith(".pem")],
)
def test_settings_and_keys(
    prepared: Prepared, tmp_path: Path, use: str, name: str, damage: Damage, status: set[int]
) -> None:
    config = copied_node(prepared, tmp_path / "node")
    if name.endswith(".pem"):
        configure_certificate(config, use)
    damage(tmp_path / "node" / name)
    ended, words = run_briefly(config)
    assert ended in status, words
    assert "Traceback" not in words and "panicked" not in words, words
    assert name in words, words
    checked, out, err = command("node", "check", str(config), "--json")
    assert "Traceback" not in err and "panicked" not in err, err
    document = json.loads(out)
    if name == "config.toml":
        assert (checked, document["error"]["code"]) == (2, "config_invalid")
        assert name in document["error"]["text"]
    else:
        assert (checked, document["ok"]) == (1, False), document
        assert [Path(one["file"]).name for one in document["damage"]] == [name]
        assert all(name in one["action"] for one in document["damage"])


def configure_certificate(config: Path, use: str) -> None:
    """Lets the node use its certificate, for its interface or to meet other nodes."""
    text = config.read_text(encoding="utf-8")
    if use == "api":
        text = text.replace("[api]", '[api]\ntls_certificate = "cert.pem"\ntls_key = "key.pem"')
    else:
        text += f'\n[network]\nport = {free_port()}\ncertificate = "cert.pem"\nkey = "key.pem"\n'
    config.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("use", ["api", "network"])
def test_a_certificate_and_a_key_of_two_nodes(
    prepared: Prepared, tmp_path: Path, use: str
) -> None:
    config = copied_node(prepared, tmp_path / "node")
    configure_certificate(config, use)
    checked, out, _ = command("node", "check", str(config), "--json")
    assert (checked, json.loads(out)["damage"]) == (0, [])
    other = ec.generate_private_key(ec.SECP256R1())
    shown = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "node" / "key.pem").write_bytes(other.private_bytes(*shown))
    checked, out, _ = command("node", "check", str(config), "--json")
    (found,) = json.loads(out)["damage"]
    assert checked == 1
    assert "key.pem" in found["action"] and "cert.pem" in found["action"]


def test_a_certificate_that_is_not_as_it_was_signed(prepared: Prepared, tmp_path: Path) -> None:
    config = copied_node(prepared, tmp_path / "node")
    configure_certificate(config, "network")
    file = tmp_path / "node" / "cert.pem"
    data = bytearray(x509.load_pem_x509_certificate(file.read_bytes()).public_bytes(Encoding.DER))
    data[-1] ^= 1
    changed = x509.load_der_x509_certificate(bytes(data))
    file.write_bytes(changed.public_bytes(Encoding.PEM))
    checked, out, _ = command("node", "check", str(config), "--json")
    (found,) = json.loads(out)["damage"]
    assert (checked, Path(found["file"]).name) == (1, "cert.pem")
    assert "cert.pem" in found["action"]


@pytest.mark.parametrize("kind", ["log", "state", "txindex", "guard.bin"])
def test_the_command_on_a_damaged_ledger(prepared: Prepared, tmp_path: Path, kind: str) -> None:
    config = copied_node(prepared, tmp_path / "node")
    names = [name for name in prepared.files if name.startswith(kind)]
    # The newest segment is read in full at every start, closed ones when they are needed.
    name = next((name for name in reversed(names) if name.endswith(".log")), names[0])
    target = tmp_path / "node" / "ledger" / name
    flip(target.stat().st_size // 2)(target)
    checked, out, _ = command("node", "check", str(config), "--json")
    document = json.loads(out)
    assert (checked, document["ok"]) == (1, False)
    assert name in [one["file"] for one in document["damage"]], document
    ended, words = run_briefly(config)
    assert "Traceback" not in words and "panicked" not in words, words
    if kind == "log":
        assert ended == 1, words
        assert name in words and "restore" in words, words
    else:
        assert ended is None, words
        chain = open_chain(tmp_path / "node" / "ledger", prepared.genesis)
        assert (chain.height, chain.state_root) == (prepared.height, prepared.root)
        chain.close()


def test_the_second_process_is_refused(prepared: Prepared, tmp_path: Path) -> None:
    config = copied_node(prepared, tmp_path / "node")
    words = (tmp_path / "first.txt").open("wb")
    first = subprocess.Popen(
        [sys.executable, "-m", "bubi", "node", "run", str(config)], stdout=words, stderr=words
    )
    try:
        ends = time.monotonic() + 240
        while "listening" not in (tmp_path / "first.txt").read_text(encoding="utf-8"):
            assert first.poll() is None
            assert time.monotonic() < ends
            time.sleep(0.05)
        other = config.with_name("other.toml")
        text = config.read_text(encoding="utf-8")
        port = next(line for line in text.splitlines() if line.startswith("port"))
        same_port, _, said = command("node", "run", str(config))
        assert same_port == 2, said
        assert "cannot listen" in said
        other.write_text(text.replace(port, f"port = {free_port()}"), encoding="utf-8")
        status, _, said = command("node", "run", str(other))
        assert status == 1, said
        assert "in use by another process" in said and "Traceback" not in said, said
        checked, out, _ = command("node", "check", str(other), "--json")
        assert checked == 1, out
        assert "in use" in out
        assert first.poll() is None
    finally:
        first.terminate()
        assert first.wait(120) == 0
        words.close()
