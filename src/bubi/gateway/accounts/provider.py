"""An identity provider by OpenID Connect: authorization code with PKCE, discovery, signed tokens.

It is asked at a login only, over connections of their own. What it says is trusted only as far as
its signature, and the signature only by keys that its discovery document names.
"""

import base64
import hashlib
import json
import secrets
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import httpx
import jwt

from bubi.gateway.config import OidcSection

ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
"""Signatures of tokens that are accepted: none without a key, none by a shared secret."""
ANSWER_SECONDS = 10.0
BYTES_MAX = 1_048_576
KEPT_MS = 3_600_000
LEEWAY_SECONDS = 60
Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Registration:
    """What the gateway and the provider know of each other."""

    issuer: str
    client_id: str
    redirect: str
    section: OidcSection


def registered(section: OidcSection) -> Registration | None:
    """The registration of a configuration; None: there is no provider."""
    if section.issuer is None or section.client_id is None or section.redirect is None:
        return None
    return Registration(section.issuer, section.client_id, section.redirect, section)


class ProviderError(Exception):
    """The provider cannot be used now; the message says why."""


class TokenError(Exception):
    """The provider's word cannot be trusted, or is about something else."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A login that was sent to the provider."""

    state: str
    nonce: str
    verifier: str
    to: str
    until: int

    @property
    def challenge(self) -> str:
        """What the provider is shown of the verifier."""
        return _base64(hashlib.sha256(self.verifier.encode()).digest())


def begin(to: str, until: int) -> Begun:
    """A new login that leads to a page."""
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    return Begun(state, nonce, verifier, to, until)


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody as the provider knows them. `roles` are the values of the role claim."""

    subject: str
    name: str
    roles: frozenset[str]


class Provider:
    """See the module. Times in ms."""

    def __init__(self, settings: Registration) -> None:
        self.settings = settings
        self._known: tuple[Json, Json, int] | None = None
        self._tls = _tls(settings)

    async def address(self, begun: Begun, now: int) -> str:
        """Where the browser is sent.

        Raises:
            ProviderError: the provider does not answer.
        """
        found, _ = await self._discover(now)
        query = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": self.settings.redirect,
            "scope": " ".join(self.settings.section.scopes),
            "state": begun.state,
            "nonce": begun.nonce,
            "code_challenge": begun.challenge,
            "code_challenge_method": "S256",
        }
        endpoint = str(found["authorization_endpoint"])
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"

    async def identity(self, begun: Begun, code: str, now: int) -> Identity:
        """Who came back with a code.

        Raises:
            ProviderError: the provider does not answer.
            TokenError: it refuses the code, or its token is not good.
        """
        found, keys = await self._discover(now)
        token = await self._token(str(found["token_endpoint"]), begun, code)
        if not _names_key(token, keys):
            # It may have changed its keys since.
            _, keys = await self._discover(now, again=True)
        claims = self._claims(token, keys, now)
        if not secrets.compare_digest(str(claims.get("nonce", "")), begun.nonce):
            raise TokenError("the token belongs to another login")
        return self._identity(claims)

    def _identity(self, claims: Json) -> Identity:
        settings = self.settings
        subject, name = claims.get("sub"), _claim(claims, settings.section.name_claim)
        if not isinstance(subject, str) or not subject:
            raise TokenError("the token names nobody")
        roles = _claim(claims, settings.section.role_claim)
        listed = [roles] if isinstance(roles, str) else roles if isinstance(roles, list) else []
        return Identity(
            f"{settings.issuer} {subject}",
            name if isinstance(name, str) and name else subject,
            frozenset(one for one in listed if isinstance(one, str)),
        )

    async def _token(self, endpoint: str, begun: Begun, code: str) -> str:
        settings = self.settings
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": settings.redirect,
            "client_id": settings.client_id,
            "code_verifier": begun.verifier,
        }
        authorisation = None
        if settings.section.client_secret is not None:
            secret = _secret(settings.section.client_secret)
            authorisation = httpx.BasicAuth(quote(settings.client_id), quote(secret))
        status, answer = await self._ask("POST", endpoint, form, authorisation)
        if status != 200 or not isinstance(answer.get("id_token"), str):
            raise TokenError(f"the provider refuses the code: {str(answer.get('error'))[:64]}")
        return str(answer["id_token"])

    def _claims(self, token: str, keys: Json, now: int) -> Json:
        settings = self.settings
        try:
            key = _key_of(token, keys)
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=list(ALGORITHMS),
                audience=settings.client_id,
                issuer=settings.issuer,
                # Times are compared with the gateway's clock below.
                options={
                    "require": ["iss", "sub", "aud", "exp", "iat"],
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
        except jwt.PyJWTError as error:
            raise TokenError(f"the token is not good: {type(error).__name__}") from error
        seconds = now / 1_000
        until, since = claims["exp"], max(claims["iat"], claims.get("nbf", claims["iat"]))
        if not since - LEEWAY_SECONDS <= seconds < until + LEEWAY_SECONDS:
            raise TokenError("the token is too old, or not valid yet")
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if claims.get("azp", settings.client_id if not several else None) != settings.client_id:
            raise TokenError("the token was made for another program")
        return claims

    async def _discover(self, now: int, *, again: bool = False) -> tuple[Json, Json]:
        """The provider's discovery document and its keys."""
        known = self._known
        if known is not None and now < known[2] and not again:
            return known[0], known[1]
        issuer = self.settings.issuer
        status, found = await self._ask("GET", f"{issuer}/.well-known/openid-configuration")
        if status != 200 or str(found.get("issuer", "")).rstrip("/") != issuer:
            raise ProviderError("its discovery document is about another issuer")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            self._check_endpoint(name, found.get(name))
        status, keys = await self._ask("GET", str(found["jwks_uri"]))
        if status != 200:
            raise ProviderError("it does not show its keys")
        self._known = (found, keys, now + KEPT_MS)
        return found, keys

    def _check_endpoint(self, name: str, address: Any) -> None:
        """Nothing of a provider over TLS is asked for without."""
        scheme = urlsplit(address).scheme if isinstance(address, str) else ""
        if scheme not in {"https", urlsplit(self.settings.issuer).scheme}:
            msg = f"its {name} is missing or not secure"
            raise ProviderError(msg)

    async def _ask(
        self,
        method: str,
        address: str,
        form: Mapping[str, str] | None = None,
        authorisation: httpx.BasicAuth | None = None,
    ) -> tuple[int, Json]:
        try:
            async with httpx.AsyncClient(
                timeout=ANSWER_SECONDS, verify=self._tls, trust_env=False, auth=authorisation
            ) as client:
                answer = await client.request(method, address, data=form)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            msg = f"it does not answer ({type(error).__name__})"
            raise ProviderError(msg) from error
        return answer.status_code, _document(answer)


def _tls(settings: Registration) -> ssl.SSLContext:
    """Whom to accept. A provider without TLS is on this machine: then nobody needs to be known."""
    if urlsplit(settings.issuer).scheme == "http":
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority = settings.section.authority
    return ssl.create_default_context(cafile=str(authority) if authority else None)


def _secret(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError as error:
        msg = f"{file} cannot be read"
        raise ProviderError(msg) from error


def _document(answer: httpx.Response) -> Json:
    try:
        value = json.loads(answer.content) if len(answer.content) <= BYTES_MAX else None
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ProviderError("its answer is no JSON object")
    return value


def _names_key(token: str, keys: Json) -> bool:
    try:
        _key_of(token, keys)
    except jwt.PyJWTError:
        return False
    return True


def _key_of(token: str, keys: Json) -> Any:
    """The key that a token's header names, or the only one."""
    named = jwt.get_unverified_header(token).get("kid")
    usable = jwt.PyJWKSet.from_dict(dict(keys)).keys
    fitting = [one for one in usable if named is None or one.key_id == named]
    if len(fitting) != 1:
        msg = "no such key"
        raise jwt.InvalidKeyError(msg)
    return fitting[0].key


def _claim(claims: Json, path: str) -> Any:
    """A claim by its name, or by names with dots between, from outside in."""
    if path in claims:
        return claims[path]
    value: Any = claims
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
