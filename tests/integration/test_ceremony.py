"""Four owners found a network, each with an address, a folder and keys of its own."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time

import pytest
from bubi_sdk import SecretKey
from network import PATIENCE, command, environment, wait_for

OWNERS = ("a", "b", "c", "d")
SUBMIT = """
import sys, time
from bubi_sdk import Client, MemorySigner, SecretKey, TransactionBuilder
from bubi_sdk.keys import Algorithm
signer = MemorySigner(SecretKey(Algorithm.ED25519, bytes.fromhex(sys.stdin.read())))
url = "http://127.0.0.1:8080"
with Client(url) as first:
    network = first.network()
with Client(url, network) as client:
    source = network.address(signer.public_key)
    transaction = TransactionBuilder(network, source).set_data(sys.argv[1], b"1").build()
    outcome = client.submit_and_wait(transaction.sign(signer), within=240)
    outcome.raise_for_status()
    print(outcome.height)
"""


def ip(*words, check=True):
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, done.stderr
    return done.returncode == 0


@pytest.fixture
def places():
    """A network namespace per owner, joined by a bridge in one more."""
    if shutil.which("ip") is None:
        pytest.skip("the command `ip` is not installed")
    prefix = f"bubi{os.getpid()}"
    hub = f"{prefix}hub"
    if not ip("netns", "add", hub, check=False):
        pytest.skip("this user may not make network namespaces")
    try:
        ip("-n", hub, "link", "add", "bridge", "type", "bridge")
        ip("-n", hub, "link", "set", "bridge", "up")
        for number, owner in enumerate(OWNERS, 1):
            place = f"{prefix}{owner}"
            ip("netns", "add", place)
            ip(
                "-n",
                hub,
                "link",
                "add",
                f"to-{owner}",
                "type",
                "veth",
                "peer",
                "eth0",
                "netns",
                place,
            )
            ip("-n", hub, "link", "set", f"to-{owner}", "master", "bridge", "up")
            ip("-n", place, "link", "set", "lo", "up")
            ip("-n", place, "address", "add", f"10.83.0.{number}/24", "dev", "eth0")
            ip("-n", place, "link", "set", "eth0", "up")
        yield {owner: f"{prefix}{owner}" for owner in OWNERS}
    finally:
        for owner in (*OWNERS, "hub"):
            ip("netns", "delete", f"{prefix}{owner}", check=False)


def inside(place, *words, stdin=""):
    """A Python command in a namespace."""
    done = subprocess.run(
        ["ip", "netns", "exec", place, sys.executable, *map(str, words)],
        capture_output=True,
        text=True,
        input=stdin,
        timeout=400,
        env=environment(),
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@contextlib.contextmanager
def running(place, folder):
    with (folder / "out.log").open("wb") as log:
        process = subprocess.Popen(
            ["ip", "netns", "exec", place, sys.executable, "-m", "bubi", "node", "run", folder],
            stdout=log,
            stderr=log,
            env=environment(),
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(PATIENCE)


def test_owners_with_their_own_addresses_found_a_network(places, tmp_path):
    key = SecretKey.generate()
    account = f"ed25519:{key.public_key.raw.hex()}"
    gathered = tmp_path / "requests"
    gathered.mkdir()
    for number, owner in enumerate(OWNERS, 1):
        folder = tmp_path / owner
        voter = f"ed25519:{SecretKey.generate().public_key.raw.hex()}"
        asked = command(
            "network", "request", folder, "--name", f"node-{owner}",
            "--organisation", f"Bank {owner.upper()}", "--address", f"10.83.0.{number}:8901",
            "--account", account, "--governance", voter, "--json",
        )  # fmt: skip
        assert asked.status == 0, asked.err
        # Only this file leaves the owner.
        shutil.copyfile(asked.json["request"], gathered / f"{owner}.json")
    public = tmp_path / "public"
    made = command(
        "network", "create", "--requests", gathered, "--out", public, "--kind", "test", "--json"
    )
    assert made.status == 0, made.err
    assert made.json["warnings"] == []
    assert [one["name"] for one in made.json["members"]] == [f"node-{one}" for one in OWNERS]
    wrong = command("network", "join", tmp_path / "a", "--network", public, "--chain", "00" * 32)
    assert wrong.status == 1
    with contextlib.ExitStack() as stack:
        for number, owner in enumerate(OWNERS, 1):
            joined = command(
                "network", "join", tmp_path / owner, "--network", public,
                "--chain", made.json["chain_id"], "--host", f"10.83.0.{number}", "--json",
            )  # fmt: skip
            assert joined.status == 0, joined.err
            stack.enter_context(running(places[owner], tmp_path / owner))
        deadline = time.monotonic() + 2 * PATIENCE
        for owner in OWNERS:
            status, out, err = 1, "", ""
            while status:
                assert time.monotonic() < deadline, err
                words = ("-c", SUBMIT, f"from-{owner}")
                status, out, err = inside(places[owner], *words, stdin=key.secret_bytes.hex())
            assert int(out) >= 1

        def connected():
            words = ("-m", "bubi", "peers", "--url", "http://127.0.0.1:8080", "--json")
            status, out, err = inside(places["a"], *words)
            assert status == 0, err
            peers = json.loads(out)["peers"]
            return peers if [one["state"] for one in peers] == ["connected"] * 3 else None

        peers = wait_for(connected)
        assert {one["ip"] for one in peers} == {"10.83.0.2", "10.83.0.3", "10.83.0.4"}
