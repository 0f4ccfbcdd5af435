"""The page of figures of the engines is what its script prints."""

import importlib.util
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def script() -> Any:
    place = ROOT / "benchmarks" / "engines.py"
    spec = importlib.util.spec_from_file_location("bubi_benchmarks_engines", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_holds_what_the_script_prints() -> None:
    page = (ROOT / "benchmarks" / "engines.md").read_text(encoding="utf-8").splitlines()
    module = script()
    for line in (*module.spoken((4, 7)), *module.timed((4,), module.LINKS_MS)):
        assert line in page
