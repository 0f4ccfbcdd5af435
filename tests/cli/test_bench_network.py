"""The parts of `bubi bench network` that need no node: what is sent, how it is counted."""

import asyncio
import base64
import json
import os
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from bubi_sdk import Address, Envelope, MemorySigner, Network, TransactionBuilder
from bubi_sdk import operations as ops

from bubi import core
from bubi.cli import bench_network, bench_network_run
from bubi.cli.bench_accounts import WORKLOADS, Accounts, Table, opening
from bubi.cli.bench_load import Generator, Reply, Segment
from bubi.cli.bench_network import AFTER, LOAD, Phase, Run, Usage
from bubi.cli.bench_relay import _Front
from bubi.cli.bench_sampling import Sample, growth, slope, summary, thinned
from bubi.cli.bench_template import Template
from bubi.cli.bench_workloads import Zipf, presign, zeta
from bubi.cli.output import Failure

NETWORK = Network(os.urandom(32), "bubidev")
ASSET = os.urandom(32)
COUNT = 5


def envelopes(body, skip=1):
    """The transactions of a bulk body of less than 128, the number before them left out."""
    at, found = skip, []
    while at < len(body):
        length = shift = 0
        while True:
            byte = body[at]
            length |= (byte & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if byte < 0x80:
                break
        found.append(Envelope.decode(NETWORK, body[at : at + length]))
        at += length
    return found


def accounts_of(workload, folder, count=COUNT):
    table = folder / f"table-{workload}"
    accounts = Accounts(NETWORK, workload, os.urandom(32), os.urandom(16), count, str(table))
    body, number, rows = opening(accounts, 0, count)
    table.write_bytes(rows)
    return accounts, body, number


def check_signatures(envelope):
    for entry in envelope.signed.signatures:
        assert entry.key.verify(envelope.transaction.signing_bytes, entry.signature)


def test_a_template_gives_the_bytes_of_the_sdk():
    first, second = sorted(
        (MemorySigner.generate() for _ in range(2)), key=lambda one: one.public_key
    )
    keys = {
        one: core.SigningKey.from_bytes(0, one.secret_key.secret_bytes) for one in (first, second)
    }
    marker, target, replay = Address(os.urandom(32)), Address(os.urandom(32)), os.urandom(16)

    def transfer(to):
        builder = TransactionBuilder(NETWORK, first.public_key).id(replay).valid_until(1_234_567)
        return builder.transfer(ASSET, to, 1).build()

    template = Template(
        transfer(marker).sign(MemorySigner.generate(), MemorySigner.generate()), [marker.raw]
    )
    signers = [(one.public_key.raw, keys[one]) for one in (second, first)]
    made = template.sign(template.fill([target.raw]), signers)
    assert made == transfer(target).sign(first, second).encoded
    with pytest.raises(ValueError, match="as long as"):
        template.fill([b"short"])
    with pytest.raises(ValueError, match="exactly once"):
        Template(transfer(marker).sign(first), [os.urandom(32)])


@pytest.mark.parametrize("workload", WORKLOADS)
def test_accounts_are_opened_as_their_workload_needs_them(workload, tmp_path):
    accounts, body, number = accounts_of(workload, tmp_path, 120)
    made = envelopes(body)
    table = Table(accounts)
    assert len(made) == number
    opened = []
    for envelope in made:
        check_signatures(envelope)
        assert len(envelope.transaction.body.operations) <= 100
        signed = {entry.key for entry in envelope.signed.signatures}
        issued = Counter()
        for operation in envelope.transaction.body.operations:
            if isinstance(operation.body, ops.CreateAccount):
                opened.append(operation.body)
                # Only its own key may say that others act for it.
                assert (operation.body.target.key in signed) == (workload == "multisig")
            else:
                assert operation.body.asset in {accounts.asset, accounts.savings}
                issued[operation.body.to] += 1
        each = {"record": 0, "smallbank": 2}.get(workload, 1)
        assert set(issued.values()) <= {each}
    assert [NETWORK.address(one.target.key).raw for one in opened] == [
        table.address(place) for place in range(120)
    ]
    for place, one in enumerate(opened):
        several = {entry.key.raw for entry in one.signers}
        assert several == (
            {table.key(place, key) for key in range(3)} if workload == "multisig" else set()
        )


KINDS = {
    "transfer": {("Transfer",): 1},
    "issue": {("Issue",): 1},
    "record": {("PutRecord",): 1},
    "multisig": {("Transfer",): 2},
    "smallbank": {("Transfer",): 1, ("Issue",): 1, ("Burn",): 1, ("Burn", "Issue"): 2},
}
"""Operations of the transactions of a workload, and how many sign them."""


@pytest.mark.parametrize("workload", WORKLOADS)
def test_presigned_transactions_are_those_of_their_workload(workload, tmp_path):
    accounts, _, _ = accounts_of(workload, tmp_path)
    with ThreadPoolExecutor(2) as workers:
        segments = presign(workers, accounts, tmp_path, 130, 40)
    table = Table(accounts)
    owners = {table.address(place) for place in range(COUNT)}
    issuer = NETWORK.address(accounts.issuer_key).raw
    found = []
    for segment in segments:
        data = (tmp_path / segment.file.rpartition("/")[2]).read_bytes()
        assert segment.ends[-1] == len(data)
        for start, end, number in zip(
            [0, *segment.ends], segment.ends, segment.counts, strict=False
        ):
            part = envelopes(data[start:end])
            assert len(part) == number <= 40
            found += part
    assert len({envelope.hash for envelope in found}) == len(found) == 130
    kinds = set()
    for envelope in found:
        check_signatures(envelope)
        body = envelope.transaction.body
        kind = tuple(type(operation.body).__name__ for operation in body.operations)
        kinds.add(kind)
        assert len(envelope.signed.signatures) == KINDS[workload][kind]
        assert body.source.raw in owners | {issuer}
        for operation in body.operations:
            one = operation.body
            if isinstance(one, ops.PutRecord):
                assert len(one.content.bytes) == 200
                assert one.digest == ops.Digest.of(one.content.bytes)
            else:
                assert 1 <= one.amount <= 200
                assert getattr(one, "to", None) != body.source
    assert kinds == set(KINDS[workload])


def test_zipf_draws_the_first_most_often_and_none_outside():
    assert zeta(30_000, 0.99) == pytest.approx(sum(k**-0.99 for k in range(1, 30_001)))
    draw = Zipf(1_000, 0.99, random.Random(7))
    seen = Counter(draw.draw() for _ in range(50_000))
    assert set(seen) <= set(range(1_000))
    expected = 50_000 / zeta(1_000, 0.99)
    assert seen[0] == pytest.approx(expected, rel=0.05)
    assert seen[1] == pytest.approx(expected / 2**0.99, rel=0.08)
    assert sum(seen[one] for one in range(100)) > sum(seen[one] for one in range(100, 1_000))


async def _serve(answers):
    """A node that gives each request the next of these answers; None: it never answers."""
    left, under_way = list(answers), set()

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
        under_way.add(asyncio.current_task())
        try:
            await handle(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    return await asyncio.start_server(quiet, "127.0.0.1", 0), under_way


def test_the_generator_counts_every_answer_and_ends_although_one_never_comes(tmp_path):
    codes = b"".join(number.to_bytes(2, "little") for number in (0, 65_535))
    good = {"refused": [], "codes": base64.b64encode(codes).decode()}
    full = {"code": "pool_full"}
    late = {"refused": [], "codes": None}

    async def segments():
        for name, phase, bodies in (("one", LOAD, 3), ("two", AFTER, 1)):
            file = tmp_path / name
            file.write_bytes(b"x" * 10 * bodies)
            ends = [10 * (one + 1) for one in range(bodies)]
            yield Segment(str(file), ends, [2] * bodies, 0.05, phase)

    async def run():
        server, under_way = await _serve([(200, good), (503, full), (202, late), None])
        async with server:
            place = server.sockets[0].getsockname()[:2]
            said = await Generator([place], 4.0).send(segments())
            # The node sees its connections end before the loop does.
            await asyncio.gather(*under_way)
            return said

    said = asyncio.run(asyncio.wait_for(run(), 60))
    assert sorted((one.phase, round(one.due, 2), one.final) for one in said.replies) == [
        (AFTER, 0.15, 0),
        (LOAD, 0.0, 1),
        (LOAD, 0.05, 0),
        (LOAD, 0.1, 0),
    ]
    assert sum(one.seconds is not None for one in said.replies) == 1
    told = json.loads(json.dumps(said.document(1.5)))
    assert told["others"] == {
        LOAD: {"skipped": 1, "pool_full": 2, "pending": 2},
        AFTER: {"unanswered": 2},
    }
    assert [Reply(**one) for one in told["replies"]] == said.replies
    assert told["cpu_seconds"] == 1.5
    assert not list(tmp_path.iterdir())


def test_the_relay_passes_all_on_in_order_and_late():
    sent = os.urandom(300_000)

    async def run():
        ended = asyncio.Event()

        async def echo(reader, writer):
            while data := await reader.read(10_000):
                writer.write(data)
            writer.close()
            await writer.wait_closed()
            ended.set()

        loop = asyncio.get_running_loop()
        far = await asyncio.start_server(echo, "127.0.0.1", 0)
        target = far.sockets[0].getsockname()[1]
        relay = await loop.create_server(lambda: _Front(0.05, target), "127.0.0.1", 0)
        async with far, relay:
            port = relay.sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            began = loop.time()
            writer.write(sent)
            got = await reader.readexactly(len(sent))
            took = loop.time() - began
            writer.close()
            # The end is passed on as well.
            await ended.wait()
            far.close()
            await far.wait_closed()
            # Nobody listens behind it any more: the connection is closed in front as well.
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()
            return got, took

    got, took = asyncio.run(asyncio.wait_for(run(), 60))
    assert got == sent
    assert took >= 0.1


def _usage(cpu, verified, **threads):
    names = (
        "bubi_store_fsyncs",
        "bubi_store_guard_fsyncs",
        "bubi_store_signatures_verified",
        "bubi_view_changes_total",
    )
    metrics = dict.fromkeys(names, float(verified))
    metrics['bubi_block_phase_seconds_sum{phase="execute"}'] = cpu
    metrics['bubi_block_phase_seconds_count{phase="execute"}'] = 10.0 * cpu
    return Usage(cpu, threads, 7, verified * 100, metrics)


def test_the_report_divides_what_was_used_by_what_became_final():
    run = Run(sent=2_000, seconds=2.0, final=1_000, committed=800, blocks=4, heights=5)
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
    assert fields["fsyncs_per_block"] == 19.0
    assert fields["view_changes"] == 95
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


def test_after_an_overload_all_is_normal_from_the_first_reply_in_time_that_no_late_one_follows():
    def replies(*seconds):
        return [Reply(AFTER, 10.0 + place, took, 5, 5) for place, took in enumerate(seconds)]

    run = Run(sent=1, seconds=1.0, after_load=replies(0.2, 3.0, 0.3, 0.4))
    assert run.normal_after() == 2.0
    run.after_load = replies(0.2, 0.3)
    assert run.normal_after() == 0.0
    run.after_load = replies(0.2, None)
    assert run.normal_after() is None
    run.after_load = [*replies(0.2), Reply(AFTER, 12.0, 0.1, 4, 5), Reply(AFTER, 13.0, 0.1, 5, 5)]
    assert run.normal_after() == 3.0
    fields = bench_network_run.overload_fields(5.0, 2_000.0, [run])
    assert (fields["goodput_ratio"], fields["normal_after_seconds"]) == (0.0, 3.0)


def test_an_overload_tells_the_memory_of_its_worst_run_and_every_view_change():
    def run(committed, before, peak, views):
        one = Run(sent=1, seconds=1.0, committed=committed)
        one.before = [replace(_usage(1.0, 3), rss=before), replace(_usage(1.0, 3), rss=100)]
        one.after = [_usage(2.0, 3 + views), _usage(2.0, 3)]
        one.peaks = [peak, 100]
        return one

    runs = [run(80, 100, 150, 0), run(100, 200, 340, 2), run(90, 50, 60, 1)]
    fields = bench_network_run.overload_fields(5.0, 100.0, runs)
    assert (fields["goodput_ratio"], fields["goodput_ratio_spread"]) == (0.9, [0.8, 1.0])
    assert fields["view_changes"] == 3
    assert fields["rss_before_bytes"] == [200, 100]
    assert fields["rss_peak_bytes"] == [340, 100]
    assert fields["rss_after_bytes"] == [7, 7]
    assert fields["rss_peak_ratio"] == 1.7
    assert fields["normal_after_seconds"] is None
    # After a warm-up, before is what was seen last when the overload began.
    runs[1].from_ms = 5_000.0
    runs[1].samples = [Sample(at, (rss, rss)) for at, rss in ((0, 50), (4_000, 170), (6_000, 900))]
    fields = bench_network_run.overload_fields(5.0, 100.0, runs[1:2])
    assert (fields["rss_before_bytes"], fields["rss_peak_ratio"]) == ([170, 170], 2.0)


def test_growth_is_the_slope_of_the_samples_within_the_window():
    samples = [Sample(minute * 60_000, (1_000 + minute, 500, 0)) for minute in range(0, 120, 10)]
    samples.insert(0, Sample(-60_000, (9_000, 9_000, 0)))
    grown = growth(samples, 0, 7_200_000)
    assert grown == [pytest.approx(60 / 1_055 * 100, abs=0.001), 0.0, 0.0]
    assert growth(samples, 9_000_000, 9_100_000) == []
    assert slope([(1.0, 5.0)]) == 0.0
    many = [Sample(one * 1_000, (one,)) for one in range(1_000)]
    shown = thinned(many, 10_000)
    assert len(shown) <= 60
    assert shown[0] == [-10.0, 0]


def test_several_runs_count_by_their_medians():
    def fields(rate, p99):
        names = bench_network_run.bench_sampling.SPREAD
        found = dict.fromkeys(names, 1.0)
        return found | {
            "committed_per_second": rate,
            "p99_ms": p99,
            "roots_equal": rate != 30,
            "sustained": True,
            "not_final": {"code": rate},
        }

    found = summary([fields(10, 5.0), fields(30, 1.0), fields(20, 9.0)])
    assert (found["committed_per_second"], found["p99_ms"], found["repeat"]) == (20, 5.0, 3)
    assert found["spread"]["committed_per_second"] == [10, 30]
    assert found["spread"]["p99_ms"] == [1.0, 9.0]
    assert found["not_final"] == {"code": 20}
    assert (found["roots_equal"], found["sustained"]) == (False, True)
    assert "spread" not in summary([fields(10, 5.0)])


def test_pieces_of_a_phase_are_together_what_it_promises():
    phases = [
        Phase(LOAD, 10_567.7, 60, 250),
        Phase(AFTER, 1.0, 0.3, 1),
        Phase(AFTER, 33.3, 100, 1),
    ]
    for phase in phases:
        found = list(bench_network.pieces([phase]))
        assert sum(count for _, count in found) == phase.transactions
        assert sum(piece.seconds for piece, _ in found) == pytest.approx(phase.seconds)


def test_a_long_run_is_signed_in_pieces_while_it_is_sent():
    asked = []

    def sign(count, request):
        asked.append((count, request))
        return []

    short = bench_network._Chunks(sign, [Phase(LOAD, 100, 70, 10)])
    assert short.first() == []
    assert asked == [(3_000, 10), (3_000, 10), (1_000, 10)]
    assert list(short.others()) == []
    asked.clear()
    long = bench_network._Chunks(sign, [Phase("warm-up", 10, 300, 1), Phase(LOAD, 20, 200, 2)])
    long.first()
    assert asked == [(300, 1), (300, 1)]
    assert bench_network.request_size(100, None) == 2
    assert bench_network.request_size(100_000, None) == 250
    assert bench_network.request_size(100_000, 7) == 7


@pytest.mark.parametrize(("text", "seconds"), [("20ms", 0.02), ("1.5s", 1.5), ("10s", 10.0)])
def test_a_delay_has_a_unit(text, seconds):
    assert bench_network_run.seconds_of(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["20", "ms", "-1ms", "0s", "11s", "nanms", "1m"])
def test_a_delay_that_is_none_is_refused(text):
    with pytest.raises(Failure):
        bench_network_run.seconds_of(text)


def test_a_disk_that_is_too_small_is_refused_before(tmp_path):
    bench_network_run.check_disk(tmp_path, 1)
    with pytest.raises(Failure) as failure:
        bench_network_run.check_disk(tmp_path, 10**18)
    assert failure.value.code == "disk_too_small"
