"""The files of a recorded chain: genesis, blocks as nodes hand them on, what came of them."""

import hashlib
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bubi import core
from bubi.applying import Applying
from bubi.messages import BlockParts

FOLDER = Path(__file__).resolve().parent
_LENGTH = struct.Struct("<I")


def releases() -> list[str]:
    """Releases that have recorded chains."""
    return sorted({path.parent.name for path in chains()})


def chains() -> list[Path]:
    """Folders of the recorded chains, `release/name`."""
    return sorted(path.parent for path in FOLDER.glob("*/*/genesis.bin"))


def parts_of(chain: core.Chain, height: int) -> bytes:
    """A block in bytes: proposal, certificate, number of batches, per batch header and body.

    Each part stands behind its length, as the number a little-endian u32.
    """
    found = chain.block_parts(height)
    assert found is not None
    proposal, certificate, headers, bodies = found
    pairs = [part for pair in zip(headers, bodies, strict=True) for part in pair]
    first, rest = [proposal, certificate], pairs
    return b"".join(
        [
            *(_LENGTH.pack(len(part)) + part for part in first),
            _LENGTH.pack(len(headers)),
            *(_LENGTH.pack(len(part)) + part for part in rest),
        ]
    )


def blocks_of(data: bytes) -> Iterator[BlockParts]:
    """The blocks of a file."""
    at = height = 0

    def number() -> int:
        nonlocal at
        at += _LENGTH.size
        return int(_LENGTH.unpack_from(data, at - _LENGTH.size)[0])

    def part() -> bytes:
        nonlocal at
        length = number()
        at += length
        assert at <= len(data), "the file is cut"
        return data[at - length : at]

    while at < len(data):
        height += 1
        proposal, certificate = part(), part()
        pairs = [(part(), part()) for _ in range(number())]
        headers, bodies = [one for one, _ in pairs], [one for _, one in pairs]
        yield BlockParts(height, proposal, certificate, tuple(headers), tuple(bodies))


def outcome_of(chain: core.Chain, height: int) -> dict[str, Any]:
    """What came of a block: roots, codes of its receipts, digest of the whole record."""
    text, record = chain.block_json(height, True), chain.block_bytes(height)
    assert text is not None
    assert record is not None
    shown = core.decode_json(text)
    return {
        "height": height,
        "time": int(shown["time"]),
        "state_root": shown["state_root"],
        "receipt_root": shown["receipt_root"],
        "codes": [one["code"] for one in shown["transactions"]],
        "record": hashlib.sha256(record).hexdigest(),
    }


def apply(chain: core.Chain, parts: BlockParts) -> None:
    """Checks, executes and commits a block as a node does that is behind."""
    applying = Applying(chain, parts, {})
    applying.run()
    assert not applying.diverges, f"height {parts.height}: the core came to another outcome"


def expected_of(folder: Path) -> list[dict[str, Any]]:
    """What came of each block when it was recorded."""
    lines = (folder / "expected.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]
