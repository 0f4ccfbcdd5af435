"""What became of the groups of a batch, cut out of an executed block."""

from collections.abc import Sequence

from bubi import core
from bubi.mempool import Entry


def first_receipts(execution: core.Execution, places: Sequence[int]) -> list[int]:
    """Place in the block of the first receipt of each of these batches."""
    receipts = 0
    wanted = set(places)
    found: dict[int, int] = {}
    for place in range(max(wanted, default=-1) + 1):
        if place in wanted:
            found[place] = receipts
        numbers = memoryview(execution.codes(place)).cast("H")
        receipts += len(numbers)
        if core.SKIPPED in numbers:
            receipts -= sum(1 for number in numbers if number == core.SKIPPED)
    return [found[place] for place in places]


def split_codes(codes: bytes, groups: Sequence[Entry[core.Admission]]) -> list[bytes]:
    """Codes of a batch cut into those of its groups."""
    parts = []
    start = 0
    for entry in groups:
        end = start + 2 * len(entry.group)
        parts.append(codes[start:end])
        start = end
    assert start == len(codes)
    return parts
