"""How much disk a measurement takes, from what nodes were seen to write.

Measured with transfers of 246 bytes in blocks of 150 to 300, on one node alone and on each of four
validators: the log grows by 456 bytes per transfer. Opening an account takes 273 bytes of log and
319 of state; while 100,000 of them changed, runs took at most 2.4 times as much. The index takes
20 bytes per transaction.
"""

from __future__ import annotations

from typing import Final

LOG_BYTES: Final = 550
"""A transfer in the log: its bytes, receipt and changes, and its share of a small block."""
INDEX_BYTES: Final = 40
"""A transaction in the index by hash: 20 bytes, and as much again while two files become one."""
OPENING_BYTES: Final = 273
"""An account that is opened, in the log."""
STATE_BYTES: Final = 320
"""An account in a run of the state store."""
STATE_COPIES: Final = 3
"""A run, the one it is being merged into, and younger ones as large as it together."""
CONTENT_COPIES: Final = 2 + STATE_COPIES
"""What a transaction carries beyond a transfer, and the state keeps: in log and state."""
SPARE: Final = 1.2
"""Segments, files that end on whole pages, guard files, the logs of processes."""


def needed(
    *, nodes: int, accounts: int, transactions: int, presigned: int, size: int, kept: int
) -> int:
    """Bytes that a measurement may have on the disk at its fullest.

    Args:
        nodes: Validators, each with all of it.
        accounts: Accounts opened.
        transactions: All that may become final.
        presigned: Of them, what waits signed in files at once.
        size: Bytes of one.
        kept: Bytes that one adds to the state.
    """
    log = LOG_BYTES + INDEX_BYTES + kept * CONTENT_COPIES
    account = OPENING_BYTES + STATE_BYTES * STATE_COPIES
    ledgers = nodes * (transactions * log + accounts * account)
    return int(SPARE * (ledgers + presigned * size))
