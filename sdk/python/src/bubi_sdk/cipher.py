"""Authenticated ciphers: AES-256-GCM and SM4-GCM, equal to the core's `seal` and `open`."""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bubi_sdk.operations import CipherSuite

KEY_LENGTHS: Final = {CipherSuite.AES256_GCM: 32, CipherSuite.SM4_GCM: 16}
NONCE_LENGTH: Final = 12
TAG_LENGTH: Final = 16


def seal(suite: CipherSuite, key: bytes, nonce: bytes, associated: bytes, plain: bytes) -> bytes:
    """Ciphertext and tag. One key never meets one nonce twice."""
    if suite is CipherSuite.AES256_GCM:
        return AESGCM(key).encrypt(nonce, plain, associated)
    sealing = Cipher(algorithms.SM4(key), modes.GCM(nonce)).encryptor()
    sealing.authenticate_additional_data(associated)
    return sealing.update(plain) + sealing.finalize() + sealing.tag


def unseal(
    suite: CipherSuite, key: bytes, nonce: bytes, associated: bytes, sealed: bytes
) -> bytes:
    """What was sealed. Raises `cryptography.exceptions.InvalidTag` if anything is another."""
    if suite is CipherSuite.AES256_GCM:
        return AESGCM(key).decrypt(nonce, sealed, associated)
    modus = modes.GCM(nonce, sealed[-TAG_LENGTH:])
    opening = Cipher(algorithms.SM4(key), modus).decryptor()
    opening.authenticate_additional_data(associated)
    return opening.update(sealed[:-TAG_LENGTH]) + opening.finalize()
