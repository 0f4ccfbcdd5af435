"""What follows the node ends when it is asked to, whatever the node does."""

import json
import threading
from collections import deque
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy import Engine

from bubi.gateway.config import NodeSection
from bubi.gateway.follow import Index
from bubi.gateway.index import database
from bubi.gateway.index.follower import Follower, State
from bubi.gateway.index.writer import Progress

from ..model.generator import PROFILES
from .ledgers import Ledger
from .sinks import Sink

PATIENCE = 60.0


class HangingNode(Sink):
    """A node that never answers one of its routes."""

    def __init__(self, silent: str) -> None:
        ledger = Ledger(3, PROFILES[0])
        chain_id = ledger.chain.chain_id.hex()
        network = {"chain_id": chain_id, "prefix": ledger.chain.prefix, "suite": "standard"}
        answers = {"/v1/network": json.dumps(network).encode(), "/v1/genesis": ledger.genesis}
        self.asked, self.over = threading.Event(), threading.Event()
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                if path == silent:
                    sink.asked.set()
                    sink.over.wait()
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(answers[path])))
                self.end_headers()
                self.wfile.write(answers[path])

            def log_message(self, *_: Any) -> None:
                pass

        super().__init__(ThreadingHTTPServer(("127.0.0.1", 0), Handler))

    def __exit__(self, *error: object) -> None:
        self.over.set()
        super().__exit__(*error)


@pytest.fixture(params=["/v1/network", "/v1/blocks/export"])
def node(request: pytest.FixtureRequest) -> Iterator[HangingNode]:
    with HangingNode(request.param) as made:
        yield made


def test_it_does_not_wait_for_a_node_that_does_not_answer(
    node: HangingNode, tmp_path: Path
) -> None:
    engine = database.connect(tmp_path / "index.sqlite")
    url = f"http://127.0.0.1:{node.port}"
    follower = Follower(engine, NodeSection(url, None, None, None), tmp_path)
    failed: list[BaseException] = []

    def work() -> None:
        try:
            follower.follow(lambda _progress: None)
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert node.asked.wait(PATIENCE)
        follower.stop()
        # Less than the node's answer is waited for: it would come when the test is over.
        thread.join(PATIENCE / 2)
        assert not thread.is_alive()
        assert failed == []
    finally:
        node.over.set()
        thread.join(PATIENCE)
        engine.dispose()


def test_what_is_caught_up_says_nothing_of_finality() -> None:
    state, delays = State(), deque[int]()
    gateway: Any = SimpleNamespace(
        follower=SimpleNamespace(state=state),
        delays=delays,
        news=SimpleNamespace(tell=lambda *_, **__: None),
    )
    index = Index(gateway, cast("Engine", None))

    def come(height: int, node_height: int) -> int:
        """A group of blocks; how many times are known then."""
        state.node_height = node_height
        index._announce(Progress("00", height, 0, b"", 0, 0, 0, 0, 0, 0))
        return len(delays)

    assert come(4, 10) == 0
    assert come(10, 10) == 0
    assert come(11, 11) == 1
    state.pauses += 1
    assert come(15, 15) == 1
    assert come(16, 16) == 2
    assert come(17, 18) == 2
    assert come(18, 18) == 2
