"""Certificates of nodes and of the authorities that issue them.

Each organisation has an authority of its own; the ledger lists the authorities, not the nodes. An
authority's key signs certificates and nothing else and can be kept off-line.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bubi.network import certificates as network
from bubi.node.files import SECRET_MODE, FileError, read_bytes, read_secret, write_file


@dataclass(frozen=True, slots=True)
class Authority:
    """An organisation's authority with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def organisation(self) -> str:
        """Whose it is."""
        return organisation_of(self.certificate)


def organisation_of(certificate: x509.Certificate) -> str:
    """Organisation in the subject of a certificate; empty if there is none."""
    names = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return str(names[0].value) if names else ""


def make_authority(directory: Path, organisation: str) -> Authority:
    """Makes an authority in a new folder: `cert.pem`, and `key.pem` with mode 0600.

    Raises:
        FileError: the folder holds one, or cannot be written.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    data = network.create_authority(organisation, key, now_ms())
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    _write_pair(directory, data, key)
    return Authority(from_der(data), key)


def read_authority(directory: Path) -> Authority:
    """Reads an authority that `make_authority` made.

    Raises:
        FileError: it is missing, readable by others, or no authority.
    """
    certificate = read_certificate(directory / "cert.pem")
    key = read_private_key(directory / "key.pem")
    if _public_bytes(key) != _spki(certificate) or not is_authority(certificate):
        msg = f"{directory} holds no authority: name the folder that `bubi network request` made"
        raise FileError(msg)
    return Authority(certificate, key)


def issue(directory: Path, authority: Authority, name: str) -> None:
    """Makes a node's key and its certificate from an authority: `key.pem` (0600), `cert.pem`.

    Raises:
        FileError: they exist, or cannot be written.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    request = network.create_request(name, authority.organisation, key)
    issuer = to_der(authority.certificate)
    data = network.sign_request(request, issuer, authority.key, now_ms())
    _write_pair(directory, data, key)


def read_certificates(path: Path) -> list[x509.Certificate]:
    """All certificates of a PEM file.

    Raises:
        FileError: it is missing, or holds none.
    """
    try:
        return x509.load_pem_x509_certificates(read_bytes(path, "certificates"))
    except ValueError as error:
        msg = f"{path} holds no certificates in PEM form"
        raise FileError(msg) from error


def read_certificate(path: Path) -> x509.Certificate:
    """A certificate from a PEM file.

    Raises:
        FileError: it is missing or none.
    """
    try:
        return x509.load_pem_x509_certificate(read_bytes(path, "certificate"))
    except ValueError as error:
        msg = f"{path} is not a certificate in PEM form"
        raise FileError(msg) from error


def read_private_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """A key from a PEM file that only its owner may read.

    Raises:
        FileError: it is missing, readable by others, or none.
    """
    try:
        key = serialization.load_pem_private_key(read_secret(path), None)
    except (ValueError, TypeError) as error:
        msg = f"{path} is not a key in PEM form without a password"
        raise FileError(msg) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        msg = f"{path} is not a key on an elliptic curve"
        raise FileError(msg)
    return key


def from_der(data: bytes) -> x509.Certificate:
    """A certificate from DER.

    Raises:
        ValueError: it is none.
    """
    return x509.load_der_x509_certificate(data)


def to_der(certificate: x509.Certificate) -> bytes:
    """A certificate as DER."""
    return certificate.public_bytes(serialization.Encoding.DER)


def to_pem(certificate: x509.Certificate) -> bytes:
    """Its text form."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether a certificate may issue others and is signed by itself."""
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
        certificate.verify_directly_issued_by(certificate)
    except (x509.ExtensionNotFound, InvalidSignature, ValueError, TypeError):
        return False
    return constraints.value.ca


def issued_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    """Whether an authority signed a certificate."""
    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def sign(key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    """Signature of a node's key (ECDSA with SHA-256)."""
    return key.sign(message, ec.ECDSA(hashes.SHA256()))


def verify(certificate: x509.Certificate, message: bytes, signature: bytes) -> bool:
    """Whether the key of a certificate signed a message."""
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return False
    try:
        key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def now_ms() -> int:
    """Time of the machine, for the dates of certificates."""
    return time.time_ns() // 1_000_000


def _write_pair(directory: Path, data: bytes, key: ec.EllipticCurvePrivateKey) -> None:
    write_file(directory / "key.pem", network.key_pem(key), SECRET_MODE)
    write_file(directory / "cert.pem", network.pem(data))


def _public_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _spki(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
