"""Four nodes with four CometBFT processes: the ledger as an application of ABCI 2.0."""

import json
import random
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cometbft
import httpx
import pytest
from bubi_sdk import Client, MemorySigner, SecretKey, TransactionBuilder, verify_answer
from bubi_sdk.errors import BubiError, RequestRefused
from bubi_sdk.keys import Algorithm
from bubi_sdk.network import Trust
from bubi_sdk.proof import ReceiptProof, verify_receipt
from network import command, get

from bubi import core
from bubi.network.addresses import Address
from bubi.node import ceremony
from tests.ports import free_port

NAMES = ("a", "b", "c", "d")
PATIENCE = 240.0
NEW_ROUND = 2
"""Step of CometBFT in which it waits for transactions."""

# The first test of a machine builds the program.
pytestmark = pytest.mark.timeout(1_800)


class Member:
    """A node, its CometBFT process, and their folder."""

    def __init__(self, folder: Path, program: Path):
        self.folder = folder
        self.program = program
        self.p2p, self.api, self.rpc = free_port(), free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.api}"
        self.node = self.comet = None

    @property
    def calls(self):
        # The last line may be half written.
        return (self.folder / "calls.txt").read_text(encoding="ascii").split("\n")[:-1]

    def start_node(self):
        config = self.folder / "config.toml"
        with (self.folder / "log.txt").open("ab") as log:
            self.node = subprocess.Popen(
                [sys.executable, "-m", "bubi", "node", "run", config], stdout=log, stderr=log
            )

    def start_comet(self):
        with (self.folder / "cometbft.txt").open("ab") as log:
            self.comet = subprocess.Popen(
                [self.program, "start", "--home", self.folder / "cometbft"], stdout=log, stderr=log
            )

    def stop(self):
        for process in (self.comet, self.node):
            if process is not None:
                process.kill()
                process.wait(PATIENCE)

    def tail(self):
        logs = [self.folder / name for name in ("log.txt", "cometbft.txt")]
        return "\n".join(one.read_text()[-3_000:] for one in logs if one.exists())

    def state(self):
        try:
            fields = get(f"{self.url}/v1/network").json()
        except httpx.TransportError:
            return None
        return int(fields["height"]), fields["state_root"]

    def place(self):
        """Height, round and step at which its CometBFT is."""
        try:
            answer = httpx.get(
                f"http://127.0.0.1:{self.rpc}/consensus_state", timeout=PATIENCE
            ).json()
        except httpx.TransportError:
            return None
        state = answer["result"]["round_state"]["height/round/step"]
        return tuple(int(part) for part in state.split("/"))

    def ready(self):
        try:
            return get(f"{self.url}/health").status_code == 200
        except httpx.TransportError:
            return False


class Network:
    def __init__(self, folder: Path, program: Path):
        self.members = {name: Member(folder / name, program) for name in NAMES}
        self.public = folder / "public"
        secret = SecretKey(Algorithm.ED25519, secrets.token_bytes(32))
        self.signer = MemorySigner(secret)

    def found(self):
        requests = self.public.parent / "requests"
        requests.mkdir()
        for name, one in self.members.items():
            if name == "a":
                done = command(
                    *("network", "request", one.folder, "--name", name, "--organisation", "of-a"),
                    *("--address", f"127.0.0.1:{one.p2p}", "--engine", "cometbft"),
                )
                assert done.status == 0, done.err
            else:  # the same without a process for each
                ceremony.make_request(
                    one.folder,
                    name=name,
                    organisation=f"of-{name}",
                    address=Address("127.0.0.1", one.p2p),
                    engine="cometbft",
                )
            shutil.copyfile(one.folder / "request.json", requests / f"{name}.json")
        key = self.signer.public_key
        done = command(
            *("network", "create", "--requests", requests, "--out", self.public),
            *("--engine", "cometbft", "--kind", "test", "--account", f"ed25519:{key.raw.hex()}"),
        )
        assert done.status == 0, done.err
        for name, one in self.members.items():
            if name == "a":
                done = command(
                    *("network", "join", one.folder, "--network", self.public),
                    *("--api-port", one.api, "--engine-port", one.rpc),
                )
                assert done.status == 0, done.err
            else:
                ceremony.join(one.folder, self.public, api_port=one.api, engine_port=one.rpc)
            config = one.folder / "config.toml"
            text = config.read_text().replace("[cometbft]", '[cometbft]\nrecord = "calls.txt"')
            config.write_text(text)

    def start(self):
        for one in self.members.values():
            one.start_node()
            one.start_comet()
        self.wait(lambda: all(one.ready() for one in self.members.values()))
        with Client(self.members["a"].url) as first:
            self.identity = first.network()
        self.source = self.identity.address(self.signer.public_key)

    def wait(self, condition):
        ends = time.monotonic() + PATIENCE
        while not (found := condition()):
            for name, one in self.members.items():
                if one.node is not None and one.node.poll() is not None:
                    pytest.fail(f"node {name} ended:\n{one.tail()}")
            if time.monotonic() > ends:
                tails = "\n\n".join(f"{n}:\n{one.tail()}" for n, one in self.members.items())
                pytest.fail(f"no such state in {PATIENCE} s\n{tails}")
            time.sleep(0.2)
        return found

    def submit(self, name, entry):
        """Sends a transaction to a node and waits until it is final; its outcome."""
        with Client(self.members[name].url, self.identity) as client:
            builder = TransactionBuilder(self.identity, self.source).set_data(entry, b"1")
            outcome = client.submit_and_wait(builder.build().sign(self.signer), within=PATIENCE)
            outcome.raise_for_status()
            return outcome

    def level(self, *names):
        """Waits until these nodes have the same height and root, and gives them."""

        def same():
            seen = {self.members[name].state() for name in names}
            return seen.pop() if len(seen) == 1 and None not in seen else None

        return self.wait(same)

    def rest(self):
        """Waits until all CometBFT processes wait for transactions at one height.

        The first round of a height in which one process has just come back and another dies may
        stay open: CometBFT v0.38 does not always pass on the votes of the one that came back.
        """
        seen = []

        def at_rest():
            places = {one.place() for one in self.members.values()}
            resting = len(places) == 1 and None not in places and max(places)[2] <= NEW_ROUND
            seen[:] = [*seen[-9:], *places] if resting else []
            return len(seen) == 10 and len(set(seen)) == 1

        self.wait(at_rest)

    def proof(self, name, transaction):
        """A receipt proof, once the block behind is decided."""
        url = f"{self.members[name].url}/v1/transactions/{transaction}?proof=1"

        return self.wait(lambda: provable(get(url)))


def provable(answer):
    """What was answered, or None as long as nothing proves it."""
    if answer.status_code == 200:
        return answer.json()
    assert answer.status_code == 409, answer.text
    assert answer.json()["code"] == "not_provable_yet", answer.text
    return None


@pytest.fixture(scope="module")
def program():
    return cometbft.executable()


@pytest.fixture(scope="module")
def network(program):
    # A socket has a short path, and those of pytest are long.
    folder = Path(tempfile.mkdtemp(prefix="bubi-"))
    made = Network(folder, program)
    try:
        made.found()
        made.start()
        yield made
    finally:
        for one in made.members.values():
            one.stop()
        shutil.rmtree(folder, ignore_errors=True)


def test_program_is_installed(program):
    done = subprocess.run([program, "version"], capture_output=True, text=True, check=True)
    assert cometbft.VERSION.removeprefix("v") in done.stdout


def test_transactions_through_every_node_are_final_and_provable(network, tmp_path):
    outcomes = [network.submit(name, f"first-{name}") for name in NAMES]
    assert [one.status.value for one in outcomes] == ["final"] * 4
    height, _ = network.level(*NAMES)
    assert height >= 1

    answer = network.proof("b", outcomes[0].transaction.hex())
    trust_file = network.public / "trust.json"
    proof = bytes.fromhex(answer["proof"])
    trust = Trust.load(trust_file)
    proven = verify_receipt(trust, proof)
    assert proven.code == "final"
    assert proven.block.height == outcomes[0].height
    assert proven.block.weight >= 3 == proven.block.quorum
    by_core = json.loads(core.verify_receipt_proof(trust_file.read_bytes(), proof))
    assert by_core["signers"] == list(proven.block.signers)

    # The command, with the trust file and nothing else; and a changed byte anywhere is refused.
    saved = tmp_path / "answer.json"
    saved.write_text(json.dumps(answer))
    done = command("proof", "verify", saved, "--trust", trust_file, "--json")
    assert done.status == 0, done.out + done.err
    # The block alone, with everything that the answer shows beside its proof.
    finality = f"{network.members['c'].url}/v1/blocks/{proven.block.height}/finality"
    block = network.wait(lambda: provable(get(finality)))
    assert verify_answer(trust, block).block.height == proven.block.height
    block["comet"]["light"]["v1"]["header"]["height"] = "1"
    with pytest.raises(BubiError):
        verify_answer(trust, block)
    light = ReceiptProof.decode(proof).finality.light.encode()
    start = proof.index(light)
    assert start > 0
    for place in range(start, start + len(light), 7):
        changed = bytearray(proof)
        changed[place] ^= 1
        with pytest.raises(core.CoreError):
            core.verify_receipt_proof(trust_file.read_bytes(), bytes(changed))
        assert not _verifies(trust, bytes(changed)), place


def _verifies(trust, proof):
    try:
        verify_receipt(trust, proof)
    except BubiError:
        return False
    return True


def test_a_block_with_nothing_to_do_changes_nothing(network):
    network.submit("a", "before-nothing")
    height, _ = network.level(*NAMES)
    one = network.members["a"]
    commits = cometbft.heights(one.calls)
    # The block behind the last one holds nothing; it only proves.
    network.wait(lambda: len(cometbft.heights(one.calls)) > height)
    assert network.level(*NAMES)[0] == height
    assert max(cometbft.heights(one.calls)) > height
    assert commits == sorted(commits)


def test_an_expiry_gets_its_block(network):
    """What ran out of time while nothing was decided is expired as soon as something is."""
    stopped = [network.members[name].comet for name in ("a", "b")]
    # CometBFT's next block has the time of the last votes: let that lie behind what is tolerated.
    height, _ = network.level(*NAMES)
    for one in network.members.values():
        finality = f"{one.url}/v1/blocks/{height}/finality"
        network.wait(lambda url=finality: provable(get(url)))
    last = time.time()
    network.wait(lambda: time.time() > last + 6)
    # On a slow machine its time may be over before anybody takes it: then again with more.
    for milliseconds in (2_000, 10_000, 50_000):
        if (status := late(network, stopped, milliseconds)) is not None:
            break
    assert status == "expired"
    network.level(*NAMES)


def late(network, stopped, milliseconds):
    """What becomes of a transaction that runs out of time without a quorum; None: never taken."""
    builder = TransactionBuilder(network.identity, network.source).set_data("late", b"1")
    with (
        Client(network.members["c"].url, network.identity) as client,
        ThreadPoolExecutor(1) as threads,
    ):
        for one in stopped:
            one.send_signal(signal.SIGSTOP)
        try:
            until = int(time.time() * 1_000) + milliseconds
            signed = builder.valid_until(until).build().sign(network.signer)
            waiting = threads.submit(client.submit_and_wait, signed, within=PATIENCE)
            network.wait(lambda: time.time() * 1_000 > until + 500)
        finally:
            for one in stopped:
                one.send_signal(signal.SIGCONT)
        try:
            return waiting.result(PATIENCE).status.value
        except RequestRefused as refused:
            assert refused.code == "expired", refused
            return None


def test_killed_processes_come_back_and_nothing_is_lost(network):
    done = [network.submit("a", "before-kill")]
    engine, node = network.members["b"], network.members["d"]
    engine.comet.send_signal(signal.SIGKILL)
    engine.comet.wait(PATIENCE)
    done += [network.submit(name, f"one-missing-{name}") for name in ("a", "c", "d")]
    network.wait(lambda: "engine_down" in reasons(engine))
    # Its peers see that it is gone.
    network.wait(lambda: get(f"{node.url}/health").json()["missing"] == ["b"])
    engine.start_comet()
    network.wait(engine.ready)
    network.level(*NAMES)
    network.rest()

    node.node.send_signal(signal.SIGKILL)
    node.node.wait(PATIENCE)
    # CometBFT does not outlive its application.
    assert node.comet.wait(PATIENCE) is not None
    node.node = None
    done += [network.submit(name, f"node-missing-{name}") for name in ("a", "b", "c")]
    node.start_node()
    node.start_comet()
    network.wait(node.ready)
    done.append(network.submit("d", "back"))
    network.level(*NAMES)
    for outcome in done:
        for name in NAMES:
            url = f"{network.members[name].url}/v1/transactions/{outcome.transaction.hex()}"
            answer = get(url).json()
            assert (answer["status"], answer["height"]) == ("final", str(outcome.height))
    network.proof("d", done[-1].transaction.hex())


def reasons(member):
    answer = get(f"{member.url}/health").json()
    return [one["code"] for one in answer["reasons"]]


def test_a_node_tells_how_it_stands(network):
    network.submit("a", "before-looking")
    for name, one in network.members.items():
        others = [other for other in NAMES if other != name]
        peers = network.wait(lambda url=one.url: connected(url, 3))
        assert [(peer["name"], peer["role"]) for peer in peers] == [
            (other, "validator") for other in others
        ]
    document = get(f"{network.members['a'].url}/v1/consensus").json()
    assert (document["halted"], document["quorum"], document["reasons"]) == (False, 3, [])
    assert [member["own"] for member in document["validators"]] == [True, False, False, False]
    text = get(f"{network.members['a'].url}/metrics").text
    assert "bubi_peers 3.0" in text


def connected(url, count):
    items = get(f"{url}/v1/peers").json()["items"]
    return items if len(items) == count else None


def test_the_calls_follow_the_grammar(network):
    for name, one in network.members.items():
        lines = one.calls
        assert cometbft.violation(lines) is None, (name, cometbft.violation(lines))
    # Both were started twice, and each start begins with the handshake.
    assert len(cometbft.starts(network.members["b"].calls)) == 2
    assert len(cometbft.starts(network.members["d"].calls)) == 2


@pytest.mark.long
def test_kills_under_load_lose_nothing(network):
    """Ten kills of a node or a CometBFT process while two others take transactions."""
    source = random.Random(11)
    acknowledged = []
    ended = threading.Event()

    def load(name):
        number = 0
        while not ended.is_set():
            number += 1
            acknowledged.append(network.submit(name, f"load-{name}-{number}"))

    with ThreadPoolExecutor(2) as threads:
        loads = [threads.submit(load, name) for name in ("a", "b")]
        try:
            for _ in range(10):
                victim = network.members[source.choice("cd")]
                time.sleep(source.uniform(0.2, 2.0))
                if source.random() < 0.5:
                    victim.comet.kill()
                    victim.comet.wait(PATIENCE)
                else:
                    dead, victim.node = victim.node, None
                    dead.kill()
                    dead.wait(PATIENCE)
                    victim.comet.wait(PATIENCE)
                    victim.start_node()
                victim.start_comet()
                network.wait(victim.ready)
        finally:
            ended.set()
        for one in loads:
            one.result(PATIENCE)
    network.level(*NAMES)
    assert len(acknowledged) > 10
    for outcome in acknowledged:
        for name in NAMES:
            url = f"{network.members[name].url}/v1/transactions/{outcome.transaction.hex()}"
            answer = get(url).json()
            assert (answer["status"], answer["height"]) == ("final", str(outcome.height))
    for one in network.members.values():
        assert cometbft.violation(one.calls) is None


def test_the_grammar_finds_what_is_wrong():
    good = ["info 0", "init_chain 0", "prepare_proposal 1", "process_proposal 1"]
    good += ["finalize_block 1", "commit 1", "process_proposal 2"]
    assert cometbft.violation(good) is None
    for place in (0, 1, 4, 5):
        wrong = good[:place] + good[place + 1 :]
        if place == 0:
            with pytest.raises(AssertionError):
                cometbft.violation(wrong)
        else:
            assert cometbft.violation(wrong) is not None, place
    assert cometbft.violation([*good, "commit 2"]) is not None
    assert cometbft.violation([*good, "info 1", "finalize_block 2", "commit 2"]) is None
