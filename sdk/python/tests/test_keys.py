from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from bubi_sdk import (
    Algorithm,
    InvalidInput,
    KeystoreSigner,
    MemorySigner,
    PublicKey,
    SecretKey,
    Signer,
    WrongPassword,
    hashes,
    pkcs8,
    sm2,
    sm3,
)
from bubi_sdk.errors import KeystoreDamaged
from bubi_sdk.keys import _ORDERS
from bubi_sdk.keystore import SM4, Cost
from hypothesis import given
from hypothesis import strategies as st

CHEAP = Cost(n=2, r=8, p=1)
EVERY = pytest.mark.parametrize("algorithm", list(Algorithm), ids=lambda one: one.value)


def test_sm3_known_answers() -> None:
    # GB/T 32905-2016, appendix A
    expected = "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
    assert sm3.sm3(b"abc").hex() == expected
    expected = "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"
    assert sm3.sm3(b"abcd" * 16).hex() == expected


@given(st.binary(max_size=300))
def test_sm3_in_python_equals_openssl(data: bytes) -> None:
    assert sm3.sm3(data) == hashes.sm3(data)


def test_sm2_known_answer() -> None:
    # GM/T 0003.5-2012, appendix A.2: recommended curve, identity 1234567812345678
    secret = 0x3945208F7B2144B13F36E38AC6D39F95889393692860B51A42FB81EF4DF7C5B8
    nonce = 0x59276E27D506861A16680F3AD9C02DCCEF3CC1FA3CDBE4CE6D54B80DEAC1BC21
    point = sm2.public_point(secret)
    x = 0x09F9DF311E5421A150DD7D161E4BC5C672179FAD1833FC076BB08FF356F35020
    assert point[0] == x
    digest = sm2._message_number(point, b"message digest", sm2.IDENTITY)
    assert digest == 0xF0B43E94BA45ACCAACE692ED534382EB17E6AB5A19CE7B31F4486FDFC0D28640
    signature = sm2.sign_with_nonce(secret, digest, nonce)
    assert signature is not None
    r = "f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3"
    s = "b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa"
    assert signature.hex() == r + s
    assert sm2.verify(sm2.compress(point), b"message digest", signature)
    assert not sm2.verify(sm2.compress(point), b"message digest", signature, b"another")


def test_sm2_numbers_at_the_border_of_their_range() -> None:
    key = SecretKey(Algorithm.SM2, (sm2.N - 2).to_bytes(32, "big"))
    good = key.sign(b"m")
    assert key.public_key.verify(b"m", good)
    r, s = int.from_bytes(good[:32], "big"), int.from_bytes(good[32:], "big")
    for bad in ((r, s + sm2.N), (r + sm2.N, s), (0, s), (r, 0), (r, sm2.N - r), (r, sm2.N)):
        if max(bad) < 1 << 256:
            encoded = bad[0].to_bytes(32, "big") + bad[1].to_bytes(32, "big")
            assert not sm2.verify(key.public_key.raw, b"m", encoded)
    for out_of_range in (0, sm2.N - 1, sm2.N):
        with pytest.raises(InvalidInput):
            SecretKey(Algorithm.SM2, out_of_range.to_bytes(32, "big"))


@EVERY
def test_sign_and_verify(algorithm: Algorithm) -> None:
    key = SecretKey.generate(algorithm)
    signature = key.sign(b"message")
    assert signature == key.sign(b"message")
    assert key.public_key.verify(b"message", signature)
    assert not key.public_key.verify(b"messages", signature)
    assert not SecretKey.generate(algorithm).public_key.verify(b"message", signature)
    assert key.secret_bytes.hex() not in repr(key) + repr(MemorySigner(key))
    assert isinstance(MemorySigner(key), Signer)


SHARED = Path(__file__).resolve().parents[3] / "data" / "vectors"


@pytest.mark.parametrize(
    ("name", "algorithm"),
    [
        ("wycheproof_ecdsa_secp256k1_sha256_p1363_test.json", Algorithm.SECP256K1),
        ("wycheproof_ecdsa_secp256r1_sha256_p1363_test.json", Algorithm.P256),
        ("wycheproof_ed25519_test.json", Algorithm.ED25519),
    ],
)
def test_wycheproof(name: str, algorithm: Algorithm) -> None:
    counted = {"valid": 0, "invalid": 0}
    for group in json.loads((SHARED / name).read_text())["testGroups"]:
        if algorithm is Algorithm.ED25519:
            raw = bytes.fromhex(group["publicKey"]["pk"])
        else:
            point = bytes.fromhex(group["publicKey"]["uncompressed"])
            raw = bytes([2 + (point[-1] & 1)]) + point[1:33]
        key = PublicKey.of(algorithm, raw)
        for case in group["tests"]:
            signature = bytes.fromhex(case["sig"])
            expected = case["result"] == "valid"
            if algorithm is not Algorithm.ED25519 and len(signature) == 64:
                # Only the lower of the two forms of s is accepted here.
                high = int.from_bytes(signature[32:], "big") > _ORDERS[algorithm] // 2
                expected = expected and not high
            verdict = key.verify(bytes.fromhex(case["msg"]), signature)
            assert verdict == expected, (case["tcId"], case["comment"])
            counted["valid" if expected else "invalid"] += 1
    assert min(counted.values()) > 20


def test_strict_ed25519_on_the_twelve_edge_cases() -> None:
    """All but one have a small order, a second encoding, a large S or need the cofactor."""
    cases: Any = json.loads((SHARED / "ed25519_speccheck_cases.json").read_text())
    listed = cases if isinstance(cases, list) else cases["cases"]
    verdicts = []
    for case in listed:
        key = PublicKey.of(Algorithm.ED25519, bytes.fromhex(case["pub_key"]))
        message, signature = bytes.fromhex(case["message"]), bytes.fromhex(case["signature"])
        verdicts.append(key.verify(message, signature))
    assert len(verdicts) == 12
    assert [number for number, verdict in enumerate(verdicts) if verdict] == [3]


@EVERY
@pytest.mark.parametrize("cipher", ["aes-256-gcm", SM4])
def test_keystore(algorithm: Algorithm, cipher: str, tmp_path: Path) -> None:
    path, key = tmp_path / "key.json", SecretKey.generate(algorithm)
    KeystoreSigner.create(path, "pass 密码", key, cipher=cipher, cost=CHEAP)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert key.secret_bytes.hex() not in path.read_text()
    opened = KeystoreSigner.open(path, "pass 密码")
    assert opened.public_key == key.public_key
    assert opened.sign(b"m") == key.sign(b"m")
    with pytest.raises(WrongPassword):
        KeystoreSigner.open(path, "pass")
    with pytest.raises(FileExistsError):
        KeystoreSigner.create(path, "x", cost=CHEAP)


def test_a_changed_keystore_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    KeystoreSigner.create(path, "p", cost=CHEAP)
    good = json.loads(path.read_text())

    def refused(**changes: Any) -> None:
        path.write_text(json.dumps(good | changes))
        with pytest.raises(KeystoreDamaged):
            KeystoreSigner.open(path, "p")

    sealed = bytes.fromhex(good["ciphertext"])
    refused(ciphertext=(bytes([sealed[0] ^ 1]) + sealed[1:]).hex())
    refused(ciphertext=good["ciphertext"][:-2])
    refused(public_key=SecretKey.generate().public_key.raw.hex())
    refused(algorithm="p256")
    refused(algorithm="rot13")
    refused(schema=2)
    refused(kdf=good["kdf"] | {"n": 1 << 40})
    refused(kdf=good["kdf"] | {"n": 1 << 20, "r": 16})
    refused(kdf=good["kdf"] | {"n": "2"})
    refused(cipher=good["cipher"] | {"name": "none"})
    refused(note="members that nobody wrote are authenticated too")
    path.write_text("not JSON")
    with pytest.raises(KeystoreDamaged):
        KeystoreSigner.open(path, "p")


@EVERY
def test_pkcs8(algorithm: Algorithm) -> None:
    key = SecretKey.generate(algorithm)
    assert MemorySigner.from_pkcs8(pkcs8.dump(key)).public_key == key.public_key
    if algorithm is Algorithm.SM2:
        with pytest.raises(InvalidInput):
            pkcs8.dump(key, b"password")
        return
    sealed = pkcs8.dump(key, b"password")
    assert MemorySigner.from_pkcs8(sealed, b"password").public_key == key.public_key
    with pytest.raises(WrongPassword):
        MemorySigner.from_pkcs8(sealed)
    with pytest.raises((WrongPassword, InvalidInput)):
        MemorySigner.from_pkcs8(sealed, b"another")


def test_pkcs8_of_other_keys() -> None:
    with pytest.raises(InvalidInput):
        pkcs8.load(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    with pytest.raises(InvalidInput):
        pkcs8.load(b"nothing")


def test_passwords_do_not_depend_on_the_keyboard(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    KeystoreSigner.create(path, "caf\u00e9", cost=CHEAP)
    assert KeystoreSigner.open(path, "cafe\u0301")
