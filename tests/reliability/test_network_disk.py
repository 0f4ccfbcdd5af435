"""The disk of one of four nodes is full: it stops voting, the others go on, it comes back."""

import time
from pathlib import Path

from cluster import COUNT, Cluster, certified, position, under_load
from harness import Node, open_chain
from recovery import PATIENCE, judged, wait_level
from small_disk import fill

RATE = 250
VICTIM = 2


def reasons(node: Node) -> set[str]:
    return {one["code"] for one in node.client.get("/health").json().get("reasons", [])}


def wait_until_full(node: Node, filler: Path) -> None:
    ends = time.monotonic() + PATIENCE
    while "storage_full" not in reasons(node):
        assert time.monotonic() < ends, "the node does not notice"
        fill(filler)
        time.sleep(0.05)


@judged
def test_the_disk_of_one_node_is_full(small_disk: Path, tmp_path: Path, limit: float) -> None:
    cluster = Cluster.make(tmp_path, 14, {"turn_blocks": 16})
    node = cluster.nodes[VICTIM]
    others = [place for place in range(COUNT) if place != VICTIM]
    node.data.symlink_to(small_disk)
    with under_load(cluster, tmp_path, RATE, others) as run:
        run.take(200)
        filler = small_disk / "filler"
        fill(filler)
        wait_until_full(node, filler)
        stuck = position(node)[0]
        run.take(800)
        assert "storage_full" in reasons(node)
        assert position(node)[0] <= stuck + 1
        refused = node.submit(run.signer.transfer(), timeout=1)
        assert (refused.status_code, refused.json()["code"]) == (503, "storage_full")
        assert node.client.get("/v1/assets").status_code == 200, "reads are served"
        height = stuck
        while height < stuck + 5:  # as many as it takes: blocks of a slow machine are large
            run.take(100)
            height = max(position(cluster.nodes[place])[0] for place in others)
        filler.unlink()
        took = wait_level([node], height, time.monotonic(), limit)
        print(  # noqa: T201
            f"disk full: {height - stuck} blocks without it, level {took:.2f} s after"
        )
        # Three votes are needed: without another one the network lives on its vote.
        cluster.nodes[others[-1]].kill()
        run.journal.read()
        run.take(300)
        cluster.nodes[others[-1]].start()
    chain = open_chain(cluster.nodes[others[0]].data, node.made.directory / "genesis.bin")
    try:
        # It may have signed for the height after its newest one before the disk was full.
        without = range(stuck + 2, height)
        assert len(without) > 1, "the others decided meanwhile"
        assert all(VICTIM not in certified(chain, one)[2] for one in without)
    finally:
        chain.close()
