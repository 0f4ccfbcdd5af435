"""Bubi: several organisations keep one ledger together."""

import os

# The allocator of the core reads this once, when the core is loaded: milliseconds that it keeps
# memory which nothing uses. A block frees what the next one needs again: given back to the system
# after the usual second, pages are cleared ever anew, a sixth of all processor time under load.
os.environ.setdefault("MIMALLOC_PURGE_DELAY", "60000")
