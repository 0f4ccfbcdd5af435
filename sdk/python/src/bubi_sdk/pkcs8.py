"""Import and export of keys as PKCS#8 (RFC 5958), PEM or DER."""

from __future__ import annotations

import base64
import binascii
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from bubi_sdk import sm2
from bubi_sdk.errors import KeyInvalid, WrongPassword
from bubi_sdk.keys import Algorithm, SecretKey

_PEM_BEGIN: Final = b"-----BEGIN PRIVATE KEY-----"
_PEM_END: Final = b"-----END PRIVATE KEY-----"
# AlgorithmIdentifier { id-ecPublicKey, sm2p256v1 (1.2.156.10197.1.301) }, which `cryptography`
# does not know.
_SM2_ALGORITHM: Final = bytes.fromhex("301306072a8648ce3d020106082a811ccf5501822d")


def _der(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 128:
        return bytes([tag, length]) + content
    return bytes([tag, 0x81, length]) + content


def _sm2_document(secret: bytes) -> bytes:
    point = sm2.public_point(int.from_bytes(secret, "big"))
    raw = b"\x04" + point[0].to_bytes(32, "big") + point[1].to_bytes(32, "big")
    public = _der(0xA1, _der(0x03, b"\x00" + raw))
    inner = _der(0x30, _der(0x02, b"\x01") + _der(0x04, secret) + public)
    return _der(0x30, _der(0x02, b"\x00") + _SM2_ALGORITHM + _der(0x04, inner))


def _unpem(data: bytes) -> bytes:
    text = data.strip()
    if not text.startswith(_PEM_BEGIN) or not text.endswith(_PEM_END):
        return data
    try:
        return base64.b64decode(
            b"".join(text[len(_PEM_BEGIN) : -len(_PEM_END)].split()), validate=True
        )
    except binascii.Error as error:
        raise KeyInvalid("the PEM text is damaged") from error


def _load_sm2(document: bytes) -> SecretKey | None:
    """Reads a document of SM2; None if it is of another algorithm."""
    at = document.find(_SM2_ALGORITHM)
    if at not in (5, 6):
        return None
    marker = b"\x02\x01\x01\x04\x20"  # version 1, OCTET STRING of 32 bytes
    start = document.find(marker, at)
    if start < 0 or len(document) < start + len(marker) + 32:
        raise KeyInvalid("an SM2 key in a form that is not RFC 5915")
    start += len(marker)
    return SecretKey(Algorithm.SM2, document[start : start + 32])


def load(data: bytes, password: bytes | None = None) -> SecretKey:
    """Reads a PKCS#8 key.

    Encrypted SM2 documents are not supported; use a keystore file for those.
    """
    found = _load_sm2(_unpem(data))
    if found is not None:
        return found
    pem = data.lstrip().startswith(b"-----BEGIN")
    read = serialization.load_pem_private_key if pem else serialization.load_der_private_key
    try:
        key = read(data, password)
    except TypeError as error:  # password given for an open key, or missing for an encrypted one
        raise WrongPassword(str(error)) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        if password is not None and "decrypt" in str(error).lower():
            raise WrongPassword("the password does not open this key") from error
        raise KeyInvalid(f"not a PKCS#8 key: {error}") from error
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return SecretKey(Algorithm.ED25519, key.private_bytes_raw())
    if isinstance(key, ec.EllipticCurvePrivateKey):
        curves = {"secp256k1": Algorithm.SECP256K1, "secp256r1": Algorithm.P256}
        algorithm = curves.get(key.curve.name)
        if algorithm is not None:
            number = key.private_numbers().private_value
            return SecretKey(algorithm, number.to_bytes(32, "big"))
    raise KeyInvalid("only Ed25519, secp256k1, P-256 and SM2 keys sign transactions")


def dump(key: SecretKey, password: bytes | None = None) -> bytes:
    """Writes a key as PKCS#8 PEM, encrypted if a password is given (not for SM2)."""
    if key.algorithm is Algorithm.SM2:
        if password is not None:
            raise KeyInvalid("encrypted PKCS#8 is not supported for SM2; use a keystore file")
        text = base64.encodebytes(_sm2_document(key.secret_bytes)).replace(b"\n", b"")
        lines = [text[at : at + 64] for at in range(0, len(text), 64)]
        return b"\n".join([_PEM_BEGIN, *lines, _PEM_END]) + b"\n"
    protection: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password is not None:
        protection = serialization.BestAvailableEncryption(password)
    private: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey
    if key.algorithm is Algorithm.ED25519:
        private = ed25519.Ed25519PrivateKey.from_private_bytes(key.secret_bytes)
    else:
        curve = ec.SECP256K1() if key.algorithm is Algorithm.SECP256K1 else ec.SECP256R1()
        private = ec.derive_private_key(int.from_bytes(key.secret_bytes, "big"), curve)
    return private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection
    )
