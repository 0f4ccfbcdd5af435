"""Files that a node keeps outside the store.

Written whole or not at all, secrets for the owner's eyes only.
"""

import json
import os
import stat
from pathlib import Path
from typing import Any

from bubi import core
from bubi.ledger import ALGORITHMS

SECRET_MODE = 0o600
PUBLIC_MODE = 0o644


class FileError(Exception):
    """A file of the node is missing, exposed or malformed; the message names it and the cure."""


def write_file(path: Path, data: bytes, mode: int = PUBLIC_MODE) -> None:
    """Writes a new file with its final mode, durable on return.

    Raises:
        FileError: it exists or cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        msg = f"{path} exists and is not overwritten: choose another folder or remove it yourself"
        raise FileError(msg) from None
    except OSError as error:
        msg = f"{path} cannot be written: {error}"
        raise FileError(msg) from error
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def write_json(path: Path, document: Any) -> None:
    """Writes a document for people and programs."""
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    write_file(path, text.encode())


def write_key(path: Path, algorithm: str, secret: bytes) -> None:
    """Writes a secret key as one line `algorithm:hex`, mode 0600."""
    write_file(path, f"{algorithm}:{secret.hex()}\n".encode(), SECRET_MODE)


def read_secret(path: Path) -> bytes:
    """Content of a file with a key.

    Raises:
        FileError: it is missing, or readable by others.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        data = path.read_bytes()
    except OSError as error:
        msg = f"{path}: the key cannot be read: {error}"
        raise FileError(msg) from error
    if mode & 0o077:
        msg = f"{path} is readable by others (mode {mode:04o}): run `chmod 600 {path}`"
        raise FileError(msg)
    return data


def read_key(path: Path) -> core.SigningKey:
    """Reads a secret key.

    Raises:
        FileError: it is missing, readable by others, or malformed.
    """
    text = read_secret(path).decode("ascii", "replace")
    algorithm, _, digits = text.strip().partition(":")
    try:
        return core.SigningKey.from_bytes(ALGORITHMS[algorithm], bytes.fromhex(digits))
    except (KeyError, ValueError, core.CoreError):
        msg = f"{path} is not a key file: expected one line `ed25519:` and hex digits"
        raise FileError(msg) from None


def key_json(tagged: bytes) -> dict[str, str]:
    """A public key's tagged bytes in JSON form."""
    name = next(name for name, algorithm in ALGORITHMS.items() if algorithm == tagged[0])
    return {name: tagged[1:].hex()}


def read_genesis(path: Path) -> bytes:
    """The encoded genesis.

    Raises:
        FileError: it cannot be read, or is not a genesis.
    """
    data = read_bytes(path, "genesis")
    try:
        core.genesis_to_json(data)
    except core.CoreError as error:
        msg = (
            f"{path} is not a genesis file ({core.error_detail(error)}): "
            "restore it from another node or a backup"
        )
        raise FileError(msg) from None
    return data


def read_bytes(path: Path, what: str) -> bytes:
    """Content of a file that must be there.

    Raises:
        FileError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        msg = f"{path}: the {what} cannot be read: {error}"
        raise FileError(msg) from error
