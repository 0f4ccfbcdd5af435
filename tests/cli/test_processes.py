"""Recognising and stopping processes: real ones, started here."""

import os
import subprocess
import sys
import time

import pytest

from bubi.cli import processes


@pytest.fixture
def sleeper():
    started = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield started
    started.kill()
    started.wait()


def test_a_running_process_is_known_by_its_start(sleeper):
    known = processes.identity(sleeper.pid)
    assert known is not None
    assert processes.alive(sleeper.pid, known)


def test_another_process_with_the_same_number_is_not_ours(sleeper):
    assert not processes.alive(sleeper.pid, "another-boot:1")
    assert processes.stop(sleeper.pid, "another-boot:1") is False
    assert sleeper.poll() is None


def test_stop_ends_it(sleeper):
    assert processes.stop(sleeper.pid, processes.identity(sleeper.pid)) is True
    assert sleeper.wait(60) == -15


def test_stop_insists_when_asking_does_not_help():
    stubborn = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import signal, time; signal.signal(15, signal.SIG_IGN); "
            "print('on', flush=True); time.sleep(600)",
        ],
        stdout=subprocess.PIPE,
    )
    with stubborn:
        assert stubborn.stdout.readline() == b"on\n"
        assert processes.stop(stubborn.pid, processes.identity(stubborn.pid), seconds=0.2)
        assert stubborn.wait(60) == -9


def test_a_zombie_counts_as_gone():
    ended = subprocess.Popen([sys.executable, "-c", ""])
    with ended:
        deadline = time.monotonic() + 60
        while processes.identity(ended.pid) is not None and time.monotonic() < deadline:
            time.sleep(0.02)
        assert processes.identity(ended.pid) is None


def test_no_process_has_number_zero():
    assert not processes.alive(0, "")
    assert processes.identity(2**22 + os.getpid()) is None
