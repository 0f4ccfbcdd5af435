"""Logins, sessions, forged requests, limits, users and the audit log."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from starlette.requests import Request

from bubi.gateway import stream
from bubi.gateway.access import Role
from bubi.gateway.accounts.attempts import (
    FAILURES_OF_ADDRESS,
    FAILURES_OF_NAME,
    FAILURES_OF_SITE,
    NARROW_MAX,
    WIDE_MAX,
    WINDOW_MS,
    Attempts,
)
from bubi.gateway.accounts.records import IDLE_MS, LINK_MS, SESSION_MS
from tests.gateway.world import PASSWORD, PORT, Visitor, World, code

COOKIE = f"bubi_session_{PORT}"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_password_logs_in_and_out(world: World) -> None:
    world.add_user("ann", Role.OPERATOR)
    ann = world.visitor()
    assert ann.ask("GET", "/session").json()["name"] is None
    answer = ann.log_in("ann")
    assert answer.json()["role"] == "operator"
    said = answer.headers["Set-Cookie"]
    assert "HttpOnly" in said
    assert "samesite=strict" in said.lower()
    assert ann.cookies[COOKIE] not in Path(world.gateway.config.gateway.data).joinpath(
        "accounts.sqlite"
    ).read_bytes().decode("latin-1")
    assert ann.ask("GET", "/monitoring/nodes").status_code == 200
    kept = dict(ann.cookies)
    assert ann.ask("DELETE", "/session").status_code == 204
    ann.cookies.update(kept)
    assert code(ann.ask("GET", "/monitoring/nodes")) == "login_required"


def test_cookies_of_a_gateway_with_tls_stay_on_tls(tmp_path: Path) -> None:
    files = {name: str(tmp_path / "x.pem") for name in ("tls_certificate", "tls_key")}
    world = World(tmp_path, gateway={"data": str(tmp_path), "port": PORT, **files})
    world.add_user("ann", Role.OPERATOR)
    assert "secure" in world.visitor().log_in("ann").headers["Set-Cookie"].lower()


@pytest.mark.parametrize(("name", "password"), [("ann", "wrong"), ("nobody", PASSWORD)])
def test_a_wrong_name_and_a_wrong_password_look_the_same(
    world: World, name: str, password: str
) -> None:
    world.add_user("ann", Role.OPERATOR)
    answer = world.visitor().log_in(name, password)
    assert (answer.status_code, code(answer)) == (401, "login_failed")
    assert answer.json()["detail"] == world.visitor().log_in("x", "y").json()["detail"]


def test_who_is_kept_out_is_out_at_once(world: World) -> None:
    admin = world.user(Role.ADMINISTRATOR)
    bob = world.user(Role.OPERATOR, "bob")
    assert admin.ask("PUT", "/users/bob", {"disabled": True}).status_code == 200
    assert code(bob.ask("GET", "/alarms")) == "login_required"
    token, _ = world.accounts.records.make_link("bob", world.clock())
    assert code(bob.ask("POST", "/session/link", {"token": token})) == "login_failed"


def test_sessions_end_by_age_and_by_silence(world: World) -> None:
    ann = world.user(Role.AUDITOR)
    world.clock.now += IDLE_MS - 1
    assert ann.ask("GET", "/alarms").status_code == 200
    world.clock.now += IDLE_MS - 1
    assert ann.ask("GET", "/alarms").status_code == 200
    world.clock.now += IDLE_MS
    assert code(ann.ask("GET", "/alarms")) == "login_required"
    bob = world.user(Role.AUDITOR)
    for _ in range(SESSION_MS // (IDLE_MS // 2)):
        assert bob.ask("GET", "/alarms").status_code == 200
        world.clock.now += IDLE_MS // 2
    assert code(bob.ask("GET", "/alarms")) == "login_required"


def test_sessions_survive_a_restart(world: World, tmp_path: Path) -> None:
    ann = world.user(Role.AUDITOR)
    again = World(tmp_path)
    other = again.visitor()
    other.cookies.update(ann.cookies)
    assert other.ask("GET", "/session").json()["name"] == "auditor"


def test_a_link_works_once_and_not_for_long(world: World) -> None:
    world.accounts.records.add_user("first", "administrator", None, world.clock())
    token, _ = world.accounts.records.make_link("first", world.clock())
    one, two = world.visitor(), world.visitor()
    assert one.ask("POST", "/session/link", {"token": token}).json()["role"] == "administrator"
    assert code(two.ask("POST", "/session/link", {"token": token})) == "login_failed"
    late, _ = world.accounts.records.make_link("first", world.clock())
    world.clock.now += LINK_MS
    assert code(two.ask("POST", "/session/link", {"token": late})) == "login_failed"


def test_wrong_links_shut_out_only_the_address_that_tries_them(world: World) -> None:
    world.accounts.records.add_user("first", "administrator", None, world.clock())
    attacker, owner = world.visitor(), world.visitor()
    attacker.address = "10.9.9.9"
    wrong = [attacker.ask("POST", "/session/link", {"token": "x"}) for _ in range(6)]
    assert code(wrong[-1]) == "too_many_requests"
    token, _ = world.accounts.records.make_link("first", world.clock())
    assert owner.ask("POST", "/session/link", {"token": token}).status_code == 200


def test_a_link_ends_with_its_user(world: World) -> None:
    admin = world.user(Role.ADMINISTRATOR)
    bob = {"name": "bob", "role": "read_only"}
    assert admin.ask("POST", "/users", bob).status_code == 201
    link = admin.ask("POST", "/users/bob/link").json()["token"]
    assert admin.ask("DELETE", "/users/bob").status_code == 204
    assert admin.ask("POST", "/users", {**bob, "role": "administrator"}).status_code == 201
    answer = world.visitor().ask("POST", "/session/link", {"token": link})
    assert code(answer) == "login_failed"


@pytest.mark.parametrize("token", ["", "wrong", None])
def test_a_forged_request_changes_nothing(world: World, token: str | None) -> None:
    ann = world.user(Role.OPERATOR)
    ann.csrf = token
    answer = ann.ask("POST", "/alarms/silences", {"minutes": 5})
    assert (answer.status_code, code(answer)) == (403, "csrf_missing")
    assert world.monitor.alarms.records.silences(world.clock()) == []
    # Reading needs none.
    assert ann.ask("GET", "/alarms/silences").status_code == 200


def test_the_token_of_another_session_does_not_help(world: World) -> None:
    ann, bob = world.user(Role.OPERATOR, "ann"), world.user(Role.OPERATOR, "bob")
    ann.csrf = bob.csrf
    assert code(ann.ask("POST", "/alarms/silences", {"minutes": 5})) == "csrf_missing"


def test_another_sites_page_cannot_log_in_or_change_anything(world: World) -> None:
    world.add_user("ann", Role.OPERATOR)
    foreign = {"Origin": "https://evil.example"}
    login = {"name": "ann", "password": PASSWORD}
    assert code(world.visitor().ask("POST", "/session", login, **foreign)) == "csrf_missing"
    bob = world.user(Role.OPERATOR)
    assert code(bob.ask("POST", "/alarms/silences", {"minutes": 5}, **foreign)) == "csrf_missing"
    own = {"Origin": "http://testserver"}
    assert bob.ask("POST", "/alarms/silences", {"minutes": 5}, **own).status_code == 201


def test_tries_of_one_name_are_limited_wherever_they_come_from(world: World) -> None:
    world.add_user("ann", Role.OPERATOR)
    for _ in range(FAILURES_OF_NAME):
        assert code(world.visitor().log_in("ann", "wrong")) == "login_failed"
    answer = world.visitor().log_in("ann")
    assert (answer.status_code, code(answer)) == (429, "too_many_requests")
    assert int(answer.headers["Retry-After"]) == 300
    world.clock.now += 300_000
    assert world.visitor().log_in("ann").status_code == 200


def test_limits_of_names_and_addresses() -> None:
    attempts = Attempts()
    for number in range(FAILURES_OF_ADDRESS):
        assert attempts.wait_ms(f"user{number}", "10.0.0.1", number) == 0
        attempts.failed(f"user{number}", "10.0.0.1", number)
    assert attempts.wait_ms("another", "10.0.0.1", FAILURES_OF_ADDRESS) > 0
    assert attempts.wait_ms("another", "10.0.0.2", FAILURES_OF_ADDRESS) == 0
    for _ in range(FAILURES_OF_NAME - 1):
        attempts.failed("ann", "10.0.0.3", 100)
    attempts.succeeded("ann", "10.0.0.3")
    attempts.failed("ann", "10.0.0.3", 100)
    assert attempts.wait_ms("ann", "10.0.0.3", 100) == 0
    # Any number of people may come in from one address.
    for number in range(2 * FAILURES_OF_ADDRESS):
        assert attempts.wait_ms(f"user{number}", "10.0.0.5", 100) == 0
        attempts.failed(f"user{number}", "10.0.0.5", 100)
        attempts.succeeded(f"user{number}", "10.0.0.5")


def test_whoever_has_a_site_of_networks_is_one_as_well() -> None:
    attempts = Attempts()
    tried = 0
    for network in range(6_000):
        address = f"2001:db8:1:{network:x}::1"
        for _ in range(FAILURES_OF_NAME):
            if not attempts.wait_ms("ann", address, 100):
                attempts.failed("ann", address, 100)
                tried += 1
    assert tried == FAILURES_OF_SITE
    assert attempts.wait_ms("ann", "2001:db8:1::1", 100) == WINDOW_MS
    assert attempts.wait_ms("ann", "2001:db8:2::1", 100) == 0
    assert attempts.wait_ms("ann", "2001:db8:1::1", 100 + WINDOW_MS) == 0
    # Any number of people may come in from one site.
    for number in range(2 * FAILURES_OF_SITE):
        address = f"2001:db8:3:{number:x}::1"
        assert attempts.wait_ms("ann", address, 100) == 0
        attempts.failed("ann", address, 100)
        attempts.succeeded("ann", address)


def test_going_round_many_networks_opens_no_login_again() -> None:
    attempts = Attempts()
    for _ in range(FAILURES_OF_ADDRESS):
        attempts.failed("ann", "10.0.0.1", 100)
    for number in range(FAILURES_OF_SITE):
        attempts.failed("ann", f"2001:db8:1:{number:x}::1", 100)
    # From a third of the sites of a /32, twice each, and any number of names.
    for number in range(NARROW_MAX):
        attempts.failed(f"user{number}", f"2001:db9:{number // 2:x}:{number % 2}::1", 200)
    assert attempts.wait_ms("ann", "10.0.0.1", 300) > 0
    assert attempts.wait_ms("ann", "2001:db8:1:ffff::1", 300) > 0
    kept = attempts._narrow, attempts._wide
    assert len(kept[0]) == NARROW_MAX
    assert len(kept[1]) <= WIDE_MAX
    # What is over takes no room.
    attempts.failed("ann", "10.0.0.2", 200 + WINDOW_MS)
    assert [len(one) for one in kept] == [1, 1]


def test_nobody_is_kept_out_by_what_others_try_elsewhere(world: World) -> None:
    world.add_user("ann", Role.ADMINISTRATOR)
    attacker, owner = world.visitor(), world.visitor()
    attacker.address = "10.9.9.9"
    tries = [code(attacker.log_in("ann", "wrong")) for _ in range(FAILURES_OF_NAME + 1)]
    assert tries == ["login_failed"] * FAILURES_OF_NAME + ["too_many_requests"]
    assert owner.log_in("ann").status_code == 200
    # Nor does the owner's success open the door to the others again.
    assert code(attacker.log_in("ann")) == "too_many_requests"


def test_whoever_has_many_addresses_of_one_network_is_one(world: World) -> None:
    world.add_user("ann", Role.ADMINISTRATOR)
    attacker = world.visitor()
    for number in range(FAILURES_OF_NAME):
        attacker.address = f"2001:db8::{number}"
        assert code(attacker.log_in("ann", "wrong")) == "login_failed"
    for address, status in (
        ("2001:db8::ffff", 429),
        ("2001:db8:0:0:1::", 429),
        ("2001:db8:0:1::", 200),
    ):
        attacker.address = address
        assert attacker.log_in("ann").status_code == status, address
    mapped, plain = world.visitor(), world.visitor()
    mapped.address, plain.address = "::ffff:10.0.0.7", "10.0.0.7"
    for _ in range(FAILURES_OF_NAME):
        mapped.log_in("ann", "wrong")
    assert plain.log_in("ann").status_code == 429


def test_one_changes_the_own_password(world: World) -> None:
    ann = world.user(Role.READ_ONLY, "ann")
    other = world.user(Role.READ_ONLY, "ann")
    short = ann.ask("POST", "/session/password", {"new": "short"})
    assert code(short) == "parameter_invalid"
    answer = ann.ask("POST", "/session/password", {"new": PASSWORD})
    assert answer.status_code == 200
    ann.csrf = answer.json()["csrf"]
    # Other sessions end.
    assert other.ask("GET", "/session").json()["name"] is None
    wrong = ann.ask("POST", "/session/password", {"old": "wrong", "new": "another password"})
    assert code(wrong) == "login_failed"
    assert world.visitor().log_in("ann").status_code == 200


def test_administrators_manage_users_and_stay(world: World) -> None:
    admin = world.user(Role.ADMINISTRATOR)
    made = admin.ask("POST", "/users", {"name": "bob", "role": "operator", "password": PASSWORD})
    assert made.status_code == 201
    assert made.json() == {
        "name": "bob", "role": "operator", "has_password": True, "subject": None,
        "disabled": False, "made": str(world.clock()), "seen": None,
    }  # fmt: skip
    assert code(admin.ask("POST", "/users", {"name": "bob", "role": "operator"})) == "conflict"
    bob = world.visitor()
    bob.log_in("bob")
    assert admin.ask("PUT", "/users/bob", {"role": "auditor"}).json()["role"] == "auditor"
    # A new role is one's only after a new login.
    assert bob.ask("GET", "/session").json()["name"] is None
    link = admin.ask("POST", "/users/bob/link").json()["token"]
    assert bob.ask("POST", "/session/link", {"token": link}).json()["role"] == "auditor"
    for method, body in (("PUT", {"role": "operator"}), ("PUT", {"disabled": True}),
                         ("DELETE", None)):  # fmt: skip
        assert code(admin.ask(method, "/users/administrator", body)) == "conflict"
    assert admin.ask("DELETE", "/users/bob").status_code == 204
    assert code(admin.ask("DELETE", "/users/bob")) == "not_found"
    names = [one["name"] for one in admin.ask("GET", "/users").json()["items"]]
    assert names == ["administrator"]


@pytest.mark.parametrize("name", ["", " ", "a b", "-a", "a" * 65, "x\n"])
def test_names_that_could_mislead_are_refused(world: World, name: str) -> None:
    admin = world.user(Role.ADMINISTRATOR)
    answer = admin.ask("POST", "/users", {"name": name, "role": "auditor"})
    assert (answer.status_code, code(answer)) == (400, "parameter_invalid")


def test_the_audit_log_tells_what_happened_and_when_it_was_touched(world: World) -> None:
    admin = world.user(Role.ADMINISTRATOR)
    admin.ask("POST", "/users", {"name": "bob", "role": "operator", "password": PASSWORD})
    admin.ask("POST", "/alarms/silences", {"minutes": 5, "comment": "works"})
    world.visitor().log_in("bob", "wrong")
    page = admin.ask("GET", "/audit").json()
    assert page["intact"] is True
    actions = [one["action"] for one in page["items"]]
    assert actions == ["login_failed", "silence", "add_user", "login"]
    assert PASSWORD not in str(page)
    first = admin.ask("GET", "/audit?limit=2").json()
    rest = admin.ask("GET", f"/audit?limit=2&cursor={first['next']}").json()
    assert [one["id"] for one in first["items"] + rest["items"]] == ["4", "3", "2", "1"]
    records = world.accounts.records
    records._run("UPDATE audit SET name = 'somebody else' WHERE id = 2")
    assert admin.ask("GET", "/audit").json()["intact"] is False


def test_a_line_taken_out_of_the_audit_log_shows(world: World) -> None:
    admin = world.user(Role.ADMINISTRATOR)
    admin.ask("POST", "/alarms/silences", {"minutes": 5})
    admin.ask("POST", "/alarms/silences", {"minutes": 6})
    world.accounts.records._run("DELETE FROM audit WHERE id = 2")
    assert admin.ask("GET", "/audit").json()["intact"] is False


def test_a_stream_ends_with_its_session(world: World) -> None:
    admin = world.user(Role.ADMINISTRATOR)
    world.add_user("ann", Role.OPERATOR)
    ann = world.visitor()
    ann.log_in("ann")
    said: list[str] = []

    async def listen() -> None:
        lines = stream_of(world, ann)
        async for line in lines:
            said.append(line)
            if len(said) == 1:
                await asyncio.to_thread(admin.ask, "PUT", "/users/ann", {"disabled": True})

    asyncio.run(asyncio.wait_for(listen(), 60))
    assert said[0] == ": open\n\n"
    assert world.gateway.streams == 0


def test_a_stream_does_not_keep_a_session_alive(world: World) -> None:
    world.add_user("ann", Role.OPERATOR)
    ann = world.visitor()
    ann.log_in("ann")
    token = ann.cookies[COOKIE]
    records = world.accounts.records
    for _ in range(4):
        world.clock.now += IDLE_MS // 4
        alive = records.alive(token, world.clock())
    assert alive is False
    assert records.session(token, world.clock()) is None


def stream_of(world: World, visitor: Visitor) -> AsyncIterator[str]:
    """The stream of the gateway, as the visitor gets it, until the gateway ends it."""
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/api/v1/stream",
        "query_string": b"",
        "headers": [(b"cookie", f"{COOKIE}={visitor.cookies[COOKIE]}".encode())],
        "app": world.app,
    }

    async def connected() -> dict[str, object]:
        await asyncio.sleep(3_600)
        raise AssertionError

    request = Request(scope, connected)
    lasts = world.accounts.lasting(request)
    response = stream.answer(request, world.gateway, frozenset(), lasts)
    return response.body_iterator  # type: ignore[return-value]
