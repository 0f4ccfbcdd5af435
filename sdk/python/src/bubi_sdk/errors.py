# ruff: noqa: N818 - the names say what happened; the tree says that they are errors
"""Every error of this library.

    BubiError                      code, title, detail, retryable, transaction
    ├── InvalidInput               what was given can never work (also a ValueError)
    │   ├── EncodingError          bytes or JSON that are not the one form of a value
    │   │   ├── NotCanonical       not_canonical: a second form, cut or trailing bytes
    │   │   ├── TooLarge           too_large: beyond the limits table
    │   │   ├── Malformed          malformed: a value that can never be valid
    │   │   └── MalformedJson      malformed_json: not the JSON form of the type
    │   ├── AddressInvalid         malformed: not an address of this network
    │   ├── KeyInvalid             key_invalid: not a key of its algorithm
    │   ├── SignatureInvalid       bad_signature: does not belong to this transaction and key
    │   └── CollectionMismatch     collection_mismatch: signatures of different transactions
    ├── KeystoreError
    │   ├── WrongPassword          wrong_password
    │   └── KeystoreDamaged        keystore_damaged
    ├── ContentUnreadable          content_unreadable: encrypted for another key or record
    ├── ProofInvalid               proof_invalid: proves nothing to the holder of this trust file
    ├── ServiceError               a conversation with a node
    │   ├── ConnectionFailed       connection_failed: no answer to a question; nothing was
    submitted
    │   ├── OutcomeUnknown         outcome_unknown: a transaction was sent and may or may not be
    executed
    │   ├── UnexpectedAnswer       unexpected_answer: not what the API promises
    │   └── RequestRefused         the node's own code (problem+json)
    │       ├── WrongChain         wrong_chain
    │       ├── NotFound           404
    │       ├── Pruned             410: archived away, or a cursor that ran out
    │       ├── Overloaded         429 and 503: try again later
    │       └── ServerFault        other 5xx
    └── OutcomeError               only raised by `Outcome.raise_for_status()`
        ├── TransactionRejected    the ledger's result code
        ├── TransactionExpired     expired
        └── TransactionPending     pending

`code` is stable and for programs; `title` and `detail` are for people. `retryable` says whether
the same call may
succeed later. `transaction` is the hash concerned, if any.
"""

from __future__ import annotations

from typing import ClassVar


class BubiError(Exception):
    """Root of all errors of this library."""

    CODE: ClassVar[str] = "error"
    TITLE: ClassVar[str] = "Something went wrong"
    RETRYABLE: ClassVar[bool] = False

    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        title: str | None = None,
        retryable: bool | None = None,
        transaction: bytes | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = self.CODE if code is None else code
        self.title = self.TITLE if title is None else title
        self.retryable = self.RETRYABLE if retryable is None else retryable
        self.transaction = transaction

    def __str__(self) -> str:
        about = f" (transaction {self.transaction.hex()})" if self.transaction else ""
        return f"{self.title}: {self.detail} [{self.code}]{about}"


class InvalidInput(BubiError, ValueError):
    """What was given can never work."""

    CODE = "malformed"
    TITLE = "Invalid input"


class EncodingError(InvalidInput):
    """Bytes or JSON that are not the one form of a value."""

    TITLE = "Invalid encoding"


class NotCanonical(EncodingError):
    """Not the canonical encoding of the type."""

    CODE = "not_canonical"
    TITLE = "Not a canonical encoding"


class TooLarge(EncodingError):
    """Beyond the limits table."""

    CODE = "too_large"
    TITLE = "Too large"


class Malformed(EncodingError):
    """A value that can never be valid."""

    CODE = "malformed"
    TITLE = "Impossible value"


class MalformedJson(EncodingError):
    """Not the JSON form of the type."""

    CODE = "malformed_json"
    TITLE = "Invalid JSON form"


class AddressInvalid(InvalidInput):
    """Not an address of this network."""

    CODE = "malformed"
    TITLE = "Invalid address"


class KeyInvalid(InvalidInput):
    """Not a key of its algorithm."""

    CODE = "key_invalid"
    TITLE = "Invalid key"


class SignatureInvalid(InvalidInput):
    """A signature that does not belong to this transaction and key."""

    CODE = "bad_signature"
    TITLE = "Invalid signature"


class CollectionMismatch(InvalidInput):
    """Signatures of different transactions."""

    CODE = "collection_mismatch"
    TITLE = "Not the same transaction"


class KeystoreError(BubiError):
    """A keystore file cannot be used."""

    CODE = "keystore_error"
    TITLE = "Keystore error"


class WrongPassword(KeystoreError):
    """The password does not open the keystore."""

    CODE = "wrong_password"
    TITLE = "Wrong password"


class KeystoreDamaged(KeystoreError):
    """The keystore was changed or is not a keystore."""

    CODE = "keystore_damaged"
    TITLE = "Damaged keystore"


class ProofInvalid(BubiError):
    """A proof that proves nothing to the holder of this trust file."""

    CODE = "proof_invalid"
    TITLE = "Invalid proof"


class ContentUnreadable(BubiError):
    """The content of a record cannot be decrypted."""

    CODE = "content_unreadable"
    TITLE = "Unreadable content"


class ServiceError(BubiError):
    """A conversation with a node did not go well."""

    CODE = "service_error"
    TITLE = "Service error"


class ConnectionFailed(ServiceError):
    """No answer to a question. Nothing was submitted, so asking again is safe."""

    CODE = "connection_failed"
    TITLE = "No answer from the node"
    RETRYABLE = True


class OutcomeUnknown(ServiceError):
    """A transaction was sent, and it is not known what became of it.

    It may have been executed. Submitting the *same* envelope again is safe: one transaction has
    one outcome. To find out
    without submitting, ask `client.transaction(error.transaction)`; once a decided block is
    later than the envelope's
    `valid_until`, the answer is certain.
    """

    CODE = "outcome_unknown"
    TITLE = "The outcome is not known yet"
    RETRYABLE = True


class UnexpectedAnswer(ServiceError):
    """An answer that the API does not promise: another service, a proxy, or a defect."""

    CODE = "unexpected_answer"
    TITLE = "Unexpected answer"


class RequestRefused(ServiceError):
    """The node refused the request; `code` is the node's own, `status` the HTTP status."""

    CODE = "refused"
    TITLE = "Request refused"

    def __init__(
        self,
        detail: str,
        *,
        status: int,
        code: str | None = None,
        title: str | None = None,
        retryable: bool | None = None,
        transaction: bytes | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(
            detail, code=code, title=title, retryable=retryable, transaction=transaction
        )
        self.status = status
        self.retry_after = retry_after


class WrongChain(RequestRefused):
    """The node belongs to another chain than the transaction."""

    CODE = "wrong_chain"
    TITLE = "Another chain"


class NotFound(RequestRefused):
    """There is no such thing at this height."""

    CODE = "not_found"
    TITLE = "Not found"


class Pruned(RequestRefused):
    """It existed and is no longer kept here, or a cursor ran out."""

    CODE = "pruned"
    TITLE = "No longer kept"


class Overloaded(RequestRefused):
    """The node asks to try again later."""

    CODE = "overloaded"
    TITLE = "Try again later"
    RETRYABLE = True


class ServerFault(RequestRefused):
    """The node failed to answer."""

    CODE = "internal"
    TITLE = "The node failed"
    RETRYABLE = True


class OutcomeError(BubiError):
    """An outcome that is not final; raised only by `Outcome.raise_for_status()`."""

    CODE = "not_final"
    TITLE = "Not final"


class TransactionRejected(OutcomeError):
    """The ledger rejected the transaction; `code` is its result code."""

    CODE = "rejected"
    TITLE = "Transaction rejected"


class TransactionExpired(OutcomeError):
    """The transaction was never executed and never will be."""

    CODE = "expired"
    TITLE = "Transaction expired"


class TransactionPending(OutcomeError):
    """The transaction waits for its block."""

    CODE = "pending"
    TITLE = "Transaction pending"
    RETRYABLE = True
