"""HTTP connections that know whose certificate the client showed."""

import asyncio
import ssl
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from bubi.node.monitoring.clients import CLIENT

ORGANISATION = "bubi.organisation"
"""Where a request's scope has the organisation that the client's certificate names."""


class CertifiedProtocol(HttpToolsProtocol):
    """HTTP over a connection; TLS has checked the certificate if the API asks for one."""

    _organisation: str | None = None
    _client: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Looks at the certificate once per connection."""
        tls = transport.get_extra_info("ssl_object")
        shown = None if tls is None else cast(ssl.SSLObject, tls)
        self._organisation = None if shown is None else organisation_of(shown)
        self._client = None if shown is None else client_of(shown)
        super().connection_made(cast(asyncio.Transport, transport))

    def on_message_begin(self) -> None:
        """Tells each request."""
        super().on_message_begin()
        if self._organisation is not None:
            cast(dict[str, Any], self.scope)[ORGANISATION] = self._organisation
        if self._client is not None:
            cast(dict[str, Any], self.scope)[CLIENT] = self._client


def organisation_of(tls: ssl.SSLObject) -> str | None:
    """The organisation (O) in the subject of the client's certificate, if it showed one."""
    return _subject(tls, "organizationName")


def client_of(tls: ssl.SSLObject) -> str | None:
    """What the subject of the client's certificate calls it: `O/CN`, or the one there is."""
    names = (_subject(tls, "organizationName"), _subject(tls, "commonName"))
    return "/".join(name for name in names if name) or None


def _subject(tls: ssl.SSLObject, field: str) -> str | None:
    subject: Any = (tls.getpeercert() or {}).get("subject", ())
    names = [value for part in subject for name, value in part if name == field]
    return names[0] if names else None
