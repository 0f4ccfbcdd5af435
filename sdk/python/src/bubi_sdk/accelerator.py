"""The compiled core, if it is installed: the same results, faster. Without it everything works."""

from __future__ import annotations

import functools
import importlib
from typing import Protocol, cast


class _SigningKey(Protocol):
    def sign(self, message: bytes) -> bytes: ...


class _SigningKeys(Protocol):
    def from_bytes(self, algorithm: int, secret: bytes) -> _SigningKey: ...


class _Core(Protocol):
    SigningKey: _SigningKeys

    def verify_vote(self, public_key: bytes, message: bytes, signature: bytes) -> bool: ...


@functools.cache
def core() -> _Core | None:
    """The compiled core, or None."""
    for name in ("bubi.core", "bubi._core"):
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        if hasattr(module, "SigningKey") and hasattr(module, "verify_vote"):
            return cast(_Core, module)
    return None


def verify(tagged_key: bytes, message: bytes, signature: bytes) -> bool | None:
    """Verdict by the strict rule; None without the core."""
    found = core()
    return None if found is None else found.verify_vote(tagged_key, message, signature)


def sign(algorithm: int, secret: bytes, message: bytes) -> bytes | None:
    """A signature; None without the core."""
    found = core()
    return None if found is None else found.SigningKey.from_bytes(algorithm, secret).sign(message)
