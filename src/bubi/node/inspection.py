"""What `bubi node check` finds in the files beside the ledger: genesis, keys and certificates."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from bubi import core
from bubi.network.certificates import MALFORMED, NOT_SIGNED
from bubi.node import files
from bubi.node.certificates import read_certificate, read_certificates
from bubi.node.config import Config
from bubi.node.files import FileError
from bubi.node.governance import authorities_of

UNREADABLE: tuple[type[Exception], ...] = (FileError, *MALFORMED)


class Damage(NamedTuple):
    """A damaged file: where, what kind, and what has to be done."""

    file: str
    offset: int
    kind: str
    action: str


def damaged_files(settings: Config) -> list[Damage]:
    """The configured files beside the ledger that the node could not use. Changes nothing.

    Whether a certificate is still valid and its authority still trusted is no damage: the clock
    and the ledger decide that.
    """
    return list(_damaged(settings))


def damaged_ledger(settings: Config) -> list[Damage]:
    """What the core finds in the files of the ledger, whose genesis can be read.

    Raises:
        CoreError: the folder is in use or cannot be read.
    """
    node = settings.node
    try:
        return [
            Damage(*one) for one in core.check(str(node.data), files.read_genesis(node.genesis))
        ]
    except core.CoreError as error:
        if core.error_code(error) != "wrong_chain":
            raise
        # A genesis that was changed and can still be read makes another chain.
        action = f"{node.genesis}: {core.error_detail(error)}"
        return [Damage(str(node.genesis), 0, "genesis of another chain", action)]


def _damaged(settings: Config) -> Iterator[Damage]:
    node, network = settings.node, settings.network
    yield from _tried(node.genesis, "genesis", files.read_genesis)
    if node.validator_key is not None:
        yield from _tried(node.validator_key, "key", files.read_key)
    if network.certificate is not None and network.key is not None:
        yield from _pair(network.certificate, network.key)
        yield from _signature(network.certificate, _known_authorities(node.genesis, network.trust))
    if network.trust is not None:
        yield from _tried(network.trust, "certificate", read_certificates)
    for listener in (settings.api, settings.operator):
        if listener.tls_certificate is not None and listener.tls_key is not None:
            yield from _pair(listener.tls_certificate, listener.tls_key)
        if listener.client_authority is not None:
            yield from _tried(listener.client_authority, "certificate", read_certificates)


def _tried(path: Path, kind: str, read: Callable[[Path], object]) -> Iterator[Damage]:
    """Reads a file; what that refuses is its damage."""
    try:
        read(path)
    except FileError as error:
        yield Damage(str(path), 0, f"{kind} unusable", str(error))


def _pair(certificate: Path, key: Path) -> Iterator[Damage]:
    """A certificate, its key, and whether TLS takes them together."""
    found = [
        *_tried(certificate, "certificate", read_certificate),
        *_tried(key, "key", _read_any_key),
    ]
    yield from found
    if found:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except (ssl.SSLError, OSError) as error:
        action = f"{key} and {certificate} cannot be used together ({error}): restore both"
        yield Damage(str(certificate), 0, "certificate unusable", action)


def _read_any_key(path: Path) -> None:
    try:
        serialization.load_pem_private_key(files.read_bytes(path, "key"), None)
    except MALFORMED as error:
        msg = f"{path} is not a key in PEM form without a password: restore it from a backup"
        raise FileError(msg) from error


def _known_authorities(genesis: Path, trust: Path | None) -> list[x509.Certificate]:
    """Authorities of the genesis and of the own list, as far as they can be read."""
    found: list[x509.Certificate] = []
    try:
        document: Any = core.decode_json(core.genesis_to_json(files.read_genesis(genesis)))
        listed = authorities_of(document["v1"]["organisations"])
        found += [x509.load_der_x509_certificate(one.certificate) for one in listed]
        found += read_certificates(trust) if trust is not None else []
    except UNREADABLE:
        return found  # told where that file itself is tried
    return found


def _signature(path: Path, authorities: Iterable[x509.Certificate]) -> Iterator[Damage]:
    """The certificate against the authority that it names by its key, if that one is known."""
    try:
        certificate = read_certificate(path)
        named = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    except FileError:
        return  # told already
    except MALFORMED as error:
        action = f"{path} cannot be read ({error}): restore it from a backup"
        yield Damage(str(path), 0, "certificate unusable", action)
        return
    # An authority that was renewed has several certificates of one key, with other names perhaps.
    known = [
        authority
        for authority in authorities
        if x509.SubjectKeyIdentifier.from_public_key(authority.public_key()).digest
        == named.value.key_identifier
    ]
    if known and not any(_issued_by(certificate, authority) for authority in known):
        action = f"{path} is not as its authority signed it: restore it from a backup"
        yield Damage(str(path), 0, "certificate unusable", action)


def _issued_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except NOT_SIGNED:
        return False
    return True
