"""Runs the same blocks through the model and the Rust core and lists every difference.

The binding takes bodies with the keys whose signatures are taken as verified, so that no
transaction needs a signature.
"""

import importlib
from collections.abc import Sequence
from itertools import chain, repeat
from typing import Any

from . import values as v
from .bcs import decode, encode
from .generator import BlockInput, Statistics
from .ledger import Ledger

Outcome = tuple[bytes, list[bytes], list[list[bytes]], list[str]]


def run_model(
    genesis: bytes, blocks: list[BlockInput], rounds: Sequence[int] = ()
) -> list[Outcome]:
    """Outcome, receipts, events and skip reasons of each block, by the model.

    `rounds` are the rounds of the parents that the headers record, 0 where it ends.
    """
    ledger = Ledger(genesis)
    results = []
    for (time, batches), parent_round in zip(blocks, chain(rounds, repeat(0)), strict=False):
        result = ledger.execute(time, batches, parent_round)
        results.append(
            (
                encode(result.outcome),
                [encode(receipt) for receipt in result.receipts],
                [[encode(event) for event in events] for events in result.events],
                [skip.reason for skip in result.skipped],
            )
        )
    return results


def run_core(
    genesis: bytes, blocks: list[BlockInput], rounds: Sequence[int] = ()
) -> list[Outcome]:
    """The same by the Rust core, which has to be built."""
    binding: Any = importlib.import_module("bubi._core")
    plain = [
        (time, [[(one.body, sorted(one.keys)) for one in batch] for batch in batches])
        for time, batches in blocks
    ]
    return [
        (bytes(outcome), list(map(bytes, receipts)), [list(map(bytes, e)) for e in events], skips)
        for outcome, receipts, events, skips in binding.ledger_model_run(
            genesis, plain, list(rounds)
        )
    ]


def run_both(
    genesis: bytes, blocks: list[BlockInput], rounds: Sequence[int] = ()
) -> tuple[list[str], list[Outcome]]:
    """Differences in words, of the first block that differs, and what the core produced."""
    core = run_core(genesis, blocks, rounds)
    return differences(core, run_model(genesis, blocks, rounds)), core


def differences(core: list[Outcome], model: list[Outcome]) -> list[str]:
    """Differences of the first block that differs; an empty list if there is none."""
    if len(core) != len(model):
        return [f"the core has {len(core)} blocks, the model {len(model)}"]
    for height, (theirs, ours) in enumerate(zip(core, model, strict=True), 1):
        if theirs != ours:
            return [f"height {height}: {line}" for line in _differences(theirs, ours)]
    return []


def count(total: Statistics, blocks: list[BlockInput], outcomes: list[Outcome]) -> None:
    """Adds codes, skip reasons and operations of what a run produced."""
    for (_, batches), (_, encoded, _, skips) in zip(blocks, outcomes, strict=True):
        receipts = [decode(v.Receipt, one) for one in encoded]
        codes = {(r.batch, r.index): r.code for r in receipts if r.transaction != bytes(32)}
        total.codes.update(v.Code(code) for code in codes.values())
        total.skips.update(skips)
        for number, batch in enumerate(batches):
            for index, one in enumerate(batch):
                final = codes.get((number, index)) == v.Code.FINAL
                total.operations[final] += len(decode(v.Body, one.body).operations)


def _differences(core: Outcome, model: Outcome) -> list[str]:
    lines = []
    if core[3] != model[3]:
        lines.append(f"skip reasons: core {core[3]}, model {model[3]}")
    for what, theirs, ours in (("receipt", core[1], model[1]), ("events", core[2], model[2])):
        if len(theirs) != len(ours):
            lines.append(f"{what}: core has {len(theirs)}, model {len(ours)}")
        for index, (one, other) in enumerate(zip(theirs, ours, strict=False)):
            if one != other:
                lines.append(f"{what} {index}: core {_hex(one)}, model {_hex(other)}")
    return lines or [f"outcome: core {core[0].hex()}, model {model[0].hex()}"]


def _hex(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else [part.hex() for part in value]
