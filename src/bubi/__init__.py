"""Bubi: several organisations keep one ledger together."""

import os

# The allocator of the core reads this once, when the core is loaded. A block frees what the next
# one needs again: given back to the system after the usual second, pages are cleared ever anew.
os.environ.setdefault("MIMALLOC_PURGE_DELAY", "10000")
