"""Bars of quotas in Chromium, on a ledger whose accounts used some of theirs."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser import browse
from tests.gateway.gateways import RunningGateway
from tests.inputs import world
from tests.inputs.world import World

BROWSER_SECONDS = 900
STEPS_MAX = 100


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[World]:
    made = world.make(tmp_path / "node")
    yield made
    assert world.stop(made) == 0


@pytest.mark.timeout(BROWSER_SECONDS + 600)
def test_used_quotas_in_a_browser(ledger: World, tmp_path: Path) -> None:
    gateway = RunningGateway(tmp_path / "gateway", ledger.node.made.url)
    try:
        gateway.start()
        alice = ledger.address("alice")
        (organisation,) = gateway.get("/organisations")["items"]
        name = organisation["name"]
        ledger.done({"ask_membership": {"organisation": name}}, by="alice")
        done = ledger.done({"set_member": {"account": alice, "member": True}}, by="council")
        for _ in range(STEPS_MAX):
            quota = ledger.client.get(f"/v1/accounts/{alice}").json()["quota"]
            # Full enough for the bar to warn, and not so full that nothing more is possible.
            if 10 * int(quota["account"]["used"]) >= 8 * int(quota["account"]["limit"]):
                break
            done = ledger.done(*[world.set_data("used")] * 100, by="alice")
        gateway.reach(int(done["height"]))
        used = {
            ours: {one: int(quota[theirs][one]) for one in ("used", "limit")}
            for ours, theirs in (("own", "account"), ("shared", "organisation"))
        }
        assert all(0 < one["used"] < one["limit"] for one in used.values()), used
        assert used["own"]["used"] >= 0.8 * used["own"]["limit"]
        settings = {"organisation": name, "account": alice, **used}
        environment = {"BUBI_GATEWAY_URL": gateway.url, "BUBI_QUOTA": json.dumps(settings)}
        browse("quota", environment, BROWSER_SECONDS)
        assert gateway.stop() == 0
    finally:
        gateway.close()
