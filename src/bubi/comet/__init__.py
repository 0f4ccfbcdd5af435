"""CometBFT as the engine: the ledger as its application.

`server` speaks ABCI 2.0 over a local socket, `application` answers with the ledger, `payload` is
what stands in a block of CometBFT, `rpc` fetches light blocks, `home` makes the folder of a
CometBFT process. Normative: spec/consensus/cometbft.md.
"""

from bubi.comet.payload import ENGINE

__all__ = ["ENGINE"]
