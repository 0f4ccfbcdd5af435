"""What a peer may say to a replica, and what it gets for it (reliability.md 2.0 rule 5, 2.5)."""

import pickle
from dataclasses import replace

import pytest

from bubi.consensus.engine import EngineMessage, ProposalMessage, ReportEvidence
from bubi.consensus.guard import Phase
from bubi.consensus.pbft import PbftEngine
from bubi.messages import (
    LINKS_MAX,
    BatchHave,
    BlocksRequest,
    BlockWanted,
    Consensus,
    Link,
    PeerMessage,
    Status,
    Transactions,
)
from bubi.replica import events
from bubi.replica import links as module
from bubi.replica.events import Action, SendTo
from bubi.replica.relay import BYTES_PER_MEMBER_MAX
from tests.replica.cluster import (
    START,
    Checks,
    Host,
    World,
    key_of,
    node_of,
    signature,
    vote,
)

RING = [(0, 1), (1, 2), (2, 3), (0, 3)]


def world_of(**options: object) -> World:
    world = World(PbftEngine(Checks()), 4, **options)  # type: ignore[arg-type]
    world.run(6_000)
    return world


def say(world: World, peer: int, message: PeerMessage, to: int = 0) -> list[Action]:
    """A peer's message, and what the replica answers to it alone."""
    host = world.hosts[to]
    before = len(host.actions)
    host.give(events.Received(node_of(peer), message))
    return host.actions[before:]


def decide(world: World, count: int = 1) -> None:
    for _ in range(count):
        world.hosts[0].submit(world.now)
        world.run(300)


def sent(actions: list[Action], kind: type) -> list[tuple[bytes, ...]]:
    return [a.peers for a in actions if isinstance(a, SendTo) and isinstance(a.message, kind)]


def penalties(actions: list[Action]) -> list[str]:
    return [a.reason for a in actions if isinstance(a, events.PenalisePeer)]


def test_a_wrong_signature_is_penalised_and_changes_nothing() -> None:
    world = world_of()
    forged = replace(vote(world, 2), signature=b"\0" * 64)
    view = world.hosts[0].replica.view()
    assert penalties(say(world, 1, Consensus(forged))) == [
        "a consensus message with a wrong signature"
    ]
    assert world.hosts[0].replica.view() == view


def test_after_many_wrong_signatures_no_more_are_checked_in_that_second() -> None:
    world = world_of()
    for number in range(module.INVALID_PER_SECOND + 1):
        say(world, 1, Consensus(replace(vote(world, 2, round=number), signature=b"\0" * 64)))
    checked = world.checks.verified
    for number in range(100):
        say(world, 1, Consensus(replace(vote(world, 2, round=number), signature=b"\1" * 64)))
    assert world.checks.verified == checked
    world.run(1_100)
    say(world, 1, Consensus(replace(vote(world, 2), signature=b"\0" * 64)))
    assert world.checks.verified == checked + 1


@pytest.mark.parametrize("member", [-1, 4, 10**9])
def test_a_member_that_does_not_exist_is_penalised(member: int) -> None:
    world = world_of()
    odd = replace(vote(world, 2), validator=member)
    assert penalties(say(world, 1, Consensus(odd))) == [
        "a consensus message with a wrong signature"
    ]


def test_a_message_longer_than_any_is_not_even_verified() -> None:
    world = world_of()
    body = bytes(5 * BYTES_PER_MEMBER_MAX + 1)
    checked = world.checks.verified
    actions = say(world, 1, Consensus(EngineMessage(vote(world, 1), "view_change", body)))
    assert penalties(actions) == ["a consensus message longer than any may be"]
    assert sent(actions, Consensus) == []
    assert world.checks.verified == checked


def test_transactions_are_taken_from_any_peer_by_a_validator_alone() -> None:
    # One that lost its vote forwards before the others have heard of it: that is no offence.
    body = Transactions(pickle.dumps([((7,), START + 1_000)]))
    actions = say(world_of(), 1, body)
    assert penalties(actions) == []
    assert [one.body for one in actions if isinstance(one, events.Forwarded)] == [body.body]
    watching = World(PbftEngine(Checks()), 4, observers=1)
    watching.run(1_000)
    watcher = watching.hosts[4]
    done = len(watcher.actions)
    watcher.give(events.Received(node_of(1), body))
    assert not any(isinstance(one, events.Forwarded) for one in watcher.actions[done:])


def test_a_message_is_verified_and_taken_once() -> None:
    world = world_of()
    message = Consensus(vote(world, 2))
    say(world, 2, message)
    checked = world.checks.verified
    for peer in (1, 2, 3):
        assert say(world, peer, message) == []
    assert world.checks.verified == checked


def test_in_a_full_mesh_nothing_is_relayed_in_a_ring_once() -> None:
    world = world_of()
    assert sent(say(world, 2, Consensus(vote(world, 2))), Consensus) == []
    ring = world_of(links=RING)
    # 1 has no link to 3; 0 hears 3 directly and passes it on.
    message = Consensus(vote(ring, 3))
    assert sent(say(ring, 3, message), Consensus) == [(node_of(1),)]
    assert sent(say(ring, 3, message), Consensus) == []
    # From 1, about itself: 3 lacks it.
    assert sent(say(ring, 1, Consensus(vote(ring, 1))), Consensus) == [(node_of(3),)]


def test_an_old_vote_is_answered_with_the_status_once_a_second() -> None:
    world = world_of()
    decide(world, 3)
    height = world.hosts[0].tip.height
    world.run(5_000)
    old = Consensus(vote(world, 2, height=height - 1))
    answers = say(world, 2, old)
    (status,) = [a for a in answers if isinstance(a, SendTo)]
    assert status.peers == (node_of(2),)
    assert isinstance(status.message, Status) and status.message.height == height
    assert say(world, 2, old) == []
    world.run(1_100)
    assert sent(say(world, 2, old), Status) == [(node_of(2),)]


def test_a_late_vote_of_the_newest_block_says_nothing() -> None:
    world = world_of()
    decide(world)
    host = world.hosts[0]
    host.submit(5)
    assert world.until(lambda: host.tip.height == 2, 1_000)
    assert say(world, 2, Consensus(vote(world, 2, height=2, digest=b"x" * 32))) == []


def test_a_vote_far_ahead_of_its_author_starts_sync() -> None:
    world = world_of()
    relayed = say(world, 1, Consensus(vote(world, 2, height=50)))
    assert relayed == []
    world.run(1_100)
    say(world, 2, Consensus(vote(world, 2, height=50)))
    view = world.hosts[0].replica.view()
    assert not view.in_sync
    assert view.target == 0, "one member's word is not shown as the height of the network"


def test_early_messages_of_one_member_are_bounded() -> None:
    world = world_of()
    height = world.hosts[0].tip.height + 3
    for number in range(500):
        say(world, 2, Consensus(vote(world, 2, height=height, round=number)))
    early = world.hosts[0].replica._driver.early
    assert sum(len(kept) for kept in early.get(height, {}).values()) <= 16
    assert penalties(list(world.hosts[0].actions)) == ["flood of messages of one validator"]


def test_equivocation_is_reported_once() -> None:
    world = world_of()
    actions: list[Action] = []
    for digest in (b"a", b"b", b"c"):
        actions += say(world, 2, Consensus(vote(world, 2, digest=digest * 32)))
    world.run(2_000)
    for digest in (b"a", b"b", b"c"):
        actions += say(world, 2, Consensus(vote(world, 2, digest=digest * 32)))
    assert sum(isinstance(a, ReportEvidence) for a in actions) == 1
    assert [a.code for a in actions if isinstance(a, events.Alarm)] == ["equivocation"]


def test_a_changed_body_under_a_leaders_signature_changes_nothing() -> None:
    world = world_of()
    leader = world.hosts[0].replica.view().leader
    assert leader is not None
    node = (leader + 1) % 4
    other = (leader + 2) % 4
    changed: list[int] = []

    def change(sender: int, to: int, message: PeerMessage) -> PeerMessage:
        if sender == leader and to == node and isinstance(message, Consensus):
            inner = message.message
            if isinstance(inner, ProposalMessage) and not changed:
                changed.append(1)
                forged = replace(inner, payload=(*inner.payload, b"z" * 32))
                # A relay gets it there before the true one.
                say(world, other, Consensus(forged), to=node)
        return message

    world.filter = change
    world.hosts[0].submit(7)
    assert world.until(lambda: world.heights() == [1] * 4, 1_000)
    assert changed
    assert world.hosts[node].replica.view().round == 0


def test_this_nodes_key_used_elsewhere_raises_an_alarm() -> None:
    world = world_of()
    twin = Consensus(vote(world, 0, digest=b"t" * 32, phase=Phase.FIRST))
    assert [a.code for a in say(world, 1, twin) if isinstance(a, events.Alarm)] == [
        "key_used_elsewhere"
    ]
    assert say(world, 2, twin) == []
    forged = replace(vote(world, 1), validator=1)
    assert not any(isinstance(a, events.Alarm) for a in say(world, 1, Consensus(forged), to=1))


def test_its_own_votes_come_back_without_alarm() -> None:
    world = world_of(links=RING)
    decide(world, 3)
    for host in world.hosts:
        for action in list(host.actions):
            if isinstance(action, SendTo) and isinstance(action.message, Consensus):
                say(world, (host.index + 1) % 4, action.message, to=host.index)
    assert [host.alarms for host in world.hosts] == [[]] * 4


def test_a_wish_for_a_block_of_the_far_future_costs_one_block_per_grant() -> None:
    world = world_of()
    leader = world.hosts[0].replica.view().leader
    assert leader is not None
    liar = (leader + 1) % 4
    for number in range(1_000):
        say(world, liar, BlockWanted(2**60 + number), to=leader)
        world.run(20)
    # Twenty seconds: what a peer may ask at once, and one more for each few seconds.
    most = module.WISHES_GRANTED_MAX + 20 // module.WISH_TICKS + 1
    assert 1 <= world.heights()[0] <= most
    before = world.heights()[0]
    world.run(10_000)
    assert world.heights()[0] == before


def test_one_members_height_is_followed_and_not_believed() -> None:
    world = world_of()
    decide(world)
    world.run(1_000)
    host = world.hosts[0]
    liar = host.replica.view().members[2].heard
    assert liar is not None
    lie = replace(liar.status, height=2**64 - 1, sequence=liar.status.sequence + 10)
    lie = replace(lie, signature=b"")
    asked = say(world, 2, replace(lie, signature=signature(key_of(2), lie)))
    # It is asked for what it claims.
    assert set(sent(asked, BlocksRequest)) == {(node_of(2),)}
    view = host.replica.view()
    assert not view.in_sync
    assert view.target == view.tip == host.tip.height
    assert max(peer.height for peer in view.peers) == 2**64 - 1, "the peer's own words are shown"


def test_announcements_are_counted_by_what_they_name() -> None:
    world = world_of()
    replica = world.hosts[0].replica
    decide(world)
    digests = tuple(number.to_bytes(32, "little") for number in range(1_024))
    reasons: list[str] = []
    for _ in range(module.DIGESTS_PER_SECOND // 1_024):
        reasons += penalties(replica.handle(events.Received(node_of(1), BatchHave(digests))))
    assert "flood of announcements of batches" not in reasons
    over = replica.handle(events.Received(node_of(2), BatchHave(digests[:1])))
    assert penalties(over) == []
    for _ in range(2):
        reasons += penalties(replica.handle(events.Received(node_of(1), BatchHave(digests[:1]))))
    assert reasons.count("flood of announcements of batches") <= 1
    assert reasons


@pytest.mark.parametrize(
    ("message", "limit", "what"),
    [
        (BlockWanted(1), module.WISHES_PER_SECOND, "wishes for blocks"),
        (Transactions(b""), module.TRANSACTIONS_PER_SECOND, "transactions"),
    ],
)
def test_floods_are_reported_once_a_second(message: PeerMessage, limit: int, what: str) -> None:
    world = world_of()
    host = world.hosts[0]
    replica = host.replica
    reasons: list[str] = []
    for _ in range(limit + 50):
        reasons += penalties(replica.handle(events.Received(node_of(1), message)))
    assert [one for one in reasons if one.startswith("flood")] == [f"flood of {what}"]


def test_messages_of_strangers_are_dropped() -> None:
    world = world_of()
    before = world.hosts[0].replica.view()
    assert world.hosts[0].replica.handle(events.Received(b"?" * 32, BlockWanted(2**60))) == []
    assert world.hosts[0].replica.view() == before


# --- statuses -----------------------------------------------------------------------------------


def status_of(
    world: World, member: int, sequence: int, node: bytes | None = None, **fields: object
) -> Status:
    base = Status(
        node=node_of(member) if node is None else node,
        name=f"v{member}",
        organisation=f"org{member}",
        validator=member,
        sequence=sequence,
        time=START,
        height=world.hosts[member].tip.height,
        digest=b"d" * 32,
        state_root=b"s" * 32,
        round=0,
        pool=0,
        certificate_days=9,
        links=tuple(Link(node_of(other), 1) for other in range(4) if other != member),
    )
    drawn = replace(base, **fields)  # type: ignore[arg-type]
    return replace(drawn, signature=signature(key_of(member), drawn))


def heard_of(host: Host, member: int) -> Status:
    heard = host.replica.view().members[member].heard
    assert heard is not None
    return heard.status


def test_statuses_ascend_and_a_lower_height_bans() -> None:
    world = world_of()
    decide(world, 2)
    newest = heard_of(world.hosts[0], 2).sequence
    height = world.hosts[2].tip.height
    assert say(world, 2, status_of(world, 2, newest, height=height)) == []
    assert heard_of(world.hosts[0], 2).certificate_days == 0
    say(world, 2, status_of(world, 2, newest + 1, height=height))
    assert heard_of(world.hosts[0], 2).certificate_days == 9
    actions = say(world, 2, status_of(world, 2, newest + 2, height=height - 1))
    assert [a.ban for a in actions if isinstance(a, events.PenalisePeer)] == [True]


def test_a_member_cannot_take_anothers_place_by_its_status() -> None:
    """Member 3 signs a status that names the node of member 2, and relays it through itself."""
    world = world_of()
    host = world.hosts[0]
    stolen = status_of(world, 3, 2**60, node=node_of(2))
    say(world, 3, stolen)
    members = {peer.peer: peer.member for peer in host.replica.view().peers}
    assert members == {node_of(index): index for index in (1, 2, 3)}
    newest = heard_of(host, 2).sequence
    say(world, 2, status_of(world, 2, newest + 1))
    assert heard_of(host, 2).sequence == newest + 1


def test_an_unsigned_status_counts_only_on_its_own_connection() -> None:
    world = world_of()
    lie = replace(status_of(world, 2, 2**60), signature=b"\0" * 64)
    say(world, 1, lie)
    assert heard_of(world.hosts[0], 2).sequence < 2**60
    stranger = Status(b"o" * 32, "o", "o", None, 1, 0, 0, b"", b"", 0, 0, 0, ())
    assert say(world, 1, stranger) == []
    assert world.hosts[0].replica.view().observers == ()


def test_a_status_is_relayed_once_to_those_without_a_link() -> None:
    ring = world_of(links=RING)
    linked = tuple(Link(node_of(other), 1) for other in (0, 2))
    newest = heard_of(ring.hosts[0], 1).sequence
    fresh = status_of(ring, 1, newest + 1, links=linked)
    assert sent(say(ring, 1, fresh), Status) == [(node_of(3),)]
    assert sent(say(ring, 1, fresh), Status) == []
    # Every member is heard of, though not every one is connected.
    members = ring.hosts[0].replica.view().members
    assert [member.heard is not None for member in members[1:]] == [True] * 3
    assert [member.connected for member in members] == [False, True, False, True]


def test_too_many_links_are_refused() -> None:
    world = world_of()
    many = tuple(Link(bytes([0]) * 31 + bytes([n % 256]), n) for n in range(LINKS_MAX + 1))
    assert penalties(say(world, 2, status_of(world, 2, 2**60, links=many))) == [
        "a status with too many links"
    ]


# --- what `bubi why` sees -----------------------------------------------------------------------


def test_the_view_names_who_is_missing() -> None:
    world = world_of()
    decide(world)
    world.crash(1)
    world.crash(2)
    world.hosts[0].submit(99)
    world.run(20_000)
    view = world.hosts[0].replica.view()
    assert view.height == 2 and view.work and view.quorum == 3
    assert [m.name for m in view.members if not m.connected and not m.own] == ["v1", "v2"]
    assert view.members[1].heard is not None and view.members[1].heard.seconds_ago >= 15
    assert view.members[3].heard is not None and view.members[3].heard.seconds_ago <= 6
    assert view.quiet_seconds >= 19
    assert view.progress is not None and {entry[0] for entry in view.progress.seen} == {0, 3}
    assert view.own_unordered == 1


def test_a_silent_guard_shows() -> None:
    world = world_of()
    decide(world)
    world.crash(1)
    world.hosts[1].disk.mirror = b"damaged"
    world.restart(1)
    assert world.hosts[1].replica.view().silent is not None
    world.hosts[0].submit(3)
    assert world.until(lambda: 3 in world.ordered(1), 20_000)
