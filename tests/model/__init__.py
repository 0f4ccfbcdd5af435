"""Reference model of the ledger, written from spec/ledger.md and spec/encoding.md alone."""
