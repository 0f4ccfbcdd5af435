"""The example engine as `pip install -e examples/engine` leaves it, without an installation."""

import sys
import tomllib
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "engine"
GROUP = "bubi.engines"


def example_engine(folder: Path) -> tuple[str, str]:
    """Writes into a folder what the installation writes into site-packages.

    Gives the name of the engine, and the PYTHONPATH with which processes find it.
    """
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    ((name, value),) = project["entry-points"][GROUP].items()
    made = folder / f"bubi_example_engine-{project['version']}.dist-info"
    made.mkdir(parents=True)
    (made / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    (made / "entry_points.txt").write_text(f"[{GROUP}]\n{name} = {value}\n")
    return name, ":".join(map(str, [folder, EXAMPLE / "src", *sys.path]))
