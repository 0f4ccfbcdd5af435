"""A gateway without a node, asked in this process."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from bubi.gateway import config, sandbox
from bubi.gateway.access import Role
from bubi.gateway.accounts.passwords import hashed
from bubi.gateway.accounts.service import Accounts
from bubi.gateway.app import PREFIX, build, document
from bubi.gateway.monitoring.assembly import watch
from bubi.gateway.monitoring.poller import Poller
from bubi.gateway.node import Node
from bubi.gateway.service import Gateway
from bubi.gateway.stream import News
from tests.gateway.described import Interface

PASSWORD = "correct horse battery"
PORT = 8700


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000_000

    def __call__(self) -> int:
        return self.now


class World:
    """A gateway whose node does not answer, with a clock that stands still."""

    def __init__(self, folder: Path, **sections: Any) -> None:
        sections = {
            "gateway": {"data": str(folder), "port": PORT},
            "node": {"url": "http://127.0.0.1:1"},
            "monitoring": {
                "nodes": ["node1=http://127.0.0.1:1"],
                "operators": ["node1=http://127.0.0.1:1"],
            },
            **sections,
        }
        settings = config.parse(sections, folder)
        self.clock = Clock()
        self.gateway = Gateway(settings, Node(settings.node), News())
        watch(self.gateway)
        accounts = self.gateway.sessions
        assert isinstance(accounts, Accounts)
        self.accounts = accounts
        self.accounts.clock = self.gateway.clock = self.clock
        monitor = self.gateway.monitor
        assert monitor is not None
        self.monitor = monitor
        self.monitor.clock = self.monitor.alarms._clock = self.clock
        self.monitor.poller = Poller([one.target for one in monitor.poller.nodes.values()],
                                     clock=self.clock)  # fmt: skip
        self.app: FastAPI = build(self.gateway, [sandbox.router])
        self.interface = Interface(document(self.app))

    def visitor(self) -> "Visitor":
        return Visitor(self)

    def user(self, role: Role, name: str = "") -> "Visitor":
        """Somebody of a role who is logged in by a link."""
        name = name or role.name.lower()
        if self.accounts.records.user(name) is None:
            self.accounts.records.add_user(name, role.name.lower(), None, self.clock())
        token, _ = self.accounts.records.make_link(name, self.clock())
        visitor = self.visitor()
        answer = visitor.ask("POST", "/session/link", {"token": token})
        assert answer.status_code == 200, answer.text
        visitor.csrf = answer.json()["csrf"]
        return visitor

    def add_user(self, name: str, role: Role, password: str = PASSWORD) -> None:
        records = self.accounts.records
        records.add_user(name, role.name.lower(), hashed(password), self.clock())


class Visitor:
    """A browser: keeps cookies, sends the token where there is one."""

    def __init__(self, world: World) -> None:
        self.app = world.app
        self.interface = world.interface
        self.cookies = httpx.Cookies()
        self.csrf: str | None = None
        self.address = "127.0.0.1"

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        if self.csrf is not None:
            headers.setdefault("Bubi-Csrf", self.csrf)

        async def work() -> httpx.Response:
            transport = httpx.ASGITransport(
                self.app, raise_app_exceptions=False, client=(self.address, 1)
            )
            url = "http://testserver/api/v1"
            async with httpx.AsyncClient(transport=transport, cookies=self.cookies) as client:
                answer = await client.request(method, url + path, json=body, headers=headers)
                self.cookies = client.cookies
                return answer

        answer = asyncio.run(work())
        described = path.partition("?")[0] != "/openapi.json"
        if described and answer.headers.get("content-type") == "application/json":
            place = PREFIX + path.partition("?")[0]
            self.interface.check(method, place, answer.status_code, answer.json())
        return answer

    def log_in(self, name: str, password: str = PASSWORD) -> Any:
        answer = self.ask("POST", "/session", {"name": name, "password": password})
        if answer.status_code == 200:
            self.csrf = answer.json()["csrf"]
        return answer


def code(answer: Any) -> str:
    """The code of a problem."""
    return str(answer.json()["code"])
