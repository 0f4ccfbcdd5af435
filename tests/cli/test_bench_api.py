"""The load generator ends in bounded time, whatever the node does."""

import asyncio
import base64
import json

from bubi.cli import bench_api
from bubi.cli.bench_api import Load

LOAD = Load(transactions=8, request=2, offered_per_second=100.0, singles=2, connections=2)
TRANSACTIONS = [bytes(10)] * LOAD.transactions


async def serve(answers):
    """A node that gives each request the next of these answers; None: it never answers."""
    left, under_way = list(answers), set()

    async def handle(reader, writer):
        under_way.add(asyncio.current_task())
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        answer = left.pop(0) if left else None
        if answer is None:
            await reader.read()
        else:
            status, document = answer
            body = json.dumps(document).encode()
            line = f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\n\r\n"
            writer.write(line.encode() + body)
            await writer.drain()
        writer.close()

    return await asyncio.start_server(handle, "127.0.0.1", 0), under_way


async def loaded(served, sending):
    """What the generator says; the node sees its connections end before the loop does."""
    server, under_way = served
    async with server:
        answers = await sending
        await asyncio.gather(*under_way, return_exceptions=True)
        return answers


def url_of(served):
    server, _under_way = served
    return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def codes(*numbers):
    data = b"".join(number.to_bytes(2, "little") for number in numbers)
    return base64.b64encode(data).decode()


def test_an_overloaded_node_is_reported_and_not_waited_for():
    async def run():
        good = {"schema": 1, "refused": [], "codes": codes(0, 65_535), "height": "1"}
        full = {"code": "pool_full", "status": 503}
        late = {"schema": 1, "refused": [], "codes": None, "height": None}
        server = await serve([(200, good), (503, full), (202, late), None])
        return await loaded(server, bench_api.send_bulk(url_of(server), TRANSACTIONS, LOAD, 5))

    answers = asyncio.run(asyncio.wait_for(run(), 60))
    assert answers.final == 1
    assert answers.others == {"skipped": 1, "pool_full": 2, "pending": 2, "unanswered": 2}
    assert answers.per_second > 0


def test_a_node_that_takes_nothing_gives_a_rate_of_zero():
    async def run():
        server = await serve([(503, {"code": "pool_full"})] * 4)
        return await loaded(server, bench_api.send_bulk(url_of(server), TRANSACTIONS, LOAD, 5))

    answers = asyncio.run(run())
    assert (answers.final, answers.per_second) == (0, 0.0)
    said = bench_api.report(answers, answers, LOAD, [1.0], 100)
    assert (said["failures"], said["not_final"]) == (16, {"pool_full": 16})


def test_singles_end_when_the_node_does_not_answer(monkeypatch):
    monkeypatch.setattr(bench_api, "SINGLES_SECONDS", 5)

    async def run():
        server = await serve([(200, {"status": "final", "code": "final"}), None])
        return await loaded(server, bench_api.send_singles(url_of(server), [b"{}"] * 3, LOAD))

    answers = asyncio.run(run())
    assert (answers.final, answers.others["unanswered"]) == (1, 2)
