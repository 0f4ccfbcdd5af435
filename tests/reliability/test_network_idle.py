"""A network without work costs next to nothing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHARE_MAX = 0.05
"""Share of one core that four idle nodes may take together."""


@pytest.mark.long
def test_four_idle_nodes_take_less_than_a_twentieth_of_a_core() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "idle_network.py")],
        capture_output=True,
        text=True,
        check=True,
    )
    figures = json.loads(done.stdout)
    print(figures)  # noqa: T201
    assert figures["blocks"] == 0, "an idle network makes no blocks"
    assert figures["share_of_core"] < SHARE_MAX
