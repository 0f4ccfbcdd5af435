"""Writes the folder of the CometBFT process of a node."""

import re
import secrets
from pathlib import Path
from typing import Any, Final

from bubi.comet import home
from bubi.node.files import SECRET_MODE, read_secret, write_file

FOLDER: Final = "cometbft"
"""Folder of CometBFT below that of the node."""
NODE_KEY: Final = "node_key.json"
_NODE_ID: Final = re.compile("[0-9a-f]{40}")


def new_node_key(directory: Path) -> str:
    """Makes the node key of CometBFT; by what others know it.

    Raises:
        FileError: it cannot be written.
    """
    folder = directory / FOLDER / "config"
    folder.mkdir(parents=True, mode=0o700)
    secret = secrets.token_bytes(32)
    write_file(folder / NODE_KEY, home.node_key(secret), SECRET_MODE)
    return home.node_id(secret)


def checked_node_id(text: Any) -> str | None:
    """An id of a CometBFT node, or None.

    Raises:
        ValueError: it is something else.
    """
    if text is None:
        return None
    if not isinstance(text, str) or not _NODE_ID.fullmatch(text):
        raise ValueError("comet_node is no id of a CometBFT node")
    return text


def write_home(directory: Path, genesis: bytes, name: str, settings: home.HomeSettings) -> None:
    """Completes the folder whose node key is there already.

    Raises:
        FileError: a file exists, cannot be read or written.
    """
    text = read_secret(directory / "validator.key").decode("ascii", "replace")
    secret = bytes.fromhex(text.strip().partition(":")[2])
    config, data = directory / FOLDER / "config", directory / FOLDER / "data"
    data.mkdir(mode=0o700)
    write_file(config / "priv_validator_key.json", home.validator_key(secret), SECRET_MODE)
    write_file(data / "priv_validator_state.json", home.validator_state(), SECRET_MODE)
    write_file(config / "genesis.json", home.genesis_document(genesis))
    write_file(config / "config.toml", home.config_document(name, settings))
