"""The end of a process that may not trust its disk any more."""

import contextlib
import os
import sys
from typing import NoReturn

from bubi import core

FATAL_EXIT = 1
WHAT_FAILED = {"storage_failed": "the disk failed", "damaged": "the ledger is damaged"}


def exit_at_once(error: core.StorageFatal | core.Damaged) -> NoReturn:
    """Ends the process.

    After a failed write or sync nothing in memory may be trusted to reach the disk.
    """
    what = WHAT_FAILED.get(core.error_code(error), "the node found a contradiction")
    text = (
        f"bubi: {what}: {core.error_detail(error)}. The node stopped at once. Check the "
        "disk, run `bubi node check`, then start again.\n"
    )
    # The message may go to a file on the same disk.
    with contextlib.suppress(OSError):
        sys.stderr.write(text)
        sys.stderr.flush()
    os._exit(FATAL_EXIT)
