"""Certificates: who signs whom, what is refused, what only raises an alarm."""

import datetime
import hashlib

import pytest
from cryptography import x509 as x
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from bubi.network import certificates as x509
from bubi.network.certificates import Authority, CertificateError

NOW = 1_800_000_000_000


def authority(
    organisation: str = "Alpha", algorithm: str = "p256"
) -> tuple[Authority, x509.PrivateKey]:
    key = x509.new_key(algorithm)
    return Authority(organisation, x509.create_authority(organisation, key, NOW)), key


def issue(
    signer: Authority, signer_key: x509.PrivateKey, key: x509.PrivateKey, days: int = 100
) -> bytes:
    request = x509.create_request("node-1", signer.organisation, key)
    return x509.sign_request(request, signer.certificate, signer_key, NOW, days)


@pytest.mark.parametrize("algorithm", x509.ALGORITHMS)
@pytest.mark.parametrize("of_authority", x509.ALGORITHMS)
def test_a_signed_request_is_accepted(algorithm: str, of_authority: str) -> None:
    signer, signer_key = authority("示例银行", of_authority)
    key = x509.new_key(algorithm)
    x509.check_authority(signer)
    found = x509.check(issue(signer, signer_key, key), [authority("Beta")[0], signer])
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert found.node == hashlib.sha256(public).digest()
    assert (found.name, found.organisation) == ("node-1", "示例银行")
    assert found.authority == hashlib.sha256(signer.certificate).digest()
    assert found.days(NOW) == 100
    assert x509.der(x509.pem(signer.certificate)) == signer.certificate
    assert x509.load_key(x509.key_pem(key)).public_key() == key.public_key()


def test_a_renewed_certificate_keeps_the_node_id() -> None:
    signer, signer_key = authority()
    key = x509.new_key()
    one, other = (x509.check(issue(signer, signer_key, key, days), [signer]) for days in (1, 2))
    assert one.node == other.node
    assert one.fingerprint != other.fingerprint


@pytest.mark.parametrize(
    ("days", "alarm"),
    [
        (100, None),
        (31, None),
        (29, "certificate_expires_30d"),
        (6, "certificate_expires_7d"),
        (1, "certificate_expires_1d"),
        (0, "certificate_expired"),
        (-3, "certificate_expired"),
    ],
)
def test_dates_only_raise_alarms(days: int, alarm: str | None) -> None:
    signer, signer_key = authority()
    found = x509.check(issue(signer, signer_key, x509.new_key(), days), [signer])
    assert found.alarm(NOW + 1_000) == alarm
    assert found.days(NOW) == days
    assert found.alarm(found.not_before - 1) == "certificate_not_yet_valid"


def refused(certificate: bytes, *authorities: Authority, revoked: bytes = b"") -> str:
    with pytest.raises(CertificateError) as caught:
        x509.check(certificate, authorities, frozenset({revoked}))
    return caught.value.reason


def test_refusals() -> None:
    signer, signer_key = authority()
    good = issue(signer, signer_key, x509.new_key())
    same_name, _ = authority()
    assert refused(good) == "authority"
    assert refused(good, same_name) == "authority"
    # The right key under another organisation: it may not vouch for this one.
    assert refused(good, Authority("Beta", signer.certificate)) == "authority"
    fingerprint = hashlib.sha256(good).digest()
    assert refused(good, signer, revoked=fingerprint) == "revoked"
    of_authority = hashlib.sha256(signer.certificate).digest()
    assert refused(good, signer, revoked=of_authority) == "authority"
    assert refused(b"", signer) == "certificate"
    assert refused(good[:-1], signer) == "certificate"


def test_a_changed_byte_is_never_accepted_as_the_same() -> None:
    signer, signer_key = authority()
    good = issue(signer, signer_key, x509.new_key("ed25519"))

    @given(st.integers(0, len(good) - 1), st.integers(1, 255))
    def changed(at: int, bits: int) -> None:
        bad = good[:at] + bytes((good[at] ^ bits,)) + good[at + 1 :]
        assert refused(bad, signer) in {"certificate", "key", "authority"}

    changed()


def built(
    public: object, signer_key: x509.PrivateKey, *names: tuple[x.ObjectIdentifier, str]
) -> bytes:
    now = datetime.datetime.now(datetime.UTC)
    issuer = x.Name(
        [
            x.NameAttribute(NameOID.ORGANIZATION_NAME, "Alpha"),
            x.NameAttribute(NameOID.COMMON_NAME, "Alpha authority"),
        ]
    )
    builder = (
        x.CertificateBuilder()
        .subject_name(x.Name([x.NameAttribute(*name) for name in names]))
        .issuer_name(issuer)
        .public_key(public)  # type: ignore[arg-type]
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
    )
    return builder.sign(signer_key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def test_other_keys_and_odd_subjects_are_refused() -> None:
    signer, signer_key = authority()
    good = x509.new_key().public_key()
    organisation, name = (NameOID.ORGANIZATION_NAME, "Alpha"), (NameOID.COMMON_NAME, "n")
    assert x509.check(built(good, signer_key, organisation, name), [signer]).name == "n"
    for public in (
        rsa.generate_private_key(65537, 2048).public_key(),
        ec.generate_private_key(ec.SECP384R1()).public_key(),
    ):
        assert refused(built(public, signer_key, organisation, name), signer) == "key"
    for names in (
        (organisation,),
        (name,),
        (organisation, name, name),
        (organisation, organisation, name),
    ):
        assert refused(built(good, signer_key, *names), signer) == "certificate"


def test_a_node_certificate_is_no_authority() -> None:
    signer, signer_key = authority()
    key = x509.new_key()
    node = issue(signer, signer_key, key)
    for bad in (
        Authority("Alpha", node),
        Authority("Beta", signer.certificate),
        Authority("Alpha", b""),
    ):
        with pytest.raises(CertificateError) as caught:
            x509.check_authority(bad)
        assert caught.value.reason == "authority"


def test_requests_that_are_not_signed() -> None:
    signer, signer_key = authority()
    request = x509.create_request("n", "Beta", x509.new_key())
    for bad in (request, b"", request[:-40] + b"A" + request[-39:]):
        with pytest.raises(CertificateError) as caught:
            x509.sign_request(bad, signer.certificate, signer_key, NOW)
        assert caught.value.reason == "request"
    with pytest.raises(CertificateError, match="1 to 64 bytes"):
        x509.create_request("n" * 65, "Alpha", x509.new_key())
    with pytest.raises(CertificateError, match="1 to 64 bytes"):
        x509.create_request("n", "示" * 22, x509.new_key())
    longest = "示" * 21
    key = x509.new_key()
    made = x509.create_authority(longest, key, NOW)
    x509.check_authority(Authority(longest, made))


def test_keys_that_are_none() -> None:
    for bad in (b"", x509.pem(authority()[0].certificate)):
        with pytest.raises(CertificateError) as caught:
            x509.load_key(bad)
        assert caught.value.reason == "key"
    with pytest.raises(ValueError, match="unknown algorithm"):
        x509.new_key("rsa")
