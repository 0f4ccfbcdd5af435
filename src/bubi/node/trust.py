"""The trust file.

What a verifier must know beforehand to check proofs of this network without asking it.
"""

from pathlib import Path
from typing import Any

from bubi import core
from bubi.ledger import set_quorum
from bubi.node.files import write_json

SUITES = {core.Suite.STANDARD: "standard", core.Suite.NATIONAL: "national"}
PREFIXES = {"main": "bubi", "test": "bubitest", "development": "bubidev"}


def trust_document(genesis: bytes) -> dict[str, Any]:
    """The trust file of a network, from its genesis."""
    fields = core.decode_json(core.genesis_to_json(genesis))["v1"]
    suite = core.Suite[str(fields["suite"]).upper()]
    validators = fields["validators"]["v1"]
    chain_id = core.chain_id(genesis).hex()
    document = {
        "schema": 1,
        "chain_id": chain_id,
        # The same: a chain is named by the hash of its genesis.
        "genesis_hash": chain_id,
        "name": fields["name"],
        "kind": fields["kind"],
        "prefix": PREFIXES[fields["kind"]],
        "suite": SUITES[suite],
        "validator_set": core.validator_set_from_json(
            core.encode_json(fields["validators"])
        ).hex(),
        "validators": validators["validators"],
        "quorum": set_quorum(validators),
    }
    if fields["predecessor"] is not None:
        # Where an era began anew: proofs from before need the trust file of that chain.
        document["predecessor"] = fields["predecessor"]
    return document


def write_trust(path: Path, genesis: bytes) -> dict[str, Any]:
    """Writes the trust file and returns its content."""
    document = trust_document(genesis)
    write_json(path, document)
    return document
