"""A gateway in a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.gateway.described import Interface
from tests.ports import free_port

PATIENCE = 240.0


class RunningGateway:
    """The process, its folder and a client."""

    def __init__(
        self,
        folder: Path,
        node: str,
        *,
        database: str | None = None,
        public: bool = True,
        more: str = "",
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        port = free_port()
        self.folder = folder
        self.url = f"http://127.0.0.1:{port}"
        where = f"\n[index]\ndatabase = {json.dumps(database)}\n" if database else ""
        self.config = folder / "config.toml"
        self.config.write_text(
            f"[gateway]\nport = {port}\n\n[node]\nurl = {json.dumps(node)}\n{where}\n"
            f"[explorer]\npublic = {json.dumps(public)}\nrequests = 1_000_000\n{more}"
        )
        self.client = httpx.Client(base_url=self.url, timeout=120)
        self.process: subprocess.Popen[bytes] | None = None
        self._interface: Interface | None = None

    @property
    def log(self) -> str:
        return (self.folder / "log.txt").read_text()

    def start(self, *, ready: bool = True) -> None:
        with (self.folder / "log.txt").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "bubi", "gateway", "run", str(self.config)],
                stdout=log,
                stderr=log,
            )
        if ready:
            self.until(lambda: self.health().get("status") == "ready")

    def health(self) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = self.client.get("/health").json()
        except httpx.TransportError:
            return {}
        return answer

    def until(self, holds: Any) -> None:
        ends = time.monotonic() + PATIENCE
        while not holds():
            assert self.process is not None
            assert self.process.poll() is None, self.log
            if time.monotonic() > ends:
                pytest.fail(f"it did not happen; health {self.health()}\n{self.log[-5_000:]}")
            time.sleep(0.05)

    def reach(self, height: int) -> None:
        """Waits until the index has a block."""
        self.until(lambda: int(self.health().get("height", 0)) >= height)

    def get(self, path: str, status: int = 200, **query: Any) -> Any:
        answer = self.client.get(f"/api/v1{path}", params=query or None)
        assert answer.status_code == status, answer.text
        if status == 200:
            place = answer.request.url.raw_path.decode().partition("?")[0]
            self.interface.check("GET", place, status, answer.json())
        return answer.json()

    @property
    def interface(self) -> Interface:
        """How it describes itself."""
        if self._interface is None:
            self._interface = Interface(self.client.get("/api/v1/openapi.json").json())
        return self._interface

    def kill(self) -> None:
        if self.process is not None:
            os.kill(self.process.pid, signal.SIGKILL)
            self.process.wait(120)
            self.process = None

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        status = self.process.wait(120)
        self.process = None
        return status

    def close(self) -> None:
        self.kill()
        self.client.close()
