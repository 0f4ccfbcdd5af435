"""Which organisation a client of the API belongs to, by the certificate that it shows."""

import asyncio
import socket
import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from bubi.node.api.certified import ORGANISATION, CertifiedProtocol
from bubi.node.monitoring.clients import CLIENT
from tests.network.world import Organisation

PATIENCE = 60.0


async def told(scope: dict[str, Any], _receive: Any, send: Any) -> None:
    """Answers with the organisation and the name of the client."""
    body = "; ".join((scope.get(ORGANISATION) or "-", scope.get(CLIENT) or "-")).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


def listener() -> socket.socket:
    made = socket.socket()
    made.bind(("127.0.0.1", 0))
    made.listen()
    return made


async def ask(config: uvicorn.Config, contexts: list[ssl.SSLContext | None]) -> list[str]:
    """What each client is told, twice over its connection."""
    place = listener()
    port = place.getsockname()[1]
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[place]))
    try:
        answers = []
        for context in contexts:
            scheme, verify = ("http", False) if context is None else ("https", context)
            base = f"{scheme}://127.0.0.1:{port}"
            async with httpx.AsyncClient(
                base_url=base, verify=verify, timeout=PATIENCE, trust_env=False
            ) as client:
                answers += [(await client.get("/")).text for _ in range(2)]
        return answers
    finally:
        server.should_exit = True
        await serving
        place.close()


def client_of(organisation: Organisation, folder: Path, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.load_cert_chain(*organisation.issue(folder, name))
    return context


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_each_request_knows_the_organisation_of_its_certificate(tmp_path: Path, loop: str) -> None:
    alpha, beta = Organisation("Alpha Bank"), Organisation("贝塔")
    authority = tmp_path / "authorities.pem"
    pem = [ssl.DER_cert_to_PEM_cert(one.certificate) for one in (alpha, beta)]
    authority.write_text("".join(pem))
    certificate, key = alpha.issue(tmp_path, "server")
    config = uvicorn.Config(
        told, http=CertifiedProtocol, ws="none", lifespan="off", log_config=None,
        ssl_certfile=str(certificate), ssl_keyfile=str(key), ssl_ca_certs=str(authority),
        ssl_cert_reqs=ssl.CERT_REQUIRED,
    )  # fmt: skip
    clients = [client_of(alpha, tmp_path, "one"), client_of(beta, tmp_path, "other")]
    factory: Any = asyncio.new_event_loop
    if loop == "uvloop":
        factory = pytest.importorskip("uvloop").new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        answers = runner.run(ask(config, [*clients]))
    alpha_one, beta_other = "Alpha Bank; Alpha Bank/one", "贝塔; 贝塔/other"
    assert answers == [alpha_one, alpha_one, beta_other, beta_other]


def test_without_tls_there_is_no_organisation() -> None:
    config = uvicorn.Config(
        told, http=CertifiedProtocol, ws="none", lifespan="off", log_config=None
    )
    assert asyncio.run(ask(config, [None])) == ["-; -", "-; -"]
