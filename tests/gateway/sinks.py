"""A mail server and an HTTP server that keep what they get."""

import email
import email.policy
import socketserver
import threading
import time
from dataclasses import dataclass
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass(frozen=True)
class Request:
    path: str
    headers: dict[str, str]
    body: bytes


class Sink:
    """A server on a free port of loopback, in a thread, as long as the block runs."""

    def __init__(self, server: socketserver.TCPServer) -> None:
        self._server = server
        self.port = server.server_address[1]
        self.times: list[float] = []
        """When each message came, by the monotonic clock."""
        self._thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(30)


class HttpSink(Sink):
    def __init__(self) -> None:
        sink = self
        self.requests: list[Request] = []
        self.status, self.answer = 200, b"{}"
        self.headers: dict[str, str] = {}

        class Handler(BaseHTTPRequestHandler):
            def take(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                sink.times.append(time.monotonic())
                sink.requests.append(Request(self.path, dict(self.headers), body))
                self.send_response(sink.status)
                self.send_header("Content-Length", str(len(sink.answer)))
                for name, value in sink.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(sink.answer)

            do_GET = do_POST = take  # noqa: N815

            def log_message(self, *_: Any) -> None:
                pass

        super().__init__(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        self.url = f"http://127.0.0.1:{self.port}"


class _MailServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


class MailSink(Sink):
    """Speaks as much SMTP (RFC 5321) as a client needs to hand in a message."""

    def __init__(self) -> None:
        sink = self
        self.mails: list[EmailMessage] = []

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self.say("220 sink")
                while line := self.rfile.readline():
                    verb = line[:4].upper()
                    if verb == b"DATA":
                        self.say("354 go on")
                        taken = self.mail()
                        sink.times.append(time.monotonic())
                        sink.mails.append(taken)
                    self.say("221 bye" if verb == b"QUIT" else "250 ok")
                    if verb == b"QUIT":
                        return

            def mail(self) -> EmailMessage:
                lines = []
                while (line := self.rfile.readline()) not in {b".\r\n", b""}:
                    lines.append(line.removeprefix(b"."))
                found = email.message_from_bytes(b"".join(lines), policy=email.policy.default)
                assert isinstance(found, EmailMessage)
                return found

            def say(self, text: str) -> None:
                self.wfile.write(text.encode() + b"\r\n")

        super().__init__(_MailServer(("127.0.0.1", 0), Handler))
