"""The parts of `bubi bench network` that need no node: what is sent, how it is counted."""

import asyncio
import base64
import json
import os
from collections import Counter

import pytest
from bubi_sdk import Address, Envelope, MemorySigner, Network, TransactionBuilder
from bubi_sdk.keys import Algorithm, SecretKey
from bubi_sdk.transaction import bulk_body

from bubi.cli import bench_load, bench_network
from bubi.cli.bench_load import Plan
from bubi.cli.bench_network import Run, Usage
from bubi.cli.bench_transfers import Accounts, Template, presign

NETWORK = Network(os.urandom(32), "bubidev")
ASSET = os.urandom(32)


def test_a_template_gives_the_bytes_of_the_sdk():
    signer, target, replay = MemorySigner.generate(), Address(os.urandom(32)), os.urandom(16)
    template = Template(NETWORK, ASSET, 1_234_567)
    source = NETWORK.address(signer.public_key)
    body = template.fill(source.raw, target.raw, replay)
    signature = signer.sign(template.message(body))
    made = template.join(body, signer.public_key.raw, signature)
    builder = TransactionBuilder(NETWORK, source).id(replay).valid_until(1_234_567)
    expected = builder.transfer(ASSET, target, 1).build().sign(signer)
    assert made == expected.encoded


def test_presigned_transfers_are_signed_by_their_source_and_differ(tmp_path):
    accounts = _accounts(Accounts(NETWORK, ASSET, b"seed", 3, b"", b""))
    bodies = presign(accounts, tmp_path, 10, 4)
    data = (tmp_path / bodies.file.rpartition("/")[2]).read_bytes()
    assert bodies.transactions == 10
    assert bodies.ends[-1] == len(data)
    found = []
    for start, end, number in zip([0, *bodies.ends], bodies.ends, bodies.counts, strict=False):
        part = data[start:end]
        size = (len(part) - len(bulk_body([b""] * number))) // number
        at = 1
        for _ in range(number):
            length = part[at] & 0x7F | part[at + 1] << 7
            assert abs(length - size) < 16
            found.append(Envelope.decode(NETWORK, part[at + 2 : at + 2 + length]))
            at += 2 + length
        assert at == len(part)
    assert len({envelope.hash for envelope in found}) == 10
    for envelope in found:
        (entry,) = envelope.signed.signatures
        assert entry.key.verify(envelope.transaction.signing_bytes, entry.signature)
        assert NETWORK.address(entry.key) == envelope.transaction.body.source


def _accounts(empty):
    keys = [
        MemorySigner(SecretKey(Algorithm.ED25519, empty.secret(number))).public_key
        for number in range(empty.count)
    ]
    raw = b"".join(key.raw for key in keys)
    addresses = b"".join(NETWORK.address(key).raw for key in keys)
    return Accounts(NETWORK, ASSET, empty.seed, empty.count, raw, addresses)


async def _serve(answers):
    """A node that gives each request the next of these answers; None: it never answers."""
    left = list(answers)

    async def handle(reader, writer):
        while head := await reader.readuntil(b"\r\n\r\n"):
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            answer = left.pop(0)
            if answer is None:
                await reader.read()
                break
            status, document = answer
            body = json.dumps(document).encode()
            line = f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\n\r\n"
            writer.write(line.encode() + body)
        writer.close()

    async def quiet(reader, writer):
        try:
            await handle(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    return await asyncio.start_server(quiet, "127.0.0.1", 0)


def test_the_generator_counts_every_answer_and_ends_although_one_never_comes(tmp_path):
    file = tmp_path / "bodies"
    file.write_bytes(b"x" * 40)
    codes = b"".join(number.to_bytes(2, "little") for number in (0, 65_535))
    good = {"refused": [], "codes": base64.b64encode(codes).decode()}
    full = {"code": "pool_full"}
    late = {"refused": [], "codes": None}

    async def run():
        server = await _serve([(200, good), (503, full), (202, late), None])
        async with server:
            place = server.sockets[0].getsockname()[:2]
            plan = Plan(str(file), [10, 20, 30, 40], [2, 2, 2, 2], [place], 0.05, 0.5)
            said = await bench_load.send(plan)
            await asyncio.sleep(0.1)
            return said

    said = asyncio.run(asyncio.wait_for(run(), 60))
    assert said.final == 1
    assert [count for _, count in said.answers] == [1]
    assert said.others == Counter(skipped=1, pool_full=2, pending=2, unanswered=2)


def _usage(cpu, verified, **threads):
    names = ("bubi_store_fsyncs", "bubi_store_guard_fsyncs", "bubi_store_signatures_verified")
    metrics = dict.fromkeys(names, float(verified))
    metrics['bubi_block_phase_seconds_sum{phase="execute"}'] = cpu
    metrics['bubi_block_phase_seconds_count{phase="execute"}'] = 10.0 * cpu
    return Usage(cpu, threads, 7, verified * 100, metrics)


def test_the_report_divides_what_was_used_by_what_became_final():
    run = Run(sent=2_000, seconds=2.0, final=1_000, committed=800, blocks=4)
    run.latencies = [(0.1, 900), (0.4, 90), (2.0, 10)]
    run.before = [_usage(1.0, 0, verify=1.0), _usage(2.0, 5)]
    run.after = [_usage(1.2, 50, verify=1.1), _usage(2.2, 50)]
    fields = bench_network.report(run, 1_600.0)
    assert fields["committed_per_second"] == 400
    assert fields["ratio"] == 0.5
    assert fields["failures"] == 1_000
    assert fields["cpu_s_per_1000_nodes"] == pytest.approx(0.4)
    assert (fields["p50_ms"], fields["p95_ms"], fields["p99_ms"]) == (100.0, 400.0, 400.0)
    assert fields["signatures_verified"] == [50, 45]
    assert fields["fsyncs"] == [100, 90]
    assert fields["block_interval_ms"] == 500.0
    shown = bench_network.profile(run)
    assert shown["threads"] == {"verify": pytest.approx(0.1)}
    assert shown["phases_ms"] == {"execute": pytest.approx(100.0)}


def test_a_rate_is_sustained_only_if_nearly_all_is_final_in_time():
    run = Run(sent=100, seconds=1.0, committed=96, latencies=[(0.1, 96)])
    assert run.sustained()
    run.latencies = [(3.0, 96)]
    assert not run.sustained()
    run.latencies, run.committed = [(0.1, 90)], 90
    assert not run.sustained()
