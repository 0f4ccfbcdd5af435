"""The clock of one of four nodes is wrong by five minutes."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from cluster import COUNT, Cluster, position, under_load, wait_height
from harness import open_chain
from recovery import PATIENCE, judged, wait_level

from bubi import core

RATE = 250
WRONG_SECONDS = 300
LIBRARY = "libfaketimeMT.so.1"
SHIM = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

/* Moves the wall clock of a process, and nothing else. */
int clock_gettime(clockid_t clock, struct timespec *now) {
  static int (*real)(clockid_t, struct timespec *);
  if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  int result = real(clock, now);
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
    now->tv_sec += atoi(getenv("CLOCK_OFF_SECONDS"));
  return result;
}
"""


def moved_clock(folder: Path, seconds: int) -> dict[str, str]:
    """Environment of a process whose wall clock is wrong."""
    for place in sorted(Path("/usr/lib").glob(f"*/faketime/{LIBRARY}")):
        return {
            "LD_PRELOAD": str(place),
            "FAKETIME": f"{seconds:+d}s",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("neither libfaketime nor a C compiler is here: apt-get install libfaketime")
    source, library = folder / "clock.c", folder / "clock.so"
    source.write_text(SHIM, encoding="ascii")
    words = [compiler, "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"libfaketime is not here, and this system has other clocks: {done.stderr}")
    return {"LD_PRELOAD": str(library), "CLOCK_OFF_SECONDS": str(seconds)}


def seen_time(environment: dict[str, str]) -> int:
    """The time as a process in this environment sees it."""
    done = subprocess.run(
        ["date", "+%s"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **environment},
    )
    return int(done.stdout)


def block_time(chain: core.Chain, height: int) -> int:
    """Time (ms) of a block."""
    parts = chain.block_parts(height)
    assert parts is not None
    return chain.proposal_fields(parts[0])[1]


@judged
@pytest.mark.parametrize("seconds", [WRONG_SECONDS, -WRONG_SECONDS], ids=["ahead", "behind"])
def test_a_wrong_clock(tmp_path: Path, seconds: int, limit: float) -> None:
    environment = moved_clock(tmp_path, seconds)
    moved = seen_time(environment) - seen_time({})
    assert abs(moved - seconds) < WRONG_SECONDS / 2, "the clock is moved"
    cluster = Cluster.make(tmp_path, 15, {"turn_blocks": 16})
    first = 0
    others = [place for place in range(COUNT) if place != first]
    node = cluster.nodes[first]
    started = time.time()
    with under_load(cluster, tmp_path, RATE) as run:
        run.take(100)
        assert node.stop() == 0
        before = position(cluster.nodes[others[0]])[0]
        node.spawn(**environment)
        wait_height(node, before, PATIENCE)
        began = position(node)[0]
        # More than one turn: at some point the node with the wrong clock should lead.
        while position(cluster.nodes[others[0]])[0] < began + 24:
            run.take(50)
        height = max(position(cluster.nodes[place])[0] for place in others)
        wait_height(node, height, PATIENCE)
        assert node.stop() == 0
        right = time.monotonic()
        node.spawn()
        took = wait_level([node], height, right, limit)
        # Three votes are needed: without another one the network lives on its vote.
        cluster.nodes[others[-1]].kill()
        run.journal.read()
        run.take(200)
        last = position(cluster.nodes[others[0]])[0]
        cluster.nodes[others[-1]].start()
    chain = open_chain(cluster.nodes[others[0]].data, node.made.directory / "genesis.bin")
    try:
        times = [block_time(chain, one) for one in range(1, last + 1)]
        assert times == sorted(times)
        passed = (time.time() - started + WRONG_SECONDS / 2) * 1000
        assert times[-1] - times[0] < passed, "the wrong clock did not set the time"
        print(  # noqa: T201
            f"clock {seconds:+d} s: {last - began} blocks since, level {took:.2f} s after"
        )
    finally:
        chain.close()
