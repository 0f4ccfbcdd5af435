"""The repository tests itself: what must not be in it, and what must."""

import ast
import re
import subprocess
import tomllib
import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import bubi.cli
from bubi.cli.chinese import CHINESE

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).relative_to(ROOT).as_posix()
FILE_BYTES_MAX = 1_048_576

# Written in parts, so that this file does not find itself.
BANNED = re.compile(
    r"\b(?:TO" + r"DO|FIX" + r"ME|X" + r"XX)\b|NotImplemented" + r"Error|\bto" + r"do!\("
    r"|\bunimplemen" + r"ted!\("
)
MACHINE_PATHS = re.compile(
    r"(?<![\w.<}$])/(?:work/|home/[a-z]|Users/[A-Z]|ro" + r"ot/|tmp/[a-z])|[A-Z]:\\\\Users"
)

CODE = {".py", ".pyi", ".rs", ".sh"}
TEXT = {*CODE, ".md", ".toml", ".json", ".txt", ".lock", ".csv", ""}

TEXTS_IN_CHINESE = {
    # Catalogues, and sentences that people read in both languages.
    "src/bubi/cli/chinese.py",
    "src/bubi/gateway/alarms/texts.py",
    "src/bubi/gateway/words.py",
    "src/bubi/cli/chinese_bench.py",
    "src/bubi/cli/chinese_era.py",
    "src/bubi/cli/chinese_governance.py",
    "src/bubi/cli/chinese_reasons.py",
    "sdk/python/src/bubi_sdk/documents.py",
    # Names of people, and samples that show that any text survives.
    "examples/points/customers.py",
    "sdk/python/tools/governance_samples.py",
    "sdk/python/tools/samples.py",
    "sdk/python/tools/vectors.py",
}
"""Files of code that may hold Chinese text. Tests may too: they check that it survives."""

ENVIRONMENT = {
    # For the allocator of the core: milliseconds after which free memory goes back to the system.
    "src/bubi/__init__.py": {"MIMALLOC_PURGE_DELAY"},
    "src/bubi/cli/home.py": {"BUBI_HOME"},
    "src/bubi/cli/messages.py": {"LC_ALL", "LC_MESSAGES", "LANG"},
    "examples/development.py": {"LC_ALL"},
    # Tells the allocator of the core how long it keeps memory.
    # Hands its own on to the copy of the package in which a bug is planted.
    "src/bubi/simulation/planting.py": {"PYTHONPATH"},
}
"""Who may read the environment, and which variables."""

README_LINES_MAX = 40
README_OF_A_DISTRIBUTION = "sdk/python"
"""Stands on the page of its package as well, and may be longer."""
PACKAGES = [
    "core",
    "core/chain",
    "core/codec",
    "core/crypto",
    "core/ledger",
    "core/ledger/src/tree",
    "core/py",
    "core/store",
    "src/bubi",
    "src/bubi/cli",
    "src/bubi/consensus",
    "src/bubi/gateway",
    "src/bubi/gateway/accounts",
    "src/bubi/gateway/alarms",
    "src/bubi/gateway/index",
    "src/bubi/gateway/monitoring",
    "src/bubi/gateway/series",
    "src/bubi/network",
    "src/bubi/node",
    "src/bubi/node/api",
    "src/bubi/node/monitoring",
    "src/bubi/simulation",
    "sdk",
    "sdk/python",
    "spec",
    "docs",
    "tests",
    "tests/model",
    "tests/corpus",
    "benchmarks",
    "benchmarks/peers",
    "benchmarks/state-store",
    "examples",
    "data/vectors",
    "scripts",
    "deploy",
    "src/bubi/replica",
    "src/bubi/comet",
]


@cache
def tracked() -> tuple[str, ...]:
    """Files of the repository; of a copy without git, everything that is not built."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            check=True,
        ).stdout.decode()
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git repository")
    return tuple(name for name in listed.split("\0") if name and (ROOT / name).is_file())


def files(suffixes: set[str], *folders: str) -> list[str]:
    return [
        name
        for name in tracked()
        if Path(name).suffix in suffixes and (not folders or name.startswith(folders))
    ]


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def found(pattern: re.Pattern[str], names: list[str]) -> list[str]:
    return [
        f"{name}:{number}: {line.strip()[:100]}"
        for name in names
        if name != HERE
        for number, line in enumerate(text(name).splitlines(), 1)
        if pattern.search(line)
    ]


def test_there_is_something_to_look_at() -> None:
    assert len(files({".py"})) > 80
    assert len(files({".rs"})) > 60


def test_nothing_is_left_for_later() -> None:
    assert found(BANNED, files(CODE)) == []


def test_the_search_for_banned_words_finds_them() -> None:
    for line in ("# TO" + "DO later", "raise NotImplemented" + "Error", "to" + "do!()"):
        assert BANNED.search(line)


def test_no_file_is_large() -> None:
    large = [name for name in tracked() if (ROOT / name).stat().st_size > FILE_BYTES_MAX]
    assert large == []


def test_no_path_of_one_machine() -> None:
    assert found(MACHINE_PATHS, files(TEXT)) == []


def imports(name: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text(name))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_only_the_facade_imports_the_compiled_core() -> None:
    importers = {
        name
        for name in files({".py"}, "src/", "sdk/", "examples/", "benchmarks/", "scripts/")
        if any(one.startswith("bubi._core") for one in imports(name))
    }
    assert importers == {"src/bubi/core.py"}


def environment_reads(name: str) -> bool:
    return any(
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
        and node.attr in {"environ", "environb", "getenv", "putenv"}
        for node in ast.walk(ast.parse(text(name)))
    ) or any(one in {"os.environ", "os.getenv"} for one in imports(name))


OPENS = re.compile(
    r"\b(?:create_connection|create_server|open_connection|start_server|sock_connect"
    r"|create_datagram_endpoint|create_unix_\w+|connect_accepted_socket)\b"
)


def test_one_file_of_the_network_opens_sockets() -> None:
    contracts = tomllib.loads(text("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    (contract,) = (one for one in contracts if "sockets" in one["name"])
    folder = "src/bubi/network"
    modules = {
        Path(name).stem for name in files({".py"}) if Path(name).parent.as_posix() == folder
    }
    others = modules - {"__init__", "transport"}
    assert {f"bubi.network.{name}" for name in others} == set(contract["source_modules"])
    assert contract["forbidden_modules"] == ["socket"]
    # The event loop opens sockets as well, without that import.
    assert OPENS.search(text(f"{folder}/transport.py"))
    assert [name for name in others if OPENS.search(text(f"{folder}/{name}.py"))] == []


def test_the_environment_is_read_in_few_places() -> None:
    readers = {
        name
        for name in files({".py"}, "src/", "sdk/python/src/", "examples/", "scripts/")
        if environment_reads(name)
    }
    assert readers == set(ENVIRONMENT)
    for name, variables in ENVIRONMENT.items():
        named = set(re.findall(r'"([A-Z][A-Z_]{3,})"', text(name)))
        assert variables <= named, name
    sources = [name for name in files({".rs"}, "core/") if "/src/" in name and "test" not in name]
    assert found(re.compile(r"env::var"), sources) == []


def test_every_package_says_what_it_is() -> None:
    for folder in PACKAGES:
        page = ROOT / folder / "README.md"
        assert page.is_file(), f"{folder} has no README.md"
        lines = page.read_text(encoding="utf-8").splitlines()
        assert lines, folder
        assert lines[0].startswith("# "), folder
        short = len(lines) <= README_LINES_MAX or folder == README_OF_A_DISTRIBUTION
        assert short, f"{folder}/README.md is long"


def test_every_package_is_known_here() -> None:
    packages = {Path(name).parent.as_posix() for name in files({".py"}, "src/bubi/")}
    packages |= {
        Path(name).parent.as_posix() for name in tracked() if name.endswith("/Cargo.toml")
    }
    # A fuzzing crate is explained by the crate that it belongs to.
    packages = {one for one in packages if "fuzz" not in Path(one).parts}
    assert packages <= set(PACKAGES)


def test_code_is_in_english() -> None:
    def foreign(line: str) -> bool:
        return any(
            ord(character) > 0x7F and unicodedata.category(character) == "Lo" for character in line
        )

    offending = [
        f"{name}:{number}"
        for name in files(CODE)
        if name not in TEXTS_IN_CHINESE and "tests/" not in name
        for number, line in enumerate(text(name).splitlines(), 1)
        if foreign(line)
    ]
    assert offending == []


def texts_of_the_commands() -> set[str]:
    folder = Path(bubi.cli.__file__).parent
    return {
        node.args[0].value
        for file in sorted(folder.glob("*.py"))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "_"
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    }


def test_every_text_of_the_commands_has_a_chinese_one() -> None:
    texts = texts_of_the_commands()
    assert len(texts) > 100
    assert {one for one in texts if not CHINESE.get(one, "").strip()} == set()
    chinese = re.compile(r"[\u4e00-\u9fff]")
    untranslated = {one for one in texts if not chinese.search(CHINESE[one])}
    # The same in both languages: command lines, and what consists of values only.
    words = re.compile(r"[a-zA-Z]{2}")
    bare = {re.sub(r"`[^`]*`|\{[^}]*\}", "", one) for one in untranslated}
    assert [one for one in bare if words.search(one)] == []


LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")


def test_links_between_pages_lead_somewhere() -> None:
    broken = []
    for name in files({".md"}):
        for target in LINK.findall(text(name)):
            if re.match(r"[a-z]+:", target) or target.startswith("#"):
                continue
            path = (ROOT / name).parent / target.partition("#")[0]
            if not path.exists():
                broken.append(f"{name}: {target}")
    assert broken == []


NAMED_FILE = re.compile(
    r"`((?:core|src|sdk|spec|docs|tests|scripts|examples|benchmarks|data)/[\w./-]+"
    r"\.(?:rs|py|md|json|toml|pyi|sh))`"
)


def test_files_that_pages_name_exist() -> None:
    missing = [
        f"{name}: {target}"
        for name in files({".md"})
        for target in NAMED_FILE.findall(text(name))
        if not (ROOT / target).exists() and not (ROOT / Path(name).parent / target).exists()
    ]
    assert missing == []


def test_both_readmes_have_the_same_shape() -> None:
    english, chinese = text("README.md"), text("README.zh-CN.md")
    fence = re.compile(r"^```sh\n(.*?)^```$", re.M | re.S)

    def commands(page: str) -> list[str]:
        return [re.sub(r"\s+#.*$", "", block, flags=re.M) for block in fence.findall(page)]

    assert len(commands(english)) > 5
    assert commands(english) == commands(chinese)
    assert english.count("\n## ") == chinese.count("\n## ")
