"""A fixed pool of public keys (tagged bytes) of every algorithm, and doubtful encodings."""

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ED25519_PRIME = 2**255 - 19
SM2_PRIME = 2**256 - 2**224 - 2**96 + 2**64 - 1
SM2_BASE = (
    0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7,
    0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0,
)


def ed25519_key(number: int) -> bytes:
    """Key number `number` of its algorithm."""
    secret = ed25519.Ed25519PrivateKey.from_private_bytes(number.to_bytes(32, "big"))
    return b"\0" + secret.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def sign(key: bytes, message: bytes) -> bytes:
    """The signature of an Ed25519 key of the pool."""
    secret = SECRETS[key]
    return secret.sign(message)


def ecdsa_key(number: int, tag: int) -> bytes:
    """Key number `number` on secp256k1 (1) or P-256 (2)."""
    curve = ec.SECP256K1() if tag == 1 else ec.SECP256R1()
    public = ec.derive_private_key(number, curve).public_key()
    return bytes([tag]) + public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)


def sm2_keys(count: int) -> list[bytes]:
    """The points G, 2G, 3G … of SM2."""
    points = [SM2_BASE]
    while len(points) < count:
        (x1, y1), (x2, y2), p = SM2_BASE, points[-1], SM2_PRIME
        slope = (
            (3 * x1 * x1 - 3) * pow(2 * y1, -1, p) if x1 == x2 else (y2 - y1) * pow(x2 - x1, -1, p)
        )
        x3 = (slope * slope - x1 - x2) % p
        points.append((x3, (slope * (x1 - x3) - y1) % p))
    return [b"\3" + bytes([2 + y % 2]) + x.to_bytes(32, "big") for x, y in points]


VALID = [
    *(ed25519_key(number) for number in range(1, 25)),
    *(ecdsa_key(number, tag) for tag in (1, 2) for number in range(1, 9)),
    *sm2_keys(8),
]

SECRETS = {
    ed25519_key(number): ed25519.Ed25519PrivateKey.from_private_bytes(number.to_bytes(32, "big"))
    for number in range(1, 65)
}
"""Of Ed25519 keys, also beyond the pool: validators have the highest."""
VOTE_KEYS = [ed25519_key(number) for number in range(41, 65)]

SMALL_ORDER = [
    b"\0" + encoded.to_bytes(32, "little")
    for encoded in (
        0,
        1,
        ED25519_PRIME - 1,
        ED25519_PRIME,
        ED25519_PRIME + 1,
        1 + 2**255,
        2**255,
        int.from_bytes(
            bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
            "little",
        ),
    )
]

# Small numbers as coordinates: about half are on the curve; beyond the prime none is canonical.
DOUBTFUL = [
    *SMALL_ORDER,
    *(b"\0" + y.to_bytes(32, "little") for y in range(2, 18)),
    *(b"\0" + (ED25519_PRIME + y).to_bytes(32, "little") for y in range(2, 18)),
    *(
        bytes([tag, prefix]) + x.to_bytes(32, "big")
        for tag in (1, 2, 3)
        for prefix in (0, 2, 3, 4)
        for x in (0, 1, 5, 2**256 - 1)
    ),
]
