"""Certificates of nodes and of the organisations' authorities.

An authority signs its organisation's node certificates directly. A node's id is the hash of its
public key, so that a renewed certificate keeps it. TLS checks the chain; `check` checks it again
with what TLS does not know: that the organisation in the certificate is that of the authority, and
the list of revoked certificates. Expiry is told, not enforced: it must never stop consensus.
"""

import datetime
import hashlib
import ipaddress
import warnings
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

DAY_MS = 86_400_000
NODE_DAYS = 825
AUTHORITY_DAYS = 3_650
ALARM_DAYS = (30, 7, 1)
CLOCK_SKEW = datetime.timedelta(minutes=5)
ALGORITHMS = ("p256", "ed25519")
NAME_BYTES_MAX = 64
ORGANISATION_BYTES_MAX = 64


MALFORMED: tuple[type[Exception], ...] = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.AttributeNotFound,
    x509.DuplicateExtension,
    x509.ExtensionNotFound,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
    CryptographyDeprecationWarning,
)
"""What the library answers to bytes that are no certificate."""
NOT_SIGNED: tuple[type[Exception], ...] = (InvalidSignature, *MALFORMED)


class CertificateError(Exception):
    """A certificate is refused; `reason` is a stable code."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate that may sign the node certificates of one organisation."""

    organisation: str
    certificate: bytes


@dataclass(frozen=True, slots=True)
class NodeCertificate:
    """A node's certificate that was found good. Times are ms since 1970."""

    node: bytes
    fingerprint: bytes
    authority: bytes
    name: str
    organisation: str
    not_before: int
    not_after: int

    def days(self, now_ms: int) -> int:
        """Whole days that it is still valid; negative once it has expired."""
        return (self.not_after - now_ms) // DAY_MS

    def alarm(self, now_ms: int) -> str | None:
        """What to say of its dates: a threshold, expired, not valid yet, or nothing."""
        if now_ms > self.not_after:
            return "certificate_expired"
        if now_ms < self.not_before:
            return "certificate_not_yet_valid"
        days = self.days(now_ms)
        passed = [limit for limit in ALARM_DAYS if days < limit]
        return f"certificate_expires_{passed[-1]}d" if passed else None


# --- making them ---------------------------------------------------------------------------------


def new_key(algorithm: str = "p256") -> PrivateKey:
    """A key for TLS."""
    if algorithm == "p256":
        return ec.generate_private_key(ec.SECP256R1())
    if algorithm == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    msg = f"unknown algorithm {algorithm!r}: use one of {', '.join(ALGORITHMS)}"
    raise ValueError(msg)


def key_pem(key: PrivateKey) -> bytes:
    """A key as PEM, unencrypted."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def load_key(pem: bytes) -> PrivateKey:
    """Reads it.

    Raises:
        CertificateError: `key` if it is not a key that nodes use.
    """
    try:
        key = serialization.load_pem_private_key(pem, None)
    except MALFORMED as error:
        raise CertificateError("key", f"the key cannot be read: {error}") from error
    if not _is_usable(key.public_key()):
        raise CertificateError("key", "the key is neither Ed25519 nor P-256")
    assert isinstance(key, ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey)
    return key


def pem(der: bytes) -> bytes:
    """A certificate as PEM."""
    return x509.load_der_x509_certificate(der).public_bytes(serialization.Encoding.PEM)


def der(text: bytes) -> bytes:
    """The first certificate of a PEM text as DER.

    Raises:
        CertificateError: `certificate`.
    """
    try:
        return x509.load_pem_x509_certificate(text).public_bytes(serialization.Encoding.DER)
    except ValueError as error:
        raise CertificateError("certificate", f"no certificate: {error}") from error


def create_authority(
    organisation: str, key: PrivateKey, now_ms: int, days: int = AUTHORITY_DAYS
) -> bytes:
    """The certificate (DER) of an organisation's own authority."""
    shortened = organisation.encode()[: NAME_BYTES_MAX - 10].decode(errors="ignore")
    name = _name(organisation, f"{shortened} authority")
    builder = (
        _builder(name, name, key.public_key(), now_ms, days)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(authority=True), critical=True)
    )
    return _signed(builder, key)


def create_request(name: str, organisation: str, key: PrivateKey) -> bytes:
    """A request (PEM) for a node's certificate."""
    request = x509.CertificateSigningRequestBuilder().subject_name(_name(organisation, name))
    return request.sign(key, _hash(key)).public_bytes(serialization.Encoding.PEM)


def sign_request(
    request: bytes, authority: bytes, authority_key: PrivateKey, now_ms: int, days: int = NODE_DAYS
) -> bytes:
    """The certificate (DER) for a node, from its request (PEM).

    Raises:
        CertificateError: `request` if it is damaged, its key unusable or the organisation another.
    """
    try:
        wanted = x509.load_pem_x509_csr(request)
        signed = wanted.is_signature_valid
        public = wanted.public_key()
    except MALFORMED as error:
        raise CertificateError("request", f"the request cannot be read: {error}") from error
    issuer = x509.load_der_x509_certificate(authority)
    name, organisation = _subject(wanted.subject)
    if not signed or not _is_usable(public):
        raise CertificateError("request", "the request is not signed by an Ed25519 or P-256 key")
    assert isinstance(public, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey)
    if organisation != _subject(issuer.subject)[1]:
        raise CertificateError("request", f"the authority does not sign for {organisation!r}")
    builder = (
        _builder(_name(organisation, name), issuer.subject, public, now_ms, days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage(
                [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
            ),
            critical=False,
        )
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            ),
            critical=False,
        )
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()),
            critical=False,
        )
    )
    return _signed(builder, authority_key)


def _name(organisation: str, name: str) -> x509.Name:
    _check_length("the organisation's name", organisation, ORGANISATION_BYTES_MAX)
    _check_length("the node's name", name, NAME_BYTES_MAX)
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )


def _check_length(what: str, text: str, maximum: int) -> None:
    if not 1 <= len(text.encode()) <= maximum:
        raise CertificateError("name", f"{what} must have 1 to {maximum} bytes")


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey,
    now_ms: int,
    days: int,
) -> x509.CertificateBuilder:
    now = datetime.datetime.fromtimestamp(now_ms // 1000, datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW + datetime.timedelta(days=min(days, 0)))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _hash(key: PrivateKey) -> hashes.SHA256 | None:
    return None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()


def _signed(builder: x509.CertificateBuilder, key: PrivateKey) -> bytes:
    return builder.sign(key, _hash(key)).public_bytes(serialization.Encoding.DER)


# --- checking them -------------------------------------------------------------------------------


def node_id(certificate: x509.Certificate) -> bytes:
    """SHA-256 of its SubjectPublicKeyInfo."""
    return hashlib.sha256(
        certificate.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    ).digest()


def check(
    certificate: bytes, authorities: Iterable[Authority], revoked: frozenset[bytes] = frozenset()
) -> NodeCertificate:
    """What a certificate (DER) says, if one of the authorities vouches for it.

    Dates are not looked at: see `NodeCertificate.alarm`.

    Args:
        certificate: The node's certificate.
        authorities: Those in force.
        revoked: Fingerprints (SHA-256 of the DER) that are refused, of nodes or authorities.

    Raises:
        CertificateError: `certificate`, `key`, `revoked`, `authority`.
    """
    try:
        # What the library only warns of (a serial number of zero) comes from no authority of ours.
        with warnings.catch_warnings():
            warnings.simplefilter("error", CryptographyDeprecationWarning)
            found = x509.load_der_x509_certificate(certificate)
            public = found.public_key()
            name, organisation = _subject(found.subject)
            _check_basics(found)
    except MALFORMED as error:
        raise CertificateError("certificate", f"the certificate is malformed: {error}") from error
    if not _is_usable(public):
        raise CertificateError("key", "the certificate's key is neither Ed25519 nor P-256")
    fingerprint = hashlib.sha256(certificate).digest()
    if fingerprint in revoked:
        raise CertificateError("revoked", f"the certificate of {name!r} is revoked")
    authority = _authority(found, organisation, authorities, revoked)
    return NodeCertificate(
        node_id(found),
        fingerprint,
        authority,
        name,
        organisation,
        _ms(found.not_valid_before_utc),
        _ms(found.not_valid_after_utc),
    )


def _authority(
    certificate: x509.Certificate,
    organisation: str,
    authorities: Iterable[Authority],
    revoked: frozenset[bytes],
) -> bytes:
    """Fingerprint of the authority that signed it."""
    for one in authorities:
        fingerprint = hashlib.sha256(one.certificate).digest()
        if one.organisation != organisation or fingerprint in revoked:
            continue
        try:
            certificate.verify_directly_issued_by(x509.load_der_x509_certificate(one.certificate))
        except NOT_SIGNED:
            continue
        return fingerprint
    raise CertificateError("authority", f"no authority of {organisation!r} signed the certificate")


def check_authority(authority: Authority) -> None:
    """Refuses what cannot be an authority of its organisation.

    Raises:
        CertificateError: `authority`.
    """
    try:
        certificate = x509.load_der_x509_certificate(authority.certificate)
        usable = _is_usable(certificate.public_key())
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        _, organisation = _subject(certificate.subject)
    except MALFORMED as error:
        text = f"the authority of {authority.organisation!r} is malformed: {error}"
        raise CertificateError("authority", text) from error
    if not usable or not constraints.ca or organisation != authority.organisation:
        text = (
            f"the certificate for {authority.organisation!r} is not that of an authority with "
            "this organisation and an Ed25519 or P-256 key"
        )
        raise CertificateError("authority", text)


def subject_and_end(certificate: bytes) -> tuple[str, int] | None:
    """Whom a certificate (DER) names, after RFC 4514, and until when (ms); None if unreadable."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", CryptographyDeprecationWarning)
            found = x509.load_der_x509_certificate(certificate)
            return found.subject.rfc4514_string(), _ms(found.not_valid_after_utc)
    except MALFORMED:
        return None


def _check_basics(certificate: x509.Certificate) -> None:
    """Reads all extensions, so that a malformed one is found here and nowhere else."""
    for extension in certificate.extensions:
        if extension.critical and isinstance(extension.value, x509.UnrecognizedExtension):
            msg = f"unknown critical extension {extension.oid.dotted_string}"
            raise ValueError(msg)


def _subject(name: x509.Name) -> tuple[str, str]:
    """Common name and organisation, each exactly once."""
    found = []
    for oid, maximum in (
        (NameOID.COMMON_NAME, NAME_BYTES_MAX),
        (NameOID.ORGANIZATION_NAME, ORGANISATION_BYTES_MAX),
    ):
        values = [str(one.value) for one in name.get_attributes_for_oid(oid)]
        if len(values) != 1 or not 1 <= len(values[0].encode()) <= maximum:
            msg = "the subject needs one name and one organisation"
            raise ValueError(msg)
        found.append(values[0])
    return found[0], found[1]


def _is_usable(key: object) -> bool:
    if isinstance(key, ec.EllipticCurvePublicKey):
        return isinstance(key.curve, ec.SECP256R1)
    return isinstance(key, ed25519.Ed25519PublicKey)


def _ms(time: datetime.datetime) -> int:
    return int(time.timestamp()) * 1000
