"""A disk that is full or fails: nothing acknowledged is lost, and the node says what to do."""

import contextlib
import shutil
import time
from pathlib import Path

import pytest
from harness import Journal, Node, await_acknowledged, check_ledger, load_process, look_up
from small_disk import fill, wait_for_reasons


def test_full_disk_under_load(small_disk: Path, tmp_path: Path) -> None:
    node = Node.make(tmp_path / "node", settings="[store]\nsegment_bytes = 1048576")
    node.data.symlink_to(small_disk)
    load = None
    try:
        node.start()
        signer = node.prepare_asset()
        journal = Journal(tmp_path / "journal")
        load = load_process([node], signer, journal.path, 3, 300)
        acknowledged = await_acknowledged(journal, 300)
        for crash in (False, True):
            filler = small_disk / "filler"
            fill(filler)
            wait_for_reasons(node, {"storage_full"}, filler)
            acknowledged.update(journal.read())
            refused = node.submit(signer.transfer())
            assert (refused.status_code, refused.json()["code"]) == (503, "storage_full")
            assert "free some space" in refused.json()["detail"]
            look_up(node, dict(list(acknowledged.items())[-50:]))
            assert node.client.get("/v1/assets").status_code == 200
            if crash:
                node.kill()
                node.spawn()
                time.sleep(1)
            filler.unlink()
            wait_for_reasons(node, set()) if not crash else node.wait_ready()
            acknowledged.update(await_acknowledged(journal, 300))
        load.terminate()
        load.wait(120)
        acknowledged.update(journal.read())
        look_up(node, acknowledged)
        assert node.stop() == 0, node.log.read_text(encoding="utf-8")[-2_000:]
        check_ledger(node, journal, signer.asset, tmp_path)
    finally:
        if load is not None and load.poll() is None:
            load.kill()
            load.wait()
        node.close()


def test_a_stop_while_the_disk_is_full(small_disk: Path, tmp_path: Path) -> None:
    node = Node.make(tmp_path / "node")
    node.data.symlink_to(small_disk)
    try:
        node.start()
        signer = node.prepare_asset()
        first = node.submit(signer.transfer()).json()
        fill(small_disk / "filler")
        # Nobody waits for space: these have an outcome after the restart, or expire.
        transfers = [signer.transfer() for _ in range(400)]
        assert node.bulk(transfers, timeout=1).status_code in {200, 202}
        status = node.stop()
        words = node.log.read_text(encoding="utf-8")
        assert "Traceback" not in words and "panicked" not in words, words
        assert status == 0, words
        (small_disk / "filler").unlink()
        node.start()
        again = node.client.get(f"/v1/transactions/{first['id']}").json()
        assert {name: again[name] for name in first} == first
        assert node.submit(signer.transfer()).json()["status"] == "final"
    finally:
        node.close()


@pytest.mark.parametrize("call", ["fdatasync", "pwrite64"])
def test_a_failing_disk_ends_the_process_at_once(tmp_path: Path, call: str) -> None:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed: apt-get install strace")
    node = Node.make(tmp_path / "node")
    try:
        node.start()
        signer = node.prepare_asset()
        assert node.stop() == 0
        # From the 20th call of a thread on: some blocks become final first.
        fault = ["-e", f"trace={call}", "-e", f"inject={call}:error=EIO:when=20+"]
        node.spawn(prefix=[strace, "-f", "-qq", "-o", "/dev/null", *fault])
        assert node.process is not None
        if not can_trace(node):
            pytest.skip("tracing a process is not permitted here")
        node.wait_ready()
        acknowledged = []
        with contextlib.suppress(Exception):
            while node.process.poll() is None:
                outcome = node.submit(signer.transfer(), timeout=60).json()
                if outcome.get("status") == "final":
                    acknowledged.append(outcome)
        assert node.process.wait(120) == 1
        words = node.log.read_text(encoding="utf-8")
        assert "Traceback" not in words and "panicked" not in words, words
        last = words.strip().splitlines()[-1]
        assert "the disk failed" in last and "stop the node, check the disk" in last, words
        assert ("log/" in last) or ("guard.bin" in last), words
        assert acknowledged, "some blocks were final before the failure"
        node.start()
        for outcome in acknowledged:
            after = node.client.get(f"/v1/transactions/{outcome['id']}").json()
            assert {name: after[name] for name in outcome} == outcome
        assert node.stop() == 0
    finally:
        node.close()


def can_trace(node: Node) -> bool:
    """Whether the traced node says its first word, or strace itself gave up before."""
    assert node.process is not None
    words = len(node.log.read_bytes())
    ends = time.monotonic() + 240
    while node.process.poll() is None and len(node.log.read_bytes()) == words:
        assert time.monotonic() < ends
        time.sleep(0.05)
    refused = "ptrace" in node.log.read_text(encoding="utf-8")
    return not (refused and node.process.poll() is not None)
