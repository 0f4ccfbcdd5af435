from __future__ import annotations

import pytest
from bubi_sdk import Algorithm, PublicKey, SecretKey, accelerator, sm2


def test_the_compiled_core_gives_the_same_results() -> None:
    if accelerator.core() is None:
        pytest.skip("the compiled core is not installed")
    for number in range(20):
        key = SecretKey.generate(Algorithm.SM2)
        message = bytes(number)
        slow = sm2.sign(int.from_bytes(key.secret_bytes, "big"), message)
        assert key.sign(message) == slow
        assert key.public_key.verify(message, slow)
        damaged = slow[:-1] + bytes([slow[-1] ^ 1])
        assert not key.public_key.verify(message, damaged)
        assert not key.public_key.verify(message + b"x", slow)


def test_keys_of_a_wrong_form_never_verify() -> None:
    """Whoever answers, the core or this library: a verdict, not an error."""
    for raw in (b"\x02" + b"\xff" * 32, bytes(33), b"\x04" + bytes(32)):
        assert not PublicKey.of(Algorithm.SM2, raw).verify(b"m", bytes(64))
        assert not PublicKey.of(Algorithm.P256, raw).verify(b"m", bytes(64))
