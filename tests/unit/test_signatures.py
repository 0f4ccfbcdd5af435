"""What peers sign is checked without trust in its form."""

from bubi import core
from bubi.consensus.engine import Configuration, Member, VoteMessage
from bubi.consensus.guard import Phase, VoteRequest
from bubi.ledger import CoreSignatures, vote_bytes
from bubi.messages import Status

CHAIN = bytes(32)
KEY = core.SigningKey.generate(0, b"\1" * 32)
MEMBERS = (Member(0, "node1", "organisation1", KEY.public_key, 1),)
CONFIGURATION = Configuration(0, "pbft", MEMBERS, 1, None)
REQUEST = VoteRequest(0, "pbft", 1, 0, Phase.FIRST, bytes(32))
LENGTHS = (0, 1, 63, 65, 255)


def test_a_signature_of_a_wrong_length_is_wrong_and_no_error() -> None:
    signatures = CoreSignatures(CHAIN, 0)
    good = KEY.sign(vote_bytes(CHAIN, REQUEST))
    assert signatures.verify(CONFIGURATION, VoteMessage(0, REQUEST, good))
    for length in LENGTHS:
        bad = (good * 4)[:length]
        assert not signatures.verify(CONFIGURATION, VoteMessage(0, REQUEST, bad))


def test_a_status_with_a_signature_of_a_wrong_length_is_wrong_and_no_error() -> None:
    signatures = CoreSignatures(CHAIN, 0)
    for length in LENGTHS:
        status = Status(
            node=bytes(32),
            name="node1",
            organisation="organisation1",
            validator=0,
            sequence=1,
            time=0,
            height=0,
            digest=bytes(32),
            state_root=bytes(32),
            round=0,
            pool=0,
            certificate_days=1,
            links=(),
            signature=bytes(length),
        )
        assert not signatures.verify_status(CONFIGURATION, status)
