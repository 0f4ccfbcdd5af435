"""Inputs and actions of a replica in words, for people who read a trace."""

from typing import TYPE_CHECKING, Any

from bubi import messages
from bubi.consensus.engine import (
    ConsensusMessage,
    EngineMessage,
    ProposalMessage,
    ReportEvidence,
    TimerId,
)
from bubi.consensus.guard import Phase, VoteRequest
from bubi.replica import events

if TYPE_CHECKING:
    from bubi.simulation.cluster import Cluster

_RECORDS = {2: "the accepted proposal", 3: "the guard's record", 4: "the prepared certificate"}


def _short(data: bytes) -> str:
    return data.hex()[:8]


def _request(request: VoteRequest) -> str:
    names = {
        Phase.CHANGE: "asks for",
        Phase.GRANT: "supports the leader of",
        Phase.PROPOSAL: "proposes in",
        Phase.FIRST: "votes first in",
        Phase.COMMIT: "commits in",
    }
    outcome = f", outcome {_short(request.outcome)}" if request.outcome else ""
    return (
        f"{names[request.phase]} height {request.height} round {request.round}: "
        f"{_short(request.digest)}{outcome}"
    )


def _consensus(message: ConsensusMessage) -> str:
    author = f"node-{message.signed.validator + 1}"
    request = message.signed.request
    if isinstance(message, ProposalMessage) and request.phase is Phase.GRANT:
        shown = f"with a proposal of {len(message.payload)} batches" if message.proposal else ""
        return f"{author} {_request(request)} {shown}".rstrip()
    if isinstance(message, ProposalMessage):
        justified = f", justified by {len(message.justification)} bytes"
        return (
            f"{author} proposes {_short(request.digest)} for height {request.height} round "
            f"{request.round} with {len(message.payload)} batches"
            + (justified if message.justification else "")
        )
    if isinstance(message, EngineMessage):
        return f"{author} sends {message.kind}, {_request(request)}, {len(message.body)} bytes"
    return f"{author} {_request(request)}"


def _message(message: messages.PeerMessage) -> str:  # noqa: PLR0911 - one line per message
    match message:
        case messages.Consensus():
            return _consensus(message.message)
        case messages.BatchBody():
            return f"batch {_short(message.digest)}"
        case messages.BatchHave():
            return f"holds batches {' '.join(map(_short, message.digests))}"
        case messages.BatchWant():
            return f"wants batches {' '.join(map(_short, message.digests))}"
        case messages.BlockWanted():
            return f"wants a block later than {message.time}"
        case messages.Transactions():
            return f"passes on {len(message.body)} bytes of transactions"
        case messages.Status():
            return f"status: height {message.height}, round {message.round}"
        case messages.BlocksRequest():
            return f"asks for blocks {message.first} to {message.last}"
        case messages.Blocks():
            heights = [parts.height for parts in message.blocks]
            return f"gives blocks {heights}"


def _timer(timer: TimerId) -> str:
    return f"{timer.kind} of height {timer.height} round {timer.round}"


def describe(cluster: "Cluster", event: Any) -> str:  # noqa: PLR0911, PLR0912, C901 - a catalogue
    """An input or action in words; empty if it says nothing to a person."""
    name = {place.peer: place.name for place in cluster.places}
    match event:
        case events.Received():
            return f"← {name[event.peer]}: {_message(event.message)}"
        case events.SendTo():
            to = "all" if len(event.peers) > 2 else " ".join(name[peer] for peer in event.peers)
            return f"→ {to}: {_message(event.message)}"
        case events.Opened():
            return f"opens at height {event.tip.height} with {len(event.records)} records"
        case events.PeerUp():
            return f"connected to {name[event.peer]}"
        case events.PeerDown():
            return f"lost {name[event.peer]}"
        case events.Elapsed():
            return "" if event.timer.height == 0 else f"timer runs out: {_timer(event.timer)}"
        case events.Proposed():
            return f"made proposal {_short(event.digest)} for height {event.height}"
        case events.ProposalChecked():
            verdict = "good" if event.valid else f"refused: {event.reason}"
            return f"checked {_short(event.digest)}: {verdict}"
        case events.ProposalExecuted():
            outcome = f"could not ({event.reason})"
            if event.outcome is not None:
                outcome = f"outcome {_short(event.outcome)}"
            return f"executed {_short(event.digest)}: {outcome}"
        case events.Sign():
            return f"signs: {_request(event.request)}"
        case events.Append():
            return f"appends {_RECORDS.get(event.kind, str(event.kind))}"
        case events.SyncLog():
            return "syncs the log"
        case events.LogSynced():
            return "the log is durable"
        case events.Commit():
            return f"has a certificate: {_request(event.certificate.request)}"
        case events.ApplyBlock():
            return f"applies block {event.parts.height} of others"
        case events.ApplyFailed():
            return f"block {event.height} of others is wrong: {event.reason}"
        case events.Committed():
            return f"DECIDED height {event.tip.height}, root {_short(event.tip.state_root)}"
        case events.PenalisePeer():
            return (
                f"{'bans' if event.ban else 'counts against'} {name[event.peer]}: {event.reason}"
            )
        case ReportEvidence():
            first = event.first
            author = cluster.checkers.author(first.request.epoch, first.validator)
            who = f"member {first.validator}" if author is None else cluster.places[author].name
            return f"EVIDENCE against {who}"
        case events.Alarm():
            return f"ALARM {event.code}: {event.text}"
        case events.Halt():
            return f"HALTS, {event.code}: {event.text}"
    return ""
