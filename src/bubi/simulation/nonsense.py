"""What makes no sense: small changes of real messages, and noise. A correct node refuses it."""

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

from bubi import messages
from bubi.consensus.engine import ConsensusMessage, VoteMessage
from bubi.consensus.guard import Phase, VoteRequest

Sign = Callable[[VoteRequest], VoteMessage]
"""Signs with the key of a faulty member whatever it is asked."""


def garbage(  # noqa: PLR0911 - one line per kind of nonsense
    recent: ConsensusMessage | None, height: int, sign: Sign, random: Random
) -> messages.PeerMessage | None:
    """Nonsense of the right shape, in place of `recent` if something was heard at this height.

    None for a frame that the decoder refuses, as it would at the transport.
    """
    choice = random.randrange(7)
    if choice == 0:
        return messages.BatchHave(tuple(random.randbytes(32) for _ in range(8)))
    if choice == 1:
        return messages.BatchWant(tuple(random.randbytes(32) for _ in range(8)))
    if choice == 2:
        first = random.randrange(height + 5)
        return messages.BlocksRequest(random.randrange(100), first, first + 10_000)
    if choice == 3:
        return messages.BatchBody(random.randbytes(32), random.randbytes(90), b"\x00")
    if recent is None:
        return messages.BlockWanted(random.randrange(1 << 62))
    if choice == 4:
        return _noise(recent, random)
    request = _mutated(recent.signed.request, random)
    if choice == 5:
        # Somebody else's name under bytes that this key signed.
        forged = replace(sign(request), validator=recent.signed.validator)
        return messages.Consensus(forged)
    return messages.Consensus(_with_signed(recent, sign(request)))


def _mutated(request: VoteRequest, random: Random) -> VoteRequest:
    changes: list[dict[str, Any]] = [
        {"round": request.round + 1},
        {"round": max(0, request.round - 1)},
        {"round": request.round + (1 << 40)},
        {"height": request.height + 1},
        {"height": max(1, request.height - 1)},
        {"height": request.height + 1_000},
        {"epoch": request.epoch + 1},
        {"digest": random.randbytes(32)},
        {"phase": random.choice(list(Phase))},
    ]
    changed = replace(request, **random.choice(changes))
    if changed.phase is not Phase.COMMIT:
        return replace(changed, outcome=b"")
    return replace(changed, outcome=changed.outcome or random.randbytes(32))


def _noise(recent: ConsensusMessage, random: Random) -> messages.PeerMessage | None:
    """A frame with a flipped bit: most are refused by the decoder, as at the transport."""
    data = flipped(messages.encode(messages.Consensus(recent)), random)
    try:
        return messages.decode(data)
    except ValueError:
        return None


def spoilt(message: messages.Blocks, random: Random) -> messages.Blocks:
    """An answer to a request for blocks with something wrong in it."""
    at = random.randrange(len(message.blocks))
    parts = message.blocks[at]
    match random.randrange(6):
        case 0:
            changed = replace(parts, height=parts.height + 1)
        case 1:
            changed = replace(parts, certificate=flipped(parts.certificate, random))
        case 2:
            changed = replace(parts, proposal=flipped(parts.proposal, random))
        case 3:
            changed = replace(parts, headers=(), bodies=())
        case 4:
            changed = replace(parts, bodies=tuple(b"\x00" for _ in parts.bodies))
        case _:
            return replace(message, blocks=message.blocks[: at // 2])
    blocks = (*message.blocks[:at], changed, *message.blocks[at + 1 :])
    return replace(message, blocks=blocks)


def flipped(data: bytes, random: Random) -> bytes:
    """One bit of it changed; a byte if there is none."""
    if not data:
        return b"\x01"
    at = random.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :]


def _with_signed(message: ConsensusMessage, signed: VoteMessage) -> ConsensusMessage:
    if isinstance(message, VoteMessage):
        return signed
    return replace(message, signed=signed)
