"""Logging in by an identity provider that runs beside the test."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from bubi.gateway import config
from bubi.gateway.access import Role
from bubi.gateway.accounts.oidc import BEGUN_MS
from bubi.gateway.accounts.records import AccountRecords, AuditWish

from .provider import CLIENT, SECRET, Claims, IdentityProvider
from .world import PORT, Visitor, World, code

CALLBACK = "/session/oidc/callback"
REDIRECT = f"http://testserver/api/v1{CALLBACK}"
COOKIE = f"bubi_session_{PORT}"
ROLES = ["ops=operator", "audit=auditor", "boss=administrator"]


class Site:
    """A gateway and its provider."""

    def __init__(self, folder: Path, **more: object) -> None:
        self.provider = IdentityProvider(REDIRECT, clock=lambda: self.world.clock.now / 1_000)
        (folder / "secret").write_text(f"{SECRET}\n")
        section = {
            "issuer": self.provider.issuer,
            "client_id": CLIENT,
            "client_secret": "secret",
            "redirect": REDIRECT,
            "roles": ROLES,
            **more,
        }
        self.world = World(folder, oidc={k: v for k, v in section.items() if v is not None})

    def back(self, visitor: Visitor, to: str = "/alarms") -> str:
        """Goes to the provider; the path on which it sends back here."""
        sent = visitor.ask("GET", f"/session/oidc?{urlencode({'to': to})}")
        assert sent.status_code == 303, sent.text
        answer = httpx.get(sent.headers["Location"], timeout=60)
        assert answer.status_code == 302, answer.text
        address = answer.headers["Location"]
        assert address.startswith(REDIRECT)
        return CALLBACK + "?" + urlsplit(address).query

    def enter(self, visitor: Visitor, to: str = "/alarms") -> str:
        """A whole login; where the browser is sent in the end."""
        return str(visitor.ask("GET", self.back(visitor, to)).headers["Location"])


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    with made.provider:
        yield made


def test_a_login_by_the_provider(site: Site) -> None:
    ann = site.world.visitor()
    assert ann.ask("GET", "/session").json()["provider"] is True
    assert site.enter(ann) == "/alarms"
    session = ann.ask("GET", "/session").json()
    assert (session["name"], session["role"]) == ("oidc:ann", "operator")
    assert (session["has_password"], session["has_provider"]) == (False, True)
    assert ann.ask("GET", "/monitoring/nodes").status_code == 200
    assert code(ann.ask("GET", "/users")) == "role_missing"
    ann.csrf = session["csrf"]
    refused = ann.ask("POST", "/session/password", {"old": "", "new": "a long password"})
    assert code(refused) == "conflict"
    last = site.world.accounts.records.audit_lines(AuditWish(), None, 1)[0]
    assert (last.name, last.action, last.detail) == ("oidc:ann", "login", {"how": "oidc"})


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        ("/", "/"),
        ("/assets?kind=dated", "/assets?kind=dated"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("/x\r\nSet-Cookie: a=b", "/"),
    ],
)
def test_it_leads_to_pages_of_the_console_only(site: Site, to: str, expected: str) -> None:
    assert site.enter(site.world.visitor(), to) == expected


def test_roles_are_those_that_the_provider_gives_now(site: Site) -> None:
    ann = site.world.visitor()
    for values, role in (
        (["ops", "x"], "operator"),
        (["audit", "boss"], "administrator"),
        ("audit", "auditor"),
    ):
        site.provider.claims["roles"] = values
        assert site.enter(ann) == "/alarms"
        assert ann.ask("GET", "/session").json()["role"] == role
    (user,) = site.world.accounts.records.users()
    assert (user.name, user.role) == ("oidc:ann", "auditor")
    before = dict(ann.cookies)
    site.provider.claims["roles"] = ["ops"]
    assert site.enter(site.world.visitor()) == "/alarms"
    ann.cookies.update(before)
    assert ann.ask("GET", "/session").json()["name"] is None, "another role ends sessions"


@pytest.mark.parametrize("roles", [[], ["strangers"], None, 7, {"ops": True}])
def test_who_has_no_role_stays_outside(site: Site, roles: object) -> None:
    site.provider.claims["roles"] = roles
    visitor = site.world.visitor()
    assert site.enter(visitor) == "/login?failed=role_missing"
    assert COOKIE not in visitor.cookies
    assert site.world.accounts.records.users() == []


def test_claims_may_lie_deeper(tmp_path: Path) -> None:
    site = Site(tmp_path, role_claim="realm_access.roles", name_claim="email")
    with site.provider:
        site.provider.claims = {
            "sub": "7", "email": "ann@example.org", "realm_access": {"roles": ["boss"]},
        }  # fmt: skip
        visitor = site.world.visitor()
        assert site.enter(visitor) == "/alarms"
        session = visitor.ask("GET", "/session").json()
    assert (session["name"], session["role"]) == ("oidc:ann@example.org", "administrator")


def test_a_public_client_has_no_secret(tmp_path: Path) -> None:
    site = Site(tmp_path, client_secret=None)
    with site.provider:
        site.provider.secret = None
        assert site.enter(site.world.visitor()) == "/alarms"


def test_keys_of_the_provider_may_change(site: Site) -> None:
    assert site.enter(site.world.visitor()) == "/alarms"
    site.provider.rotate()
    assert site.enter(site.world.visitor()) == "/alarms"


def _set(**changed: object) -> Callable[[Claims], None]:
    return lambda claims: claims.update(changed)


@pytest.mark.parametrize(
    "spoil",
    [
        _set(nonce="another"),
        lambda claims: claims.pop("nonce"),
        _set(aud="another program"),
        _set(aud=[CLIENT, "another program"]),
        _set(azp="another program"),
        _set(iss="http://127.0.0.1:1"),
        _set(exp=1_700_000_000),
        _set(iat=1_900_000_000),
        _set(nbf=1_900_000_000),
        _set(sub=""),
        lambda claims: claims.pop("sub"),
        lambda claims: claims.pop("exp"),
    ],
)
def test_a_token_that_is_about_something_else(site: Site, spoil: Callable[[Claims], None]) -> None:
    site.provider.spoil = spoil
    visitor = site.world.visitor()
    assert site.enter(visitor) == "/login?failed=login_failed"
    assert COOKIE not in visitor.cookies
    assert site.world.accounts.records.users() == []


def test_a_token_for_several_programs_names_this_one(site: Site) -> None:
    site.provider.spoil = _set(aud=[CLIENT, "another program"], azp=CLIENT)
    assert site.enter(site.world.visitor()) == "/alarms"


def test_a_token_that_somebody_else_signed(site: Site) -> None:
    good = site.provider.token
    claims: Claims = {}

    def unsigned(nonce: str) -> str:
        return jwt.encode({**_claims(nonce)}, None, "none")

    def by_secret(nonce: str) -> str:
        return jwt.encode(_claims(nonce), SECRET * 4, "HS256", {"kid": "first"})

    def by_stranger(nonce: str) -> str:
        key = rsa.generate_private_key(65_537, 2_048)
        return jwt.encode(_claims(nonce), key, "RS256", {"kid": "first"})

    def _claims(nonce: str) -> Claims:
        return {**jwt.decode(good(nonce), options={"verify_signature": False}), **claims}

    for forged in (unsigned, by_secret, by_stranger, lambda _nonce: "x.y.z"):
        site.provider.token = forged  # type: ignore[method-assign]
        assert site.enter(site.world.visitor()) == "/login?failed=login_failed"


def test_only_the_browser_that_was_sent_comes_back_once(site: Site) -> None:
    ann, eve = site.world.visitor(), site.world.visitor()
    failed = "/login?failed=login_failed"
    back = site.back(ann)
    assert eve.ask("GET", back).headers["Location"] == failed, "a stranger's cookie"
    site.back(eve)
    assert eve.ask("GET", back).headers["Location"] == failed, "another login's state"
    assert ann.ask("GET", back).headers["Location"] == "/alarms"
    assert ann.ask("GET", back).headers["Location"] == failed, "it was used"
    late = site.back(ann)
    site.world.clock.now += BEGUN_MS
    assert ann.ask("GET", late).headers["Location"] == failed, "it took too long"
    mixed = site.back(ann) + "&iss=http%3A%2F%2Fevil.example"
    assert ann.ask("GET", mixed).headers["Location"] == failed, "another provider"


def test_what_the_provider_refuses_or_cannot(site: Site) -> None:
    visitor = site.world.visitor()
    site.provider.denies = True
    assert site.enter(visitor) == "/login?failed=login_failed"
    site.provider.denies = False
    back = site.back(visitor)
    site.provider.codes.clear()
    assert visitor.ask("GET", back).headers["Location"] == "/login?failed=login_failed"
    back = site.back(visitor)
    site.provider.down = True
    assert visitor.ask("GET", back).headers["Location"] != "/alarms"
    site.world.clock.now += 3_600_000
    sent = visitor.ask("GET", "/session/oidc")
    assert sent.headers["Location"] == "/login?failed=provider_failed"


def test_names_of_the_provider_take_no_others_place(site: Site) -> None:
    records = site.world.accounts.records
    records.add_user("ann", "administrator", None, 0)
    assert site.enter(site.world.visitor()) == "/alarms"
    assert {one.name: one.role for one in records.users()} == {
        "ann": "administrator",
        "oidc:ann": "operator",
    }
    # Somebody else who calls herself the same.
    site.provider.claims["sub"] = "8"
    assert site.enter(site.world.visitor()) == "/login?failed=conflict"
    # The same one under another name is the same user.
    site.provider.claims |= {"sub": "7", "preferred_username": "anna"}
    visitor = site.world.visitor()
    assert site.enter(visitor) == "/alarms"
    assert visitor.ask("GET", "/session").json()["name"] == "oidc:ann"


def test_who_is_kept_out_here_stays_out(site: Site) -> None:
    assert site.enter(site.world.visitor()) == "/alarms"
    boss = site.world.user(Role.ADMINISTRATOR)
    for body, expected in (
        ({"role": "administrator"}, 409),
        ({"password": "a long password"}, 409),
        ({"disabled": True}, 200),
    ):
        assert boss.ask("PUT", "/users/oidc:ann", body).status_code == expected, body
    assert boss.ask("POST", "/users/oidc:ann/link").status_code == 409
    assert site.enter(site.world.visitor()) == "/login?failed=login_failed"


def test_many_failures_close_the_login_of_an_address(site: Site) -> None:
    visitor = site.world.visitor()
    ends = [visitor.ask("GET", CALLBACK).headers["Location"] for _ in range(25)]
    assert ends[0] == "/login?failed=login_failed"
    assert ends[-1] == "/login?failed=too_many_requests"
    wait = site.world.accounts.attempts.wait_ms
    assert wait("provider from 10.0.0.9", "10.0.0.9", site.world.clock()) == 0, "others go on"


def test_without_a_provider_there_is_no_such_login(tmp_path: Path) -> None:
    visitor = World(tmp_path).visitor()
    assert visitor.ask("GET", "/session").json()["provider"] is False
    assert code(visitor.ask("GET", "/session/oidc")) == "route_unknown"
    assert code(visitor.ask("GET", CALLBACK)) == "route_unknown"


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"issuer": "http://provider.example"}, "https"),
        ({"client_id": None}, "oidc.client_id"),
        ({"redirect": None}, "oidc.redirect"),
        ({"roles": []}, "oidc.roles"),
        ({"roles": ["ops=king"]}, "oidc.roles"),
        ({"scopes": ["profile"]}, "openid"),
    ],
)
def test_settings_that_cannot_work(tmp_path: Path, changed: Claims, named: str) -> None:
    section = {"issuer": "https://a.example", "client_id": "x", "redirect": REDIRECT,
               "roles": ROLES, **changed}  # fmt: skip
    document = {
        "node": {"url": "http://127.0.0.1:1"},
        "oidc": {name: value for name, value in section.items() if value is not None},
    }
    with pytest.raises(config.ConfigError, match=named):
        config.parse(document, tmp_path)


def test_users_of_an_older_file_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "accounts.sqlite"
    with sqlite3.connect(file) as base:
        base.execute(
            "CREATE TABLE users (name TEXT PRIMARY KEY, role TEXT NOT NULL, password TEXT, "
            "disabled INTEGER NOT NULL DEFAULT 0, made INTEGER NOT NULL, seen INTEGER)"
        )
        base.execute("INSERT INTO users (name, role, made) VALUES ('ann', 'operator', 5)")
    base.close()
    for _ in range(2):
        records = AccountRecords(file)
        assert [(one.name, one.subject) for one in records.users()] == [("ann", None)]
        records.close()


def test_the_query_goes_to_the_provider_with_all_it_needs(site: Site) -> None:
    sent = site.world.visitor().ask("GET", "/session/oidc").headers["Location"]
    query = {name: values[0] for name, values in parse_qs(urlsplit(sent).query).items()}
    assert (query["response_type"], query["code_challenge_method"]) == ("code", "S256")
    assert len(query["code_challenge"]) == 43
    assert len({query["state"], query["nonce"], query["code_challenge"]}) == 3
