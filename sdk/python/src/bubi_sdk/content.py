"""Content of records that only holders of a key can read.

The ledger keeps the ciphertext and cannot open it. Who is given the key can read; the key stays
with the caller, and a lost key is lost content. The ciphertext is bound to its chain, namespace
and record key, so that it opens nowhere else; the record's version is not bound.

Nonces are made here, at random, for each call; a caller cannot choose one. A key may serve many
records, at most 2^32 contents in its life (NIST SP 800-38D, section 8.3).
"""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag

from bubi_sdk import hashes, limits
from bubi_sdk.cipher import KEY_LENGTHS, NONCE_LENGTH, TAG_LENGTH, seal, unseal
from bubi_sdk.codec import at_most
from bubi_sdk.errors import ContentUnreadable, InvalidInput
from bubi_sdk.network import IdLike, Network, identifier
from bubi_sdk.operations import CipherContent, CipherSuite

PLAIN_MAX = limits.RECORD_CONTENT_BYTES_MAX - NONCE_LENGTH - TAG_LENGTH
"""Most bytes that one record can hold encrypted."""


def new_content_key(suite: CipherSuite = CipherSuite.AES256_GCM) -> bytes:
    """A random key for `encrypt_content`: 32 bytes, for SM4 16. Whoever has it can read."""
    return os.urandom(KEY_LENGTHS[suite])


def encrypt_content(
    network: Network,
    namespace: IdLike,
    key: str,
    plain: bytes,
    content_key: bytes,
    suite: CipherSuite = CipherSuite.AES256_GCM,
) -> CipherContent:
    """Ciphertext for the record `key` of `namespace`, ready for `put_record(content=...)`.

    The digest beside it is public: use a salted one if the content could be guessed.
    """
    _check_key(suite, content_key)
    at_most(PLAIN_MAX, "content", len(plain))
    nonce = os.urandom(NONCE_LENGTH)
    associated = associated_data(network, namespace, key)
    return CipherContent(suite, nonce + seal(suite, content_key, nonce, associated, plain))


def decrypt_content(
    network: Network,
    namespace: IdLike,
    key: str,
    content: CipherContent,
    content_key: bytes,
) -> bytes:
    """The content of a record.

    Raises:
        ContentUnreadable: another key, another record, or the ciphertext was changed.
    """
    _check_key(content.suite, content_key)
    nonce, sealed = content.bytes[:NONCE_LENGTH], content.bytes[NONCE_LENGTH:]
    if len(sealed) < TAG_LENGTH:
        raise ContentUnreadable("the ciphertext is shorter than nonce and tag")
    associated = associated_data(network, namespace, key)
    try:
        return unseal(content.suite, content_key, nonce, associated, sealed)
    except InvalidTag:
        raise ContentUnreadable("this key does not open the content of this record") from None


def associated_data(network: Network, namespace: IdLike, key: str) -> bytes:
    """What the ciphertext is bound to (spec/encoding.md, section 4)."""
    return hashes.CONTENT + network.chain_id + identifier(namespace) + key.encode()


def _check_key(suite: CipherSuite, content_key: bytes) -> None:
    length = KEY_LENGTHS[suite]
    if not isinstance(content_key, bytes) or len(content_key) != length:
        raise InvalidInput(f"a content key for {suite.value} has {length} bytes")
