"""The ledger behind the calls of CometBFT, its messages, and its light blocks."""

import asyncio
import base64
import functools
import json
import random
import secrets
import tempfile
import tomllib
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from bubi_sdk import comet as light
from bubi_sdk.network import Trust
from bubi_sdk.proof import FinalityProof, verify_finality
from bubi_sdk.state import ValidatorSet

from bubi import core
from bubi.cli.home import Home
from bubi.cli.network import create_development
from bubi.cli.output import Failure
from bubi.comet import abci, home, payload
from bubi.comet.application import Application, ApplicationError, DivergedError, Rules
from bubi.comet.protobuf import (
    Fields,
    ProtobufError,
    bytes_field,
    inside_field,
    number_field,
    varint,
)
from bubi.comet.rpc import light_block_json
from bubi.comet.server import Server
from bubi.ledger import LedgerView
from bubi.network.addresses import Address
from bubi.node import ceremony, config, tolerance
from bubi.node.files import key_json
from bubi.node.init import Validator, make_genesis
from bubi.node.trust import trust_document

START = 1_700_000_000_000
WEIGHTS = (1, 3, 1, 1)


def in_a_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @functools.wraps(test)
    def run(*arguments: Any, **named: Any) -> None:
        asyncio.run(test(*arguments, **named))

    return run


class Direct:
    """Calls the core where it stands."""

    async def admit(self, work: Callable[[], Any]) -> Any:
        return work()

    execute = write = admit


class World:
    """A ledger with four validators, and a driver that plays CometBFT."""

    def __init__(self, folder: Path, engine: str = "cometbft") -> None:
        self.folder = folder
        made = [core.SigningKey.generate(0, secrets.token_bytes(32)) for _ in WEIGHTS]
        self.keys = made
        self.user = core.SigningKey.generate(0, secrets.token_bytes(32))
        self.genesis = make_genesis(
            network="test",
            kind="development",
            suite="standard",
            parameters={},
            accounts=[self.user.public_key],
            engine=engine,
            validators=[
                Validator(f"v{place}", f"o{place}", key.public_key, weight)
                for place, (key, weight) in enumerate(zip(made, WEIGHTS, strict=True))
            ],
            organisations=[],
            time=START,
        )
        self.now = START + 60_000
        self.calls: list[str] = []
        self.number = 0
        self.open()

    def open(self) -> None:
        self.chain = core.Chain.open(str(self.folder), self.genesis)
        view = LedgerView(self.chain, self.keys[0].public_key)
        rules = Rules(
            lambda: self.now,
            view.limits,
            lambda: view.clock_tolerance_ms,
            lambda: [(one.key, one.weight) for one in view.configuration().members],
        )
        self.application = Application(
            self.chain,
            Direct(),
            rules,
            lambda _: None,
            lambda name, height: self.calls.append(f"{name} {height}"),
        )

    def reopen(self) -> None:
        self.chain.close()
        del self.chain, self.application
        self.open()

    def batch(
        self, *names: str, author: int = 0, until: int | None = None, lane: int | None = None
    ) -> bytes:
        """A batch with one transaction for each name, as a transaction of CometBFT."""
        return payload.encode_batch(
            *self.made_batch(*names, author=author, until=until, lane=lane)
        )

    def made_batch(
        self, *names: str, author: int = 0, until: int | None = None, lane: int | None = None
    ) -> tuple[bytes, bytes]:
        signed = [self.transaction(name, until or self.now + 60_000, lane) for name in names]
        admission = self.chain.admit(core.bulk_body(signed), self.now)
        assert len(admission) == len(names), admission.verdicts
        self.number += 1
        batch = self.chain.batch([admission], self.number, self.keys[author])
        return batch.header, batch.body

    def transaction(self, name: str, until: int, lane: int | None = None) -> bytes:
        identity = {"id": secrets.token_hex(16)}
        sequence = {"sequence": {"lane": lane, "number": "0"}}
        owner = core.address_to_text("bubidev", core.key_address(0, self.user.public_key))
        operation = {"set_data": {"name": name, "value": "00", "expected_version": None}}
        body = {
            "v1": {
                "source": owner,
                "replay": identity if lane is None else sequence,
                "valid_until": str(until),
                "preconditions": [],
                "memo": "",
                "operations": [{"source": None, "body": operation}],
            }
        }
        encoded = core.body_from_json("bubidev", json.dumps(body).encode())
        signature = self.user.sign(core.signing_bytes(self.chain.chain_id, encoded)).hex()
        entry = {"key": key_json(self.user.public_key), "signature": signature}
        document = {"v1": {"body": body, "signatures": [entry]}}
        return core.transaction_from_json("bubidev", json.dumps(document).encode())

    async def call(self, name: str, message: bytes = b"") -> Fields:
        request = abci.Request(name, Fields(message))
        return Fields(await self.application.handle(request))

    def init_chain(self, **changed: Any) -> bytes:
        name = changed.get("name", core.comet_chain_name(self.chain.chain_id))
        validators = changed.get("weights", WEIGHTS)
        return bytes_field(2, name.encode()) + b"".join(
            inside_field(4, inside_field(1, inside_field(1, key.public_key[1:])) + weight_field)
            for key, weight_field in zip(
                self.keys, (number_field(2, one) for one in validators), strict=True
            )
        )

    def block(self, height: int, time: int, transactions: list[bytes]) -> bytes:
        return (
            b"".join(inside_field(1, one) for one in transactions)
            + bytes_field(4, bytes([height]) * 32)
            + number_field(5, height)
            + stamp(6, time)
        )

    async def prepare(self, height: int, time: int, transactions: list[bytes]) -> list[bytes]:
        message = (
            number_field(1, 10**8)
            + b"".join(inside_field(2, one) for one in transactions)
            + number_field(5, height)
            + stamp(6, time)
        )
        return (await self.call("prepare_proposal", message)).every(1)

    async def accepts(self, height: int, time: int, transactions: list[bytes]) -> bool:
        answer = await self.call("process_proposal", self.block(height, time, transactions))
        return answer.number(1) == abci.ACCEPT

    async def decide(self, height: int, time: int, transactions: list[bytes]) -> bytes:
        answer = await self.call("finalize_block", self.block(height, time, transactions))
        assert len(answer.every(2)) == len(transactions)
        await self.call("commit")
        return answer.data(5)

    async def check(self, transaction: bytes) -> int:
        return (await self.call("check_tx", bytes_field(1, transaction))).number(1)

    def light_block(self, height: int, app: bytes, signers: tuple[int, ...]) -> bytes:
        """A light block of CometBFT as its processes would sign it, from the SDK's rules."""
        members = ValidatorSet.decode(self.chain.validator_set)
        some = bytes(range(32))
        header = light.Header(
            11,
            0,
            light.chain_name(self.chain.chain_id),
            height,
            light.Time(1_700_000_005, 123_456_789),
            light.BlockId(some, 1, some),
            some,
            some,
            light.validators_hash(members),
            some,
            some,
            app,
            some,
            some,
            bytes(20),
        )
        commit = light.Commit(0, 1, some, ())
        block = light.header_hash(header)
        votes = []
        for place in signers:
            vote = light.CometVote(place, light.Time(1_700_000_006 + place, place), bytes(64))
            message = light.sign_bytes(header, block, commit, vote)
            signature = self.keys[place].sign(message)
            votes.append(light.CometVote(place, vote.time, signature))
        commit = light.Commit(0, 1, some, tuple(votes))
        return light.LightBlock(header, commit).encode()


def stamp(field: int, time: int) -> bytes:
    seconds, rest = divmod(time, 1_000)
    return inside_field(field, number_field(1, seconds) + number_field(2, rest * 1_000_000))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "ledger")


async def begun(world: World) -> None:
    answer = await world.call("init_chain", world.init_chain())
    assert answer.data(3) == world.chain.app_hash


@in_a_loop
async def test_a_block_goes_through_all_calls(world: World) -> None:
    await begun(world)
    before = world.chain.app_hash
    assert await world.decide(1, world.now, []) == before
    assert (world.chain.height, world.application.height) == (0, 1)

    waiting = [world.batch("a", "b"), world.batch("c", author=1)]
    block = await world.prepare(2, world.now, waiting)
    assert block[1:] == waiting
    assert await world.accepts(2, world.now, block)
    app_hash = await world.decide(2, world.now, block)
    assert app_hash == world.chain.app_hash != before
    assert (world.chain.height, world.chain.time) == (1, world.now)
    # Nothing to do: nothing changes.
    assert await world.decide(3, world.now + 500, []) == app_hash
    assert [await world.check(one) for one in waiting] == [2, 2]
    assert await world.prepare(4, world.now + 900, waiting) == []


@in_a_loop
async def test_the_time_of_the_ledger_never_stands(world: World) -> None:
    await begun(world)
    for height in (1, 2, 3):
        block = await world.prepare(height, world.now, [world.batch(f"n{height}")])
        assert await world.accepts(height, world.now, block)
        await world.decide(height, world.now, block)
        assert world.chain.time == world.now + height - 1


@in_a_loop
async def test_bad_proposals_are_refused(world: World) -> None:
    await begun(world)
    first, second = world.batch("a"), world.batch("b")
    block = await world.prepare(1, world.now, [first, second])
    header = block[0]
    bad = [
        [first, second],
        [header],
        [header, first],
        [header, second, first],
        [header, first, second, second],
        [header, first, second, header],
        [b"", first, second],
        [b"\x07", first],
        [header[:-1], first, second],
        [header, first, second[:-1]],
        [*block, payload.encode_wake(world.chain.chain_id, world.now, world.keys[0])],
    ]
    assert await world.accepts(1, world.now, block)
    for wrong in bad:
        assert not await world.accepts(1, world.now, wrong), wrong
    assert not await world.accepts(1, world.now + 1, block)
    # Every field of the header: among them parent, outcome of the parent, settings.
    for place in range(2, len(header)):
        changed = bytearray(header)
        changed[place] ^= 1
        assert not await world.accepts(1, world.now, [bytes(changed), first, second]), place
    assert await world.accepts(1, world.now, [])


@in_a_loop
async def test_another_outcome_of_the_parent_is_refused(world: World, tmp_path: Path) -> None:
    await begun(world)
    block = await world.prepare(1, world.now, [world.batch("a")])
    await world.decide(1, world.now, block)
    following = await world.prepare(2, world.now + 50, [world.batch("b")])
    proposal = bytearray(following[0])
    # kind, variant, chain, height, time, parent; then the hash of the parent's outcome
    proposal[1 + 1 + 32 + 8 + 8 + 32] ^= 1
    assert await world.accepts(2, world.now + 50, following)
    assert not await world.accepts(2, world.now + 50, [bytes(proposal), *following[1:]])


@in_a_loop
async def test_a_decided_block_that_is_not_valid_here_is_a_divergence(world: World) -> None:
    await begun(world)
    block = await world.prepare(1, world.now, [world.batch("a")])
    with pytest.raises(DivergedError):
        await world.call("finalize_block", world.block(1, world.now + 7, block))
    with pytest.raises(ApplicationError, match="is due"):
        await world.call("finalize_block", world.block(2, world.now, block))
    with pytest.raises(ApplicationError, match="did not decide"):
        await world.call("commit")
    assert world.chain.height == 0


@in_a_loop
async def test_another_genesis_is_refused(world: World) -> None:
    with pytest.raises(ApplicationError, match="starts the chain"):
        await world.call("init_chain", world.init_chain(name="bubi-other"))
    with pytest.raises(ApplicationError, match="validators"):
        await world.call("init_chain", world.init_chain(weights=(1, 1, 1, 1)))
    await begun(world)
    await world.decide(1, world.now, await world.prepare(1, world.now, [world.batch("a")]))
    with pytest.raises(ApplicationError, match="at height 1"):
        await world.call("init_chain", world.init_chain())


@in_a_loop
async def test_an_old_clock_and_a_far_expiry_wait_for_an_empty_block(world: World) -> None:
    await begun(world)
    near, far = world.batch("near"), world.batch("far", until=world.now + 600_000)
    assert await world.prepare(1, world.now - 5_001, [near, far]) == []
    assert (await world.prepare(1, world.now - 4_000, [near, far]))[1:] == [near]
    assert (await world.prepare(1, world.now, [near, far]))[1:] == [near, far]
    # Transactions of a sequence may live for a year: waiting would not help them.
    year = world.batch("year", until=world.now + 30 * 86_400_000, lane=1)
    assert (await world.prepare(1, world.now - 4_000, [year, far, near]))[1:] == [year, near]


@in_a_loop
async def test_a_wake_of_a_validator_gets_an_empty_block(world: World) -> None:
    await begun(world)
    chain_id = world.chain.chain_id
    wake = payload.encode_wake(chain_id, world.now, world.keys[2])
    assert await world.check(wake) == 0
    assert await world.prepare(1, world.now, [wake]) == []  # not later than the time asked for
    block = await world.prepare(1, world.now + 1, [wake])
    assert len(block) == 1
    assert await world.accepts(1, world.now + 1, block)
    await world.decide(1, world.now + 1, block)
    assert (world.chain.height, await world.check(wake)) == (1, 3)

    later = world.chain.time + 10
    stranger = payload.encode_wake(chain_id, later, world.user)
    forged = bytearray(payload.encode_wake(chain_id, later, world.keys[2]))
    forged[1] ^= 1
    ahead = payload.encode_wake(chain_id, world.now + 60_000, world.keys[2])
    other_chain = payload.encode_wake(bytes(32), later, world.keys[2])
    for wrong in (stranger, bytes(forged), ahead, other_chain, b"", b"\x02", b"\x00", b"\x09ab"):
        assert await world.check(wrong) == 1, wrong
        assert await world.prepare(2, world.now + 20, [wrong]) == []


@in_a_loop
async def test_a_restart_begins_behind_the_newest_block(world: World) -> None:
    await begun(world)
    block = await world.prepare(1, world.now, [world.batch("a")])
    await world.decide(1, world.now, block)
    app_hash = world.chain.app_hash
    await world.decide(2, world.now + 1, [])
    info = await world.call("info")
    assert (info.number(4), info.data(5)) == (2, app_hash)
    undecided = await world.prepare(3, world.now + 2, [world.batch("b")])
    await world.call("finalize_block", world.block(3, world.now + 2, undecided))

    world.reopen()
    info = await world.call("info")
    assert (info.number(4), info.data(5)) == (1, app_hash)
    # CometBFT shows the rest again: the empty block, and the one that was not durable.
    assert await world.decide(2, world.now + 1, []) == app_hash
    assert await world.decide(3, world.now + 2, undecided) == world.chain.app_hash != app_hash
    assert world.chain.height == 2


@in_a_loop
async def test_a_light_block_proves_and_every_change_is_refused(world: World) -> None:
    await begun(world)
    await world.decide(1, world.now, await world.prepare(1, world.now, [world.batch("a")]))
    app_hash = world.chain.app_hash
    with pytest.raises(core.CoreError) as early:
        world.chain.finality_json(1)
    assert core.error_code(early.value) == "not_provable_yet"
    assert world.chain.provable == 0

    good = world.light_block(2, app_hash, (1, 2, 3))
    # Weight 5 of 6 is needed: 1 + 1 + 1 is short of it, and so is 3 + 1.
    wrong = [
        world.light_block(2, app_hash, (0, 2, 3)),
        world.light_block(2, app_hash, (1, 3)),
        world.light_block(2, bytes(32), (1, 2, 3)),
        World(world.folder.parent / "other").light_block(2, app_hash, (1, 2, 3)),
    ]
    for one in wrong:
        with pytest.raises(core.CoreError) as refused:
            world.chain.add_light_block(1, one)
        assert core.error_code(refused.value) == "proof_invalid"
    for place in range(len(good)):
        changed = bytearray(good)
        changed[place] ^= 1
        with pytest.raises(core.CoreError):
            world.chain.add_light_block(1, bytes(changed))
    for height in (0, 2):
        with pytest.raises(core.CoreError):
            world.chain.add_light_block(height, good)
    world.chain.add_light_block(1, good)
    assert world.chain.provable == 1

    world.reopen()
    assert world.chain.provable == 1
    text = world.chain.finality_json(1)
    assert text is not None
    answer = json.loads(text)
    assert answer["comet"]["light"]["v1"]["header"]["height"] == "2"
    proof = bytes.fromhex(answer["proof"])
    trust = Trust.parse(core.encode_json(trust_document(world.genesis)))
    proven = verify_finality(trust, proof)
    assert (proven.height, proven.weight, proven.quorum) == (1, 5, 5)
    assert proven.signers == ("v1", "v2", "v3")
    assert FinalityProof.decode(proof).encode() == proof
    assert json.loads(world.chain.block_json(1, False) or b"")["votes"] == 3


@in_a_loop
async def test_certificates_belong_to_their_engine(world: World, tmp_path: Path) -> None:
    native = World(tmp_path / "native", engine="pbft").chain
    certificate = core.comet_certificate(1, bytes(32), bytes(32), bytes(32))
    with pytest.raises(core.CoreError):
        native.check_certificate(certificate)
    world.chain.check_certificate(certificate)
    for engine in ("pbft", "cometbft"):
        votes = []
        for place, key in enumerate(world.keys):
            message = core.commit_message(
                world.chain.chain_id, 0, engine, 1, 0, bytes(32), bytes(32)
            )
            votes.append((place, key.sign(message)))
        voted = core.certificate(0, engine, 1, 0, bytes(32), bytes(32), votes)
        with pytest.raises(core.CoreError):
            world.chain.check_certificate(voted)


def test_a_header_of_a_real_chain_has_its_hash() -> None:
    """Header 3 of a network of CometBFT v0.38.25, and the votes that decided it."""
    recorded = json.loads((Path(__file__).parent / "comet_commit.json").read_text())
    signed, addresses = recorded["signed_header"], recorded["addresses"]
    document = light_block_json(signed, [bytes.fromhex(one) for one in addresses])
    encoded = core.light_block_from_json(core.encode_json(document))
    block = light.LightBlock.decode(encoded)
    assert light.header_hash(block.header).hex().upper() == signed["commit"]["block_id"]["hash"]
    assert len(block.commit.votes) >= 3


def test_why_cometbft_cannot_decide(world: World, tmp_path: Path) -> None:
    fields = core.decode_json(core.genesis_to_json(world.genesis))["v1"]
    assert home.reason_against(fields) is None
    assert home.reason_against({**fields, "suite": "national"}) is not None
    large = {**fields["parameters"], "block_bytes": 100 * 1_048_576}
    assert home.reason_against({**fields, "parameters": large}) is not None
    ratio = {**fields["validators"]["v1"], "quorum_numerator": 9, "quorum_denominator": 10}
    assert home.reason_against({**fields, "validators": {"v1": ratio}}) is not None


# --- messages ---


def test_numbers_and_fields_survive() -> None:
    for number in (0, 1, 127, 128, 2**32, 2**63 - 1, -1, -(2**63)):
        assert Fields(number_field(3, number)).number(3) == number
    message = inside_field(2, b"") + bytes_field(2, b"x") + bytes_field(1, "é".encode())
    assert Fields(message).every(2) == [b"", b"x"]
    assert Fields(message).text(1) == "é"
    assert (Fields(b"").data(7), Fields(b"").number(7)) == (b"", 0)


@pytest.mark.parametrize(
    "data",
    [b"\x08", b"\x0a\x05ab", b"\x0b", b"\x08" + b"\xff" * 10, b"\x08" + b"\x80" * 9 + b"\x7f"],
)
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(ProtobufError):
        Fields(data)


def test_random_bytes_do_no_harm() -> None:
    source = random.Random(7)
    for _ in range(5_000):
        data = source.randbytes(source.randrange(40))
        try:
            request = abci.decode_request(data)
            abci.block_request(request)
            abci.validators(request.fields)
        except ProtobufError:
            continue


@in_a_loop
async def test_the_socket_answers_in_order_and_refuses_nonsense() -> None:
    failures: list[Exception] = []

    async def handle(request: abci.Request) -> bytes:
        if request.name == "commit":
            raise ApplicationError("not now")
        return bytes_field(7, request.fields.data(1))

    with tempfile.TemporaryDirectory(prefix="bubi-") as folder:
        path = Path(folder) / "s"
        server = Server(path, handle, failures.append)
        await server.start()
        try:
            asked = [
                inside_field(1, bytes_field(1, b"hello")),
                inside_field(6, bytes_field(1, b"x" * 70_000)),
                inside_field(2, b""),
            ]
            answers = await exchange(path, asked, 3)
            assert [one.numbers for one in answers] == [[2], [7], [3]]
            assert answers[0].inside(2).data(1) == b"hello"
            assert answers[1].inside(7).data(7) == b"x" * 70_000
            for wrong in (b"\xff" * 6, varint(2**30), b"\x02\x0a\x05", inside_field(4, b"")):
                reader, writer = await asyncio.open_unix_connection(path)
                writer.write(wrong)
                writer.write_eof()
                assert await reader.read() == b""
                writer.close()
                await writer.wait_closed()
            assert failures == []
            (refusal,) = await exchange(path, [inside_field(11, b"")], 1)
            assert refusal.inside(1).text(1) == "not now"
            assert [str(one) for one in failures] == ["not now"]
        finally:
            await server.stop()


async def exchange(path: Path, requests: list[bytes], count: int) -> list[Fields]:
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        writer.writelines(varint(len(one)) + one for one in requests)
        answers = []
        for _ in range(count):
            length = shift = 0
            while (byte := (await reader.readexactly(1))[0]) > 0x7F:
                length |= (byte & 0x7F) << shift
                shift += 7
            length |= byte << shift
            answers.append(Fields(await reader.readexactly(length)))
        return answers
    finally:
        writer.close()
        await writer.wait_closed()


# --- founding ---


def founded(
    folder: Path, engine: str | None = "cometbft", suite: str = "standard", names: str = "abcd"
) -> list[Any]:
    requests = []
    for place, name in enumerate(names, 1):
        made = ceremony.make_request(
            folder / name,
            name=name,
            organisation=f"of-{name}",
            address=Address(f"10.0.0.{place}", 26_656),
            suite=suite,
            engine=engine,
        )
        requests.append(made)
    return requests


def test_joining_makes_the_folder_of_cometbft(tmp_path: Path) -> None:
    requests = founded(tmp_path)
    public = tmp_path / "public"
    ceremony.create(public, requests, network="n", kind="test", engine="cometbft")
    documents = set()
    for one in requests:
        again = ceremony.read_request(tmp_path / one.name / ceremony.REQUEST_FILE)
        assert again.comet_node == one.comet_node is not None
        made = ceremony.join(tmp_path / one.name, public, engine_port=30_000)
        settings = config.load(made.config)
        assert settings.cometbft.abci == made.directory / "cometbft" / "abci.sock"
        assert str(settings.cometbft.rpc) == "127.0.0.1:30000"
        folder = made.directory / "cometbft" / "config"
        documents.add((folder / "genesis.json").read_bytes())
        comet = tomllib.loads((folder / "config.toml").read_text())
        peers = comet["p2p"]["persistent_peers"].split(",")
        others = [other for other in requests if other is not one]
        assert peers == [f"{other.comet_node}@{other.endpoint}" for other in others]
        for secret in ("priv_validator_key.json", "node_key.json"):
            assert (folder / secret).stat().st_mode & 0o077 == 0
        key = json.loads((folder / "priv_validator_key.json").read_text())
        assert base64.b64decode(key["pub_key"]["value"]) == one.vote_key[1:]
    (document,) = documents
    fields = json.loads(document)
    assert [one["name"] for one in fields["validators"]] == ["a", "b", "c", "d"]
    assert len(fields["chain_id"]) == len("bubi-") + 40


def test_joining_three_that_bear_no_fault_needs_the_owners_word(tmp_path: Path) -> None:
    names = {"no_fault_tolerance"}
    requests = founded(tmp_path, names="abc")
    public = tmp_path / "public"
    wanted = {"network": "n", "kind": "test", "engine": "cometbft"}
    ceremony.create(public, requests, acknowledged=names, **wanted)
    with pytest.raises(tolerance.ToleranceError) as refused:
        ceremony.join(tmp_path / "a", public)
    assert set(refused.value.missing) == names
    assert not (tmp_path / "a" / "config.toml").exists()
    assert not (tmp_path / "a" / "cometbft" / "config" / "genesis.json").exists()
    made = ceremony.join(tmp_path / "a", public, acknowledged=names)
    assert config.load(made.config).node.acknowledged == ("no_fault_tolerance",)


def test_a_network_that_cometbft_cannot_decide_is_refused(tmp_path: Path) -> None:
    wanted = {"network": "n", "kind": "test", "engine": "cometbft"}
    plain = founded(tmp_path / "plain", engine=None)
    with pytest.raises(ceremony.CeremonyError, match="--engine cometbft"):
        ceremony.create(tmp_path / "one", plain, **wanted)
    requests = founded(tmp_path / "comet")
    with pytest.raises(ceremony.CeremonyError, match="no other quorum"):
        ceremony.create(tmp_path / "two", requests, quorum=(9, 10), **wanted)
    national = founded(tmp_path / "national", suite="national")
    with pytest.raises(ceremony.CeremonyError, match="suite standard"):
        ceremony.create(tmp_path / "three", national, suite="national", **wanted)
    assert not (tmp_path / "one").exists()


def test_a_changed_node_id_makes_a_request_invalid(tmp_path: Path) -> None:
    founded(tmp_path)
    file = tmp_path / "a" / ceremony.REQUEST_FILE
    document = json.loads(file.read_text())
    document["comet_node"] = "0" * 40
    file.write_text(json.dumps(document))
    with pytest.raises(ceremony.CeremonyError, match="signature"):
        ceremony.read_request(file)


def test_the_interface_of_cometbft_is_on_loopback(tmp_path: Path) -> None:
    node = {"name": "a", "organisation": "b"}
    for wrong in ("10.0.0.1:26657", "example.org:26657"):
        with pytest.raises(config.ConfigError, match="loopback"):
            config.parse({"node": node, "cometbft": {"rpc": wrong}}, tmp_path)


def test_a_development_network_refuses_it(tmp_path: Path) -> None:
    with pytest.raises(Failure) as refused:
        create_development(Home(tmp_path), 4, "cometbft")
    assert refused.value.code == "engine_unfit"
