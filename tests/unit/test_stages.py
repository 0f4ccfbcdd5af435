"""Processor time by stage: of the event loop, of the threads, and in the report of the bench."""

import asyncio
import threading
import time
from pathlib import Path

import pytest

from bubi.cli import bench_profile
from bubi.cli.bench_network import Run, Usage
from bubi.node.monitoring.stages import (
    DOOR,
    ENGINE,
    EVERY,
    LOOP,
    NETWORK,
    LoopClock,
    thread_seconds,
)


class Clock:
    """A CPU clock that advances when told."""

    def __init__(self) -> None:
        self.now = 0
        self.readings = 0

    def __call__(self) -> int:
        self.readings += 1
        return self.now

    def work(self, seconds: float) -> None:
        self.now += round(seconds * 1e9)


def test_nested_work_counts_for_the_inner_stage() -> None:
    clock = Clock()
    stages = LoopClock(clock)
    for _ in range(10 * EVERY):
        before = stages.enter(ENGINE)
        clock.work(3)
        within = stages.enter(NETWORK)
        clock.work(2)
        stages.leave(within)
        clock.work(1)
        stages.leave(before)
        clock.work(5)
    found = stages.seconds()
    assert found == pytest.approx({ENGINE: 280, NETWORK: 140, LOOP: 350})
    assert clock.readings == 4 * 10 + 1


def test_a_coroutine_counts_while_it_runs_and_not_while_it_waits() -> None:
    clock = Clock()
    stages = LoopClock(clock)

    async def piece() -> int:
        clock.work(1)
        await asyncio.sleep(0)
        clock.work(2)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 0.001)
        clock.work(4)
        return 7

    async def run() -> None:
        for _ in range(2 * EVERY):
            assert await stages.run(DOOR, piece()) == 7
            clock.work(10)

    asyncio.run(run())
    found = stages.seconds()
    # Each step is a piece of its own; every step of every length is measured once in EVERY.
    assert 0 < found[DOOR] <= 14 * EVERY
    assert found[LOOP] + found[DOOR] == pytest.approx(clock.now / 1e9)


def test_an_error_passes_through_and_gives_the_clock_back() -> None:
    stages = LoopClock()

    async def fails() -> None:
        await asyncio.sleep(0)
        raise ValueError("as it is")

    async def cancelled() -> None:
        task = asyncio.ensure_future(stages.run(DOOR, asyncio.sleep(60)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with pytest.raises(ValueError, match="as it is"):
        asyncio.run(stages.run(DOOR, fails()))
    asyncio.run(cancelled())
    assert stages.enter(ENGINE) == LOOP


def test_threads_are_told_apart_by_name(tmp_path: Path) -> None:
    for number, name, spent in ((1, "verify-0", 2), (2, "verify-1", 3), (3, "write_0", 4)):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "comm").write_text(f"{name}\n")
        (folder / "schedstat").write_text(f"{spent * 10**9} 17 5\n")
    (tmp_path / "4").mkdir()
    assert thread_seconds(tmp_path) == {"verify": 5.0, "write": 4.0}
    assert thread_seconds(tmp_path / "none") == {}


def test_the_operating_system_counts_the_threads_of_this_process() -> None:
    done = threading.Event()

    def spin() -> None:
        until = time.thread_time() + 0.05
        while time.thread_time() < until:
            pass
        done.wait(60)

    before = sum(thread_seconds().values())
    thread = threading.Thread(target=spin)
    thread.start()
    try:
        deadline = time.monotonic() + 60
        while sum(thread_seconds().values()) < before + 0.04:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        done.set()
        thread.join()


def _usage(cpu: float, **spent: float) -> Usage:
    metrics = {
        f'bubi_thread_cpu_seconds{{thread="{name}"}}': value
        for name, value in spent.items()
        if name in {"verify", "execute", "write"}
    }
    metrics |= {
        f'bubi_loop_cpu_seconds{{stage="{name}"}}': value
        for name, value in spent.items()
        if name in {"door", "loop"}
    }
    metrics["bubi_store_execute_microseconds"] = 750_000.0 * cpu
    metrics["bubi_store_root_microseconds"] = 250_000.0 * cpu
    return Usage(cpu, {}, 0, 0, metrics)


def test_the_report_adds_up_to_what_the_processes_used() -> None:
    run = Run(sent=1_000, seconds=1.0, final=1_000)
    run.before = [_usage(0.0), _usage(0.0)]
    used = {"verify": 0.01, "execute": 0.004, "write": 0.002, "door": 0.001, "loop": 0.002}
    run.after = [_usage(0.02, **used), _usage(0.02, **used)]
    found = bench_profile.stages(run)
    each = {stage: figures["us_per_transaction"] for stage, figures in found.items()}
    expected = {
        "verification": 10.0,
        "execution": 3.0,
        "root": 1.0,
        "log": 2.0,
        "door": 1.0,
        "python_rest": 2.0,
        "rest": 1.0,
    }
    assert {stage: value for stage, value in each.items() if value} == pytest.approx(expected)
    assert sum(figures["share"] for figures in found.values()) == pytest.approx(1.0)
    assert [row[0] for row in bench_profile.rows(found)] == list(bench_profile.STAGES)
