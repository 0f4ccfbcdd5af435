"""The operator listener of a real node, on loopback and with mutual TLS."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from bubi.node.certificates import issue, make_authority
from tests.ports import free_port

from .nodes import RunningNode, make_node


def ask(url: str, context: ssl.SSLContext | None = None) -> httpx.Response:
    """An answer of a node that may be busy."""
    return httpx.get(url, timeout=60, verify=context or True, trust_env=False)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[tuple[RunningNode, str]]:
    running = make_node(tmp_path / "n")
    port = free_port()
    with running.made.config.open("a", encoding="utf-8") as file:
        file.write(f"\n[operator]\nport = {port}\n")
    try:
        running.start()
        yield running, f"http://127.0.0.1:{port}"
    finally:
        running.client.close()
        if running.process is not None:
            running.stop()


def test_the_machine_and_the_log_are_shown_to_the_operator_only(
    watched: tuple[RunningNode, str],
) -> None:
    node, operator = watched
    host = ask(f"{operator}/v1/host").json()
    assert int(host["memory_total"]) > int(host["memory_available"]) > 0
    lines = ask(f"{operator}/v1/logs?contains=listening").json()["items"]
    assert [line["part"] for line in lines] == ["bubi.node"]
    assert ask(f"{operator}/v1/queues").json()["items"] == []
    ours, public = ask(f"{operator}/metrics").text, node.client.get("/metrics").text
    assert "bubi_host_memory_bytes" in ours
    assert "bubi_host_" not in public
    assert "bubi_process_" not in public
    for name in ("bubi_height 0.0", "bubi_quorum_margin 0.0", "bubi_api_requests_total"):
        assert name in public
        assert name in ours
    for path in ("/v1/host", "/v1/logs", "/v1/queues"):
        assert node.client.get(path).status_code == 404


@pytest.mark.parametrize(
    "query", ["level=loud", "limit=0", "limit=1001", "colour=red", "before=x", "after=-1"]
)
def test_questions_that_make_no_sense_are_refused(
    watched: tuple[RunningNode, str], query: str
) -> None:
    answer = ask(f"{watched[1]}/v1/logs?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "parameter_invalid")


def test_elsewhere_it_demands_a_certificate(tmp_path: Path) -> None:
    authority = make_authority(tmp_path / "authority", "Example Bank")
    for name in ("server", "client"):
        (tmp_path / name).mkdir()
        issue(tmp_path / name, authority, name)
    running = make_node(tmp_path / "n")
    port = free_port()
    with running.made.config.open("a", encoding="utf-8") as file:
        file.write(
            f'\n[operator]\nport = {port}\ntls_certificate = "{tmp_path}/server/cert.pem"\n'
            f'tls_key = "{tmp_path}/server/key.pem"\n'
            f'client_authority = "{tmp_path}/authority/cert.pem"\n'
        )
    url = f"https://127.0.0.1:{port}/v1/host"
    try:
        running.start()
        context = ssl.create_default_context(cafile=str(tmp_path / "authority" / "cert.pem"))
        context.check_hostname = False
        with pytest.raises(httpx.HTTPError):
            ask(url, context)
        context.load_cert_chain(tmp_path / "client" / "cert.pem", tmp_path / "client" / "key.pem")
        assert ask(url, context).json()["cores"] >= 1
    finally:
        running.client.close()
        if running.process is not None:
            running.stop()
