"""Passwords: Argon2id, off the event loop, at most two at a time."""

import asyncio

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

LENGTH_MIN, LENGTH_MAX = 10, 256
AT_ONCE = 2
_HASHER = PasswordHasher(time_cost=3, memory_cost=65_536, parallelism=1)
_NOBODY = _HASHER.hash("nobody has this password")


def acceptable(password: str) -> bool:
    """Whether it may be anybody's: long enough, and not one character again and again."""
    return LENGTH_MIN <= len(password) <= LENGTH_MAX and len(set(password)) >= 4


def hashed(password: str) -> str:
    """What is stored."""
    return _HASHER.hash(password)


class Passwords:
    """Checks passwords in other threads."""

    def __init__(self) -> None:
        self._room = asyncio.Semaphore(AT_ONCE)

    async def hash(self, password: str) -> str:
        """What is stored."""
        async with self._room:
            return await asyncio.to_thread(hashed, password)

    async def agrees(self, stored: str | None, password: str) -> bool:
        """Whether it is the password; a user without one takes as long as any other."""
        async with self._room:
            agreed = await asyncio.to_thread(_verify, stored or _NOBODY, password)
        return agreed and stored is not None


def _verify(stored: str, password: str) -> bool:
    try:
        return _HASHER.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False
