"""Encrypted content of records: bound to its place, opened by its key only."""

from __future__ import annotations

import pytest
import samples
from bubi_sdk import (
    CipherContent,
    CipherSuite,
    ContentUnreadable,
    InvalidInput,
    Network,
    decrypt_content,
    encrypt_content,
    new_content_key,
)
from bubi_sdk.content import PLAIN_MAX
from bubi_sdk.errors import TooLarge

NETWORK = Network(samples.CHAIN, samples.PREFIX)
SUITES = list(CipherSuite)


@pytest.mark.parametrize("suite", SUITES)
def test_what_is_encrypted_comes_back(suite: CipherSuite) -> None:
    key = new_content_key(suite)
    for plain in (b"", b"x", bytes(PLAIN_MAX)):
        made = encrypt_content(NETWORK, samples.NAMESPACE, "k", plain, key, suite)
        assert decrypt_content(NETWORK, samples.NAMESPACE, "k", made, key) == plain
        assert len(made.bytes) == len(plain) + 28
    nonces = {
        encrypt_content(NETWORK, samples.NAMESPACE, "k", b"", key, suite).bytes[:12]
        for _ in range(100)
    }
    assert len(nonces) == 100


@pytest.mark.parametrize("suite", SUITES)
def test_it_opens_nowhere_else(suite: CipherSuite) -> None:
    key = new_content_key(suite)
    made = encrypt_content(NETWORK, samples.NAMESPACE, "k", b"secret", key, suite)
    elsewhere = Network(bytes(32), samples.PREFIX)
    flipped = bytearray(made.bytes)
    flipped[12] ^= 1
    for network, namespace, name, content, secret in (
        (elsewhere, samples.NAMESPACE, "k", made, key),
        (NETWORK, samples.HOLD, "k", made, key),
        (NETWORK, samples.NAMESPACE, "l", made, key),
        (NETWORK, samples.NAMESPACE, "k", made, new_content_key(suite)),
        (NETWORK, samples.NAMESPACE, "k", CipherContent(suite, bytes(flipped)), key),
        (NETWORK, samples.NAMESPACE, "k", CipherContent(suite, made.bytes[:-1]), key),
        (NETWORK, samples.NAMESPACE, "k", CipherContent(suite, made.bytes[:20]), key),
    ):
        with pytest.raises(ContentUnreadable):
            decrypt_content(network, namespace, name, content, secret)


def test_keys_of_another_length_and_too_much_content_are_refused() -> None:
    for suite, length in ((CipherSuite.AES256_GCM, 16), (CipherSuite.SM4_GCM, 32)):
        with pytest.raises(InvalidInput):
            encrypt_content(NETWORK, samples.NAMESPACE, "k", b"", bytes(length), suite)
    with pytest.raises(TooLarge):
        encrypt_content(NETWORK, samples.NAMESPACE, "k", bytes(PLAIN_MAX + 1), new_content_key())
