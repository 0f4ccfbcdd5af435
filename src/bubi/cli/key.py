"""`bubi key`: keystores, the encrypted files of signing keys. Passwords are never arguments."""

from __future__ import annotations

import enum
import sys
from pathlib import Path
from typing import Annotated

import typer
from bubi_sdk import pkcs8
from bubi_sdk.address import PREFIXES, Address
from bubi_sdk.codec import parse_json
from bubi_sdk.errors import BubiError, InvalidInput, KeystoreDamaged
from bubi_sdk.hashes import HashSuite
from bubi_sdk.keys import Algorithm, PublicKey, SecretKey
from bubi_sdk.keystore import AES, SM4, KeystoreSigner

from bubi.cli.messages import _
from bubi.cli.output import AsJson, details, emit, usage

app = typer.Typer(name="key", help=_("Make, import and show keystores."), no_args_is_help=True)

PasswordStdin = Annotated[
    bool,
    typer.Option(
        "--password-stdin", help=_("Read the password from the first line of standard input.")
    ),
]
File = Annotated[Path, typer.Argument(metavar="FILE", help=_("Keystore file."))]


class AlgorithmName(enum.StrEnum):
    """Signature algorithms."""

    ED25519 = "ed25519"
    SECP256K1 = "secp256k1"
    P256 = "p256"
    SM2 = "sm2"


class CipherName(enum.StrEnum):
    """Ciphers of a keystore."""

    AES = AES
    SM4 = SM4


Cipher = Annotated[CipherName, typer.Option(help=_("Cipher of the keystore."))]


def read_password(*, stdin: bool, new: bool = False, prompt: str = "") -> str:
    """A password from standard input or from the person at the terminal.

    Raises:
        Failure: there is neither.
    """
    if stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    elif sys.stdin.isatty():
        password = typer.prompt(
            prompt or _("Password"), hide_input=True, confirmation_prompt=new, err=True
        )
    else:
        raise usage(_("A password is needed."), _("Pipe it in with --password-stdin."))
    if not password:
        raise usage(_("The password is empty."))
    return password


@app.command("create", help=_("Make a new key in a new keystore."))
def create(
    file: File,
    algorithm: Annotated[
        AlgorithmName, typer.Option(help=_("Signature algorithm."))
    ] = AlgorithmName.ED25519,
    cipher: Cipher = CipherName.AES,
    password_stdin: PasswordStdin = False,
    as_json: AsJson = False,
) -> None:
    """Makes a new key in a new keystore."""
    refuse_existing(file)
    password = read_password(stdin=password_stdin, new=True)
    _store(file, SecretKey.generate(Algorithm(algorithm.value)), password, cipher)
    report(file, as_json=as_json)


@app.command("import", help=_("Put an existing PKCS#8 key (PEM or DER) into a new keystore."))
def import_key(
    file: File,
    source: Annotated[
        Path,
        typer.Option("--from", help=_("PKCS#8 file; if encrypted, its password is asked for.")),
    ],
    cipher: Cipher = CipherName.AES,
    password_stdin: PasswordStdin = False,
    as_json: AsJson = False,
) -> None:
    """Puts an existing key into a new keystore.

    With --password-stdin, a second line opens an encrypted source.
    """
    refuse_existing(file)
    try:
        data = source.read_bytes()
    except OSError as error:
        raise usage(
            _("{path} cannot be read: {reason}", path=source, reason=error.strerror)
        ) from error
    password = read_password(stdin=password_stdin, new=True)
    opening = None
    if b"ENCRYPTED" in data:
        opening = read_password(
            stdin=password_stdin, prompt=_("Password of {path}", path=source)
        ).encode()
    _store(file, pkcs8.load(data, opening), password, cipher)
    report(file, as_json=as_json)


@app.command(
    "show", help=_("Show the public key and the address of a keystore; no password needed.")
)
def show(file: File, as_json: AsJson = False) -> None:
    """Shows what is public of a keystore."""
    report(file, as_json=as_json)


def refuse_existing(file: Path) -> None:
    """Raises a Failure if the file exists: keys are never overwritten."""
    if file.exists():
        raise usage(_("{path} exists; keys are never overwritten.", path=file), code="file_exists")


def _store(file: Path, key: SecretKey, password: str, cipher: CipherName) -> None:
    try:
        KeystoreSigner.create(file, password, key, cipher=cipher.value)
    except OSError as error:
        raise usage(
            _("{path} cannot be written: {reason}", path=file, reason=error.strerror)
        ) from error


def public_key_of(file: Path) -> PublicKey:
    """The public key that a keystore names.

    Raises:
        Failure, KeystoreDamaged: it cannot be read.
    """
    try:
        value = parse_json(file.read_bytes())
        if not isinstance(value, dict) or value.get("kind") != "bubi-keystore":
            raise InvalidInput("another kind of file")
        return PublicKey.of(
            Algorithm(str(value["algorithm"])), bytes.fromhex(str(value["public_key"]))
        )
    except OSError as error:
        raise usage(
            _("{path} cannot be read: {reason}", path=file, reason=error.strerror)
        ) from error
    except (BubiError, KeyError, ValueError) as error:
        raise KeystoreDamaged(f"{file} is not a keystore: {error}") from error


def report(file: Path, *, as_json: bool) -> None:
    """Shows what is public of a keystore, with its own address on each kind of network."""
    key = public_key_of(file)
    name = f"{key.algorithm.value}:{key.raw.hex()}"
    suite = HashSuite.NATIONAL if key.algorithm is Algorithm.SM2 else HashSuite.STANDARD
    address = Address.of_key(suite, key.tagged)
    addresses = {kind: address.text(prefix) for kind, prefix in PREFIXES.items()}
    if as_json:
        emit(
            {
                "keystore": str(file),
                "public_key": name,
                "algorithm": key.algorithm.value,
                "suite": suite.value,
                "addresses": addresses,
            }
        )
        return
    rows: dict[str, object] = {_("Keystore"): file, _("Public key"): name}
    rows |= {_("Address ({kind})", kind=kind): text for kind, text in addresses.items()}
    details(_("Key"), rows)
