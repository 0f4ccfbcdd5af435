"""A full disk pauses the node, a failing one ends it; neither loses what was acknowledged."""

import contextlib
import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from .network import wait_for
from .nodes import RunningNode, make_node


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own that is soon full; needs the right to mount."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=80m", "tmpfs", str(place)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("mounting a small file system is not permitted here")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(path: Path) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY)
    with contextlib.suppress(OSError):
        while True:
            os.write(descriptor, bytes(4096))
    os.close(descriptor)


def reasons(node: RunningNode) -> set[str]:
    return {one["code"] for one in node.client.get("/health").json()["reasons"]}


def test_a_full_disk_pauses_and_resumes(small_disk: Path) -> None:
    node = make_node(small_disk / "n")
    try:
        node.start()
        first = node.submit(node.data("before")).json()
        fill(small_disk / "fill")
        value = "00" * 4_000
        pending = node.client.post(
            "/v1/transactions?wait=final&timeout=1", json=node.data("full", value)
        )
        assert pending.status_code == 202, pending.text
        wait_for(lambda: reasons(node) == {"storage_full"})
        refused = node.submit(node.data("more"))
        assert (refused.status_code, refused.json()["code"]) == (503, "storage_full")
        assert node.client.get(f"/v1/transactions/{first['id']}").json()["status"] == "final"
        (small_disk / "fill").unlink()
        id_ = pending.json()["id"]
        late = node.client.get(f"/v1/transactions/{id_}?wait=final&timeout=60").json()
        assert late["status"] == "final", late
        assert node.submit(node.data("after")).json()["status"] == "final"
        wait_for(lambda: reasons(node) == set())
        # What the full disk took back was written again: the log replays.
        assert node.stop() == 0
        node.start()
        assert node.client.get(f"/v1/transactions/{id_}?proof=1").json()["status"] == "final"
    finally:
        node.client.close()
        if node.process is not None:
            node.stop()


def test_a_failing_write_ends_the_process_at_once(fresh_node: RunningNode) -> None:
    node = fresh_node
    node.start()
    first = node.submit(node.data("before")).json()
    assert node.process is not None
    resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, (1, 1))
    with pytest.raises(httpx.TransportError):
        node.submit(node.data("lost"))
    assert node.process.wait(60) == 1
    node.process = None
    node.start()
    assert node.client.get(f"/v1/transactions/{first['id']}").json()["status"] == "final"
    assert node.submit(node.data("after")).json()["status"] == "final"
