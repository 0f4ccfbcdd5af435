"""Bubi: several organisations keep one ledger together."""
