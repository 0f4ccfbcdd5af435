"""The binding for several validators, on simulated disks: what a replica and the simulator use."""

import hashlib
import json
from typing import Any

import pytest

from bubi import core
from bubi.consensus import guard
from bubi.consensus.guard import Phase, VoteRequest
from bubi.ledger import restored_guard

TIME = 1_700_000_000_000
KEYS = [core.SigningKey.generate(0, bytes([number + 1]) * 32) for number in range(4)]
OWNER = core.SigningKey.generate(0, bytes([99]) * 32)
ADDRESS = core.address_to_text("bubidev", core.key_address(0, OWNER.public_key))


def key_json(key: core.SigningKey) -> dict[str, str]:
    return {"ed25519": key.public_key[1:].hex()}


def genesis_document(**changed: Any) -> dict[str, Any]:
    validators = [
        {"name": f"v{number}", "organisation": f"o{number}", "key": key_json(key), "weight": 1}
        for number, key in enumerate(KEYS)
    ]
    parameters: dict[str, Any] = {
        "max_lifetime": "600000",
        "clock_tolerance": "5000",
        "id_bucket": "10000",
        "block_transactions": 20_000,
        "block_bytes": 33_554_432,
        "due_per_block": 1_000,
        "quota_window": "10000",
        "quota_operations": "0",
        "algorithms": [0, 1, 2, 3],
        "turn_blocks": 4,
        "timeout": "2000",
        "timeout_max": "30000",
        "vote_algorithms": [0, 1, 2, 3],
        "retired_algorithms": [],
        "proposal_lifetime": "604800000",
        "ready_lifetime": "3600000",
        "evidence_policy": 1,
        "evidence_max_age": "1000000",
        "organisation_operations": "0",
    }
    return {
        "v1": {
            "nonce": "07" * 32,
            "name": "simulated",
            "kind": changed.pop("kind", "development"),
            "suite": "standard",
            "time": str(TIME),
            "protocol_version": 1,
            "organisations": changed.pop("organisations", []),
            "parameters": parameters | changed,
            "validators": {
                "v1": {
                    "epoch": "0",
                    "engine": "pbft",
                    "validators": validators,
                    "quorum_numerator": 2,
                    "quorum_denominator": 3,
                }
            },
            "accounts": [
                {
                    "address": ADDRESS,
                    "signers": [{"key": key_json(OWNER), "weight": 1, "limits": None}],
                    "thresholds": {"default": 1, "operations": {}},
                }
            ],
            "predecessor": None,
        }
    }


def genesis(**changed: Any) -> bytes:
    document = genesis_document(**changed)
    if document["v1"]["kind"] != "development":
        document["v1"]["accounts"] = []
    return core.genesis_from_json(json.dumps(document).encode())


def open_chain(disk: core.SimulatedDisk) -> core.Chain:
    return core.Chain.open_simulated(disk, genesis(), ideal=True)


def signed(chain: core.Chain, number: int) -> bytes:
    """A transaction of the owner as JSON."""
    body = {
        "v1": {
            "source": ADDRESS,
            "replay": {"id": number.to_bytes(16, "big").hex()},
            "valid_until": str(TIME + 300_000),
            "preconditions": [],
            "memo": "",
            "operations": [
                {
                    "source": None,
                    "body": {"set_data": {"name": "n", "value": "01", "expected_version": None}},
                }
            ],
        }
    }
    encoded = core.body_from_json("bubidev", json.dumps(body).encode())
    message = core.signing_bytes(chain.chain_id, encoded)
    entry = {
        "key": key_json(OWNER),
        "signature": core.ideal_sign(OWNER.public_key, message).hex(),
    }
    return json.dumps({"v1": {"body": body, "signatures": [entry]}}).encode()


def batch(chain: core.Chain, author: int, number: int) -> core.Batch:
    admission = chain.admit_json(signed(chain, number), chain.time)
    assert admission.verdicts == [""]
    made = chain.batch([admission], number, KEYS[author])
    assert (made.author, made.latest_expiry) == (KEYS[author].public_key, TIME + 300_000)
    again = chain.decode_batch(made.header, made.body)
    assert (again.digest, again.header, again.body) == (made.digest, made.header, made.body)
    return again


def certificate(chain: core.Chain, round_: int, execution: core.Execution) -> bytes:
    fields = (0, "pbft", execution.height, round_, execution.digest, execution.outcome_hash)
    message = core.commit_message(chain.chain_id, *fields)
    votes = [(at, core.ideal_sign(KEYS[at].public_key, message)) for at in range(3)]
    made = core.certificate(*fields, votes)
    assert core.certificate_fields(made) == (*fields, votes)
    return made


def decide(
    chain: core.Chain, batches: list[core.Batch], parent_round: int = 0, round_: int = 0
) -> None:
    time = chain.time + 10
    proposal = chain.propose(time, parent_round, batches)
    height = chain.height + 1
    assert chain.proposal_fields(proposal) == (height, time, chain.digest, parent_round)
    chain.check_proposal(proposal, chain.proposal_digest(proposal), batches, parent_round)
    chain.append_bodies(height, batches)
    execution = chain.execute(proposal, batches)
    made = certificate(chain, round_, execution)
    chain.check_certificate(made)
    chain.commit(execution, made)


def code_of(error: pytest.ExceptionInfo[core.CoreError]) -> str:
    return core.error_code(error.value)


def test_some_of_an_admission_can_be_left_out() -> None:
    chain = open_chain(core.SimulatedDisk(1))
    good = [core.transaction_from_json("bubidev", signed(chain, number)) for number in range(4)]
    entered = [good[0], b"garbage", *good[1:]]
    admission = chain.admit(core.bulk_body(entered), chain.time)
    assert (len(admission), admission.received) == (4, 5)
    account = core.key_address(0, OWNER.public_key)
    fingerprint = int.from_bytes(account[:8], "little")
    assert list(memoryview(admission.sources).cast("Q")) == [fingerprint, 0, *[fingerprint] * 3]
    assert admission.body == core.bulk_body(good)
    # What was refused before stays refused; places count transactions as received.
    rest = admission.without({1, 2, 4, 99})
    assert [bool(one) for one in rest.verdicts] == [False, True, True, False, True]
    assert rest.verdicts[2] == rest.verdicts[4] == "pool_full"
    assert rest.verdicts[1] != "pool_full"
    assert (len(rest), rest.refused) == (2, 3)
    assert rest.bytes == len(good[0]) + len(good[2])
    assert rest.hashes == admission.hashes
    assert list(memoryview(rest.sources).cast("Q")) == [fingerprint, 0, 0, fingerprint, 0]
    expiries = memoryview(rest.expiries).cast("Q")
    assert [bool(one) for one in expiries] == [True, False, False, True, False]
    assert list(rest.operations) == [1, 0, 0, 1, 0]
    left = core.bulk_body([good[0], good[2]])
    assert rest.body == left
    assert chain.batch([rest], 1, KEYS[0]).body == left
    for used in (admission, rest):
        with pytest.raises(core.CoreError):
            used.without({0})


def test_what_went_into_a_batch_can_go_into_another() -> None:
    """A validator that lost its vote has batches that no block will take, and may get it back."""
    chain = open_chain(core.SimulatedDisk(1))
    one, other = (chain.admit_json(signed(chain, number), chain.time) for number in range(2))
    bodies = [one.body, other.body]
    first = chain.batch([one, other], 1, KEYS[0])
    assert [one.body, other.body] == bodies, "they can still be forwarded"
    for number, groups in ((2, [other]), (3, [one, other])):
        again = chain.batch(groups, number, KEYS[0])
        assert again.digest != first.digest
        if number == 3:
            assert again.body == first.body
            decide(chain, [again])
            block = json.loads(chain.block_json(1, transactions=False) or b"")
            assert (block["receipts"], block["final"]) == (2, 2)
    with pytest.raises(core.CoreError) as caught:
        one.without({0})
    assert code_of(caught) == "batch_invalid"


def test_a_chain_decides_and_another_follows_from_parts() -> None:
    chain = open_chain(core.SimulatedDisk(1))
    assert (chain.tip_certificate(), chain.tip_batches(), chain.block_parts(1)) == (None, [], None)
    first = batch(chain, 0, 1)
    decide(chain, [first, batch(chain, 1, 2)], round_=1)
    decide(chain, [], parent_round=1, round_=1)
    assert chain.leaders(4) == (1, [1, 2, 3, 0]), "0 is passed over once"
    assert chain.tip_batches() == []
    assert [height for height, _ in chain.ordered_batches()] == [1, 1]
    with pytest.raises(core.CoreError) as refused:
        chain.propose(chain.time + 1, 1, [first])
    assert code_of(refused) == "proposal_invalid"
    other = open_chain(core.SimulatedDisk(2))
    for height in (1, 2):
        parts = chain.block_parts(height)
        assert parts is not None
        proposal, made, headers, bodies = parts
        batches = [
            other.decode_batch(header, body) for header, body in zip(headers, bodies, strict=True)
        ]
        other.check_proposal(proposal, other.proposal_digest(proposal), batches, None)
        other.append_bodies(height, batches)
        other.commit(other.execute(proposal, batches), made)
    assert (other.height, other.state_root) == (chain.height, chain.state_root)
    assert other.tip_certificate() == chain.tip_certificate()


@pytest.mark.parametrize("mode", ["process", "lost", "torn", "reordered"])
def test_a_crash_loses_nothing_that_was_synced(mode: str) -> None:
    disk = core.SimulatedDisk(7)
    chain = open_chain(disk)
    decide(chain, [batch(chain, 0, 1)])
    pending = batch(chain, 1, 2)
    chain.append_bodies(2, [pending])
    chain.append(core.RecordKind.PREPARED, 2, b"prepared")
    chain.sync()
    chain.append(core.RecordKind.GUARD, 2, b"not synced")
    root = chain.state_root
    disk.crash(mode)
    with pytest.raises(core.StorageFatal):
        chain.sync()
    del chain
    chain = open_chain(disk)
    assert (chain.height, chain.state_root) == (1, root)
    assert [one.digest for one in chain.pending_bodies()] == [pending.digest]
    assert chain.log_records(core.RecordKind.PREPARED, 2) == [(2, b"prepared")]
    assert chain.log_records(core.RecordKind.GUARD, 2) == []
    decide(chain, chain.pending_bodies())
    assert disk.counts["crashes"] == 1


def test_disks_fail_as_asked() -> None:
    disk = core.SimulatedDisk(3)
    chain = open_chain(disk)
    decide(chain, [])
    disk.set_full(True)
    chain.append(core.RecordKind.GUARD, 2, bytes(100))
    with pytest.raises(core.StorageFull):
        chain.sync()
    disk.set_full(False)
    chain.sync()
    chain.append(core.RecordKind.GUARD, 2, bytes(100))
    disk.fail_next_sync()
    with pytest.raises(core.StorageFatal):
        chain.sync()
    with pytest.raises(core.StorageFatal):
        chain.sync()
    disk.crash("lost")
    del chain
    assert disk.flip("log", 8 * 100)
    with pytest.raises(core.Damaged):
        open_chain(disk)
    assert not disk.flip("state", 1)
    with pytest.raises(core.CoreError):
        disk.flip("everything", 1)


def test_only_ideal_chains_take_ideal_signatures() -> None:
    digest = hashlib.sha256(b"bubi:ideal" + OWNER.public_key + b"message").digest()
    assert core.ideal_sign(OWNER.public_key, b"message") == digest * 2
    assert not core.verify_vote(OWNER.public_key, b"message", digest * 2)
    ideal = open_chain(core.SimulatedDisk(1))
    made = batch(ideal, 0, 1)
    real = core.Chain.open_simulated(core.SimulatedDisk(2), genesis(), ideal=False)
    with pytest.raises(core.CoreError) as refused:
        real.decode_batch(made.header, made.body)
    assert code_of(refused) == "batch_invalid"


def test_votes_before_the_commit_have_phases_of_their_own() -> None:
    chain_id, digest = bytes(32), bytes([1]) * 32
    messages = {core.vote_message(chain_id, 0, "pbft", 1, 2, phase, digest) for phase in range(4)}
    assert len(messages) == 4
    with pytest.raises(core.CoreError):
        core.vote_message(chain_id, 0, "pbft", 1, 2, 4, digest)
    assert core.status_message(chain_id, b"body") == b"bubi:node-status" + chain_id + b"body"


def organisation(
    name: str, certificate: str = "3000", governance: str | None = None
) -> dict[str, Any]:
    return {"name": name, "governance": governance, "certificate": certificate}


@pytest.mark.parametrize(
    "changed",
    [
        {"turn_blocks": 3},
        {"turn_blocks": 99, "kind": "main"},
        {"timeout": "199"},
        {"timeout": "60001", "timeout_max": "70000"},
        {"timeout_max": "1999"},
        {"timeout_max": "600001"},
        {
            "organisations": [
                organisation("b", governance=core.address_to_text("bubidev", bytes(32)))
            ]
        },
        {
            "organisations": [
                organisation("b", governance=ADDRESS),
                organisation("c", governance=ADDRESS),
            ]
        },
        {"organisations": [organisation("b", "00" * 4_097)]},
        {"organisations": [organisation("b")] * 2},
        {"organisations": [organisation("b"), organisation("a")]},
        {"vote_algorithms": [1]},
        {"retired_algorithms": [{"algorithm": 0, "until": "5"}]},
        {"evidence_policy": 4},
        {"evidence_max_age": "0"},
        {"proposal_lifetime": "9999"},
        {"ready_lifetime": "9999"},
    ],
)
def test_a_genesis_out_of_bounds_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(core.CoreError):
        genesis(**changed)


def test_a_genesis_within_bounds_is_kept() -> None:
    organisations = [organisation("a", governance=ADDRESS), organisation("b", "")]
    encoded = genesis(organisations=organisations, timeout="60000", timeout_max="60000")
    assert json.loads(core.genesis_to_json(encoded))["v1"]["organisations"] == organisations
    genesis(turn_blocks=100, kind="main")


def test_batches_that_wait_together_get_a_verdict_each() -> None:
    chain = open_chain(core.SimulatedDisk(3))
    made = [batch(chain, number, number + 1) for number in range(3)]
    sent = [(one.header, one.body) for one in made]
    torn = (sent[0][0], sent[0][1][:-1])
    swapped = (sent[0][0], sent[1][1])
    unsigned = (sent[1][0][:-1] + bytes([sent[1][0][-1] ^ 1]), sent[1][1])
    forged = (sent[2][0], sent[2][1][:-1] + bytes([sent[2][1][-1] ^ 1]))
    verdicts = chain.decode_batches(
        [sent[0], torn, sent[1], swapped, unsigned, forged, sent[2], sent[0]]
    )
    digests = [getattr(verdict, "digest", None) for verdict in verdicts]
    first, second, third = (one.digest for one in made)
    assert digests == [first, None, second, None, None, None, third, first]
    for verdict, one in zip([verdicts[0], verdicts[2], verdicts[6]], made, strict=True):
        assert isinstance(verdict, core.Batch)
        assert (verdict.header, verdict.body) == (one.header, one.body)
    refusals = [one for one in verdicts if isinstance(one, core.CoreError)]
    assert [core.error_code(one) for one in refusals] == [
        "not_canonical",
        "batch_invalid",
        "batch_invalid",
        "batch_invalid",
    ]
    for refusal, pair in zip(refusals, [torn, swapped, unsigned, forged], strict=True):
        # As alone.
        with pytest.raises(core.CoreError) as alone:
            chain.decode_batch(*pair)
        assert alone.value.args == refusal.args
    assert chain.decode_batches([]) == []


def test_a_guard_is_whole_again_after_each_start() -> None:
    """However often power fails: the second place lacks nothing that was signed before a start."""
    disk = core.SimulatedDisk(1)
    request = VoteRequest(0, "pbft", 1, 0, Phase.FIRST, bytes(32))
    record = guard.encode(guard.GuardRecord(request, b"signature"))
    chain = open_chain(disk)
    chain.append(core.RecordKind.GUARD, 1, record)
    chain.sync()
    # The log is durable; its copy was never written.
    disk.crash("lost")
    chain = open_chain(disk)
    assert chain.guard_read() == b""
    restored = restored_guard(chain)
    assert restored.newest is not None
    disk.crash("lost")
    assert open_chain(disk).guard_read() == record


def test_a_silent_guard_changes_nothing() -> None:
    disk = core.SimulatedDisk(1)
    request = VoteRequest(0, "pbft", 7, 0, Phase.FIRST, bytes(32))
    record = guard.encode(guard.GuardRecord(request, b"signature"))
    chain = open_chain(disk)
    chain.guard_write(record)
    disk.crash("process")
    chain = open_chain(disk)
    assert restored_guard(chain).silent is not None
    assert chain.guard_read() == record
