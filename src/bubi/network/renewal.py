"""The files of the own certificate: noticed when they are replaced."""

from dataclasses import dataclass, field
from pathlib import Path

_Stamp = tuple[int, int, int] | None
"""What changes when a file is replaced; None where there is none."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What certificate and key were when they were read, as PEM. The key is never shown."""

    certificate: bytes
    key: bytes = field(repr=False)


class OwnFiles:
    """Certificate and key on the disk."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._paths = (certificate, key)
        self._seen = self._stamps()

    def replaced(self) -> bool:
        """Whether one of them changed since this was asked last, or since the start.

        Asked before they are read: what changes while they are is noticed the next time.
        """
        before, self._seen = self._seen, self._stamps()
        return self._seen != before

    def read(self) -> Identity:
        """What they hold now.

        Raises:
            OSError: If one cannot be read.
        """
        certificate, key = self._paths
        return Identity(certificate.read_bytes(), key.read_bytes())

    def _stamps(self) -> tuple[_Stamp, ...]:
        return tuple(_stamp(path) for path in self._paths)


def _stamp(path: Path) -> _Stamp:
    try:
        found = path.stat()
    except OSError:
        # Why it cannot be used is told by whoever reads it next.
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
