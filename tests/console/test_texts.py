"""Every code that reaches a page has a text there; other tests see to both languages."""

import json
import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from bubi import core
from bubi.consensus.guard import Phase
from bubi.consensus.height_state import Check, Mode
from bubi.consensus.solo import Step
from bubi.consensus.switching import NOT_STARTED
from bubi.gateway import governance
from bubi.gateway.access import Role
from bubi.gateway.alarms.channels import FAILURES
from bubi.gateway.alarms.rules import BY_CODE
from bubi.gateway.index.settings import EFFECTS
from bubi.gateway.problems import PROBLEMS
from bubi.node.api.problems import PROBLEMS as OF_THE_NODE
from bubi.node.init import PARAMETERS

ROOT = Path(__file__).resolve().parents[2]
TEXTS = json.loads((ROOT / "console/src/text/en.json").read_text(encoding="utf-8"))
NODE, GATEWAY = ROOT / "src/bubi/node", ROOT / "src/bubi/gateway"
CONSENSUS = ROOT / "src/bubi/consensus"


def said(pattern: str, folder: Path) -> set[str]:
    """What the sources of a folder name in such places."""
    names = {
        name
        for path in folder.rglob("*.py")
        for found in re.finditer(pattern, path.read_text(encoding="utf-8"))
        for name in found.groups()
        if name
    }
    assert names, pattern
    return names


def reasons_of_health() -> set[str]:
    """Why a node is not ready: where it is raised, by a literal or by a constant."""
    literal = said(r'\b(?:raise_reason|Reason)\(\s*"(\w+)"', NODE)
    constants = said(r'(?m)^(?:NO_QUORUM|STALLED|CATCHING_UP|ENGINE_DOWN)\b.*= "(\w+)"', NODE)
    return literal | constants | {"diverged", "engine_refused", "guard_refused"}


def reasons_of_connections() -> set[str]:
    """The table of docs/network.md; families of codes (`frame_…`) have one text."""
    page = (ROOT / "docs/network.md").read_text(encoding="utf-8")
    table = page.partition("| reason |")[2].partition("\n\n")[0]
    firsts = [line.split("|")[1] for line in table.splitlines()[2:]]
    found = {name for first in firsts for name in re.findall(r"`(\w+)`", first)}
    return found - {"window", "handshake"}


ACTION = r'\baudit\(\s*(?:[\w.]+(?:\[:64\])?|""),\s*(?:who,\s*)?"(\w+)"'
"""Where something is written into the audit log: by whom, what."""
CODES: dict[str, Iterable[str]] = {
    "problem": {*PROBLEMS, *OF_THE_NODE},
    "channel_failure": FAILURES,
    "code": {name for _, name in core.result_codes()},
    "meaning": {name for _, name in core.result_codes()},
    "operation": core.operation_names(),
    "does": core.operation_names(),
    "change": EFFECTS,
    "parameter": PARAMETERS,
    "evidence_kind": governance.PHASES,
    "proposal_state": ("open", "approved", "active", "rejected", "withdrawn", "expired", "lapsed"),
    "phase": {one.name.lower() for one in Phase}
    | {"cometbft", NOT_STARTED.phase}
    | said(r'phase\.labels\("(\w+)"', NODE)
    | {*said(r'"(waiting for [a-z ]+)"', CONSENSUS), "execution"}
    | said(r'(?m)^    changing = "([a-z0-9 ]+)"', CONSENSUS)
    | {one.value for one in (*Mode, *Check, *Step)} - {"normal", "changing", "valid"},
    "rule": BY_CODE,
    "rule_unit": {rule.unit for rule in BY_CODE.values()} - {""},
    "role": {one.name.lower() for one in Role},
    "reason": reasons_of_health(),
    "peer_state": {"connected", "banned", "dialling", "waiting", "heard_of"},
    "peer_reason": reasons_of_connections(),
    "audit_action": said(ACTION, GATEWAY),
}


@pytest.mark.parametrize("group", sorted(CODES))
def test_every_code_has_a_text(group: str) -> None:
    names = set(CODES[group])
    assert len(names) > 2
    assert sorted(name for name in names if f"{group}.{name}" not in TEXTS) == []
