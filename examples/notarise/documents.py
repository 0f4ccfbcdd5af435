"""The documents below a directory, and their digests."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bubi_sdk.documents import digests_of_file, record_key
from bubi_sdk.operations import Digest, DigestAlgorithm

SUITES = {
    "sha256": (DigestAlgorithm.SHA256,),
    "sm3": (DigestAlgorithm.SM3,),
    "both": (DigestAlgorithm.SHA256, DigestAlgorithm.SM3),
}
SALTED = {
    DigestAlgorithm.SHA256: DigestAlgorithm.SALTED_SHA256,
    DigestAlgorithm.SM3: DigestAlgorithm.SALTED_SM3,
}


@dataclass(frozen=True)
class Record:
    """One digest to record."""

    digest: Digest
    key: str
    salt: bytes


@dataclass(frozen=True)
class Document:
    """A file with the digests that will be recorded for it."""

    path: str
    """Relative to the directory."""
    records: tuple[Record, ...]


@dataclass(frozen=True)
class Skipped:
    """What was found and is not notarised."""

    path: str
    reason: str


def algorithms(suite: str, *, salted: bool) -> tuple[DigestAlgorithm, ...]:
    """The digest algorithms that were asked for."""
    plain = SUITES[suite]
    return tuple(SALTED[one] for one in plain) if salted else plain


def files(directory: Path) -> Iterator[Path | Skipped]:
    """Every regular file below a directory in a fixed order; links are not followed."""

    def unreadable(error: OSError) -> None:
        problems.append(Skipped(_relative(directory, Path(error.filename)), str(error.strerror)))

    problems: list[Skipped] = []
    for folder, inner, names in os.walk(directory, onerror=unreadable):
        inner.sort()
        for name in sorted(names):
            path = Path(folder) / name
            mode = path.lstat().st_mode
            if stat.S_ISREG(mode):
                yield path
            else:
                kind = "symbolic link" if stat.S_ISLNK(mode) else "no regular file"
                yield Skipped(_relative(directory, path), kind)
    yield from problems


def document(
    directory: Path, path: Path, chosen: tuple[DigestAlgorithm, ...]
) -> Document | Skipped:
    """A file with its digests; unreadable files are reported."""
    name = _relative(directory, path)
    salts = [secrets.token_bytes(32) for one in chosen if one in SALTED.values()]
    try:
        digests = digests_of_file(path, chosen, salts)
    except OSError as error:
        return Skipped(name, str(error.strerror))
    records = [
        Record(digest, record_key(name, digest.algorithm, salt), salt)
        for digest, salt in zip(digests, salts or [b""] * len(digests), strict=True)
    ]
    return Document(name, tuple(records))


def _relative(directory: Path, path: Path) -> str:
    return path.relative_to(directory).as_posix()
