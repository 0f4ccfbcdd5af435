"""Every role against every route that the description names."""

import csv
import io
import re
from pathlib import Path
from typing import Any

import pytest

from bubi.gateway.access import Role
from tests.gateway.world import World, code

ANYBODY = 0
LOWEST = {
    "GET /session": ANYBODY,
    "POST /session": ANYBODY,
    "POST /session/link": ANYBODY,
    "GET /session/oidc": ANYBODY,
    "GET /session/oidc/callback": ANYBODY,
    "DELETE /session": Role.READ_ONLY,
    "POST /session/password": Role.READ_ONLY,
    "GET /users": Role.ADMINISTRATOR,
    "POST /users": Role.ADMINISTRATOR,
    "PUT /users/{name}": Role.ADMINISTRATOR,
    "DELETE /users/{name}": Role.ADMINISTRATOR,
    "POST /users/{name}/link": Role.ADMINISTRATOR,
    "GET /audit": Role.AUDITOR,
    "GET /monitoring/nodes": Role.READ_ONLY,
    "GET /monitoring/hosts": Role.READ_ONLY,
    "GET /monitoring/consensus": Role.READ_ONLY,
    "GET /monitoring/peers": Role.READ_ONLY,
    "GET /monitoring/clients": Role.AUDITOR,
    "GET /monitoring/logs": Role.OPERATOR,
    "GET /monitoring/series": Role.READ_ONLY,
    "GET /alarms": Role.READ_ONLY,
    "GET /alarms/rules": Role.READ_ONLY,
    "PUT /alarms/rules": Role.OPERATOR,
    "GET /alarms/silences": Role.READ_ONLY,
    "POST /alarms/silences": Role.OPERATOR,
    "DELETE /alarms/silences/{number}": Role.OPERATOR,
    "GET /alarms/channels": Role.OPERATOR,
    "POST /alarms/channels": Role.ADMINISTRATOR,
    "PUT /alarms/channels/{number}": Role.ADMINISTRATOR,
    "DELETE /alarms/channels/{number}": Role.ADMINISTRATOR,
    "POST /alarms/channels/{number}/test": Role.OPERATOR,
    "GET /alarms/{number}": Role.READ_ONLY,
    "POST /alarms/{number}/acknowledge": Role.OPERATOR,
}
"""The lowest role of each route that is not the explorer's."""
SANDBOX = {f"POST /sandbox/{name}" for name in ("faucet", "simulate", "transactions")}
"""Open to whom the explorer is: who signs is known by the key."""
WITHOUT_END = {"GET /stream"}
"""Asked only by whom it refuses."""
ROLES = [ANYBODY, *Role]


def routes(world: World) -> list[str]:
    document = world.visitor().ask("GET", "/openapi.json").json()
    return sorted(
        f"{method.upper()} {path.removeprefix('/api/v1')}"
        for path, operations in document["paths"].items()
        for method in operations
    )


def explorer(route: str) -> bool:
    return route not in LOWEST


def ask(world: World, route: str, role: int) -> Any:
    method, path = route.split(" ")
    visitor = world.visitor() if role == ANYBODY else world.user(Role(role))
    filled = re.sub(r"\{[^}]*\}", "1", path)
    return visitor.ask(method, filled, {} if method in {"POST", "PUT"} else None)


def test_the_table_names_routes_that_exist(tmp_path: Path) -> None:
    found = set(routes(World(tmp_path)))
    assert set(LOWEST) <= found
    # Whatever is not in the table is the explorer's: for everybody who may read at all.
    others = {route for route in found - set(LOWEST) if not route.startswith("GET ")}
    assert others == SANDBOX


@pytest.mark.parametrize("public", [False, True])
def test_every_role_gets_what_is_its_own(tmp_path: Path, public: bool) -> None:
    world = World(tmp_path, explorer={"public": public})
    everything = routes(world)
    assert len(everything) >= len(LOWEST)
    wrong = []
    for route in everything:
        lowest = (ANYBODY if public else Role.READ_ONLY) if explorer(route) else LOWEST[route]
        for role in ROLES:
            if role >= lowest and route in WITHOUT_END:
                continue
            answer = ask(world, route, role)
            assert answer.status_code != 500, route
            refused = answer.status_code in {401, 403} and code(answer) in {
                "login_required", "role_missing", "csrf_missing",
            }  # fmt: skip
            if refused != (role < lowest):
                wrong.append(f"{route} as {role}: {answer.status_code}")
            elif refused:
                expected = "login_required" if role == ANYBODY else "role_missing"
                assert code(answer) == expected, route
    assert wrong == []


def test_lists_behind_a_login_come_as_tables(tmp_path: Path) -> None:
    world = World(tmp_path)
    administrator = world.user(Role.ADMINISTRATOR)
    document = world.visitor().ask("GET", "/openapi.json").json()["paths"]
    tables = {
        path.removeprefix("/api/v1"): operations["get"]["parameters"]
        for path, operations in document.items()
        if f"GET {path.removeprefix('/api/v1')}" in LOWEST
        and any(one["name"] == "format" for one in operations["get"].get("parameters", ()))
    }
    assert set(tables) == {
        "/users", "/audit", "/alarms", "/alarms/rules", "/alarms/silences", "/alarms/channels",
        *(f"/monitoring/{name}" for name in ("nodes", "hosts", "consensus", "peers", "clients")),
        "/monitoring/logs",
    }  # fmt: skip
    for path in sorted(set(tables) - {"/monitoring/logs"}):
        answer = administrator.ask("GET", f"{path}?format=csv")
        assert answer.status_code == 200, path
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        items = administrator.ask("GET", path).json()["items"]
        assert len(list(csv.DictReader(io.StringIO(answer.text)))) == len(items), path
