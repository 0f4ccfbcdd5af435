"""Client library of the Bubi ledger: keys, transactions, submission, events, proofs.

Start with `Client` (or `AsyncClient`), `TransactionBuilder` and a signer; the errors are drawn
in `bubi_sdk.errors`.
"""

from bubi_sdk.address import Address
from bubi_sdk.answers import ProvenAnswer, verify_answer
from bubi_sdk.builder import TransactionBuilder
from bubi_sdk.client import AsyncClient, Client
from bubi_sdk.collection import Collection, Completeness
from bubi_sdk.content import decrypt_content, encrypt_content, new_content_key
from bubi_sdk.errors import (
    BubiError,
    ConnectionFailed,
    ContentUnreadable,
    EncodingError,
    InvalidInput,
    KeystoreError,
    OutcomeError,
    OutcomeUnknown,
    ProofInvalid,
    RequestRefused,
    ServiceError,
    TransactionExpired,
    TransactionRejected,
    WrongChain,
    WrongPassword,
)
from bubi_sdk.flows import Retry
from bubi_sdk.hashes import HashSuite
from bubi_sdk.keys import Algorithm, PublicKey, SecretKey
from bubi_sdk.keystore import KeystoreSigner
from bubi_sdk.network import Network, Trust
from bubi_sdk.operations import (
    AccountSigner,
    AssetFeatures,
    AssetKind,
    CipherContent,
    CipherSuite,
    Digest,
    DigestAlgorithm,
    RecordReference,
    SignerLimits,
)
from bubi_sdk.outcome import Answer, BulkOutcome, Outcome, Page, Status
from bubi_sdk.proof import verify_account, verify_cell, verify_finality, verify_receipt
from bubi_sdk.signer import MemorySigner, Signer
from bubi_sdk.stream import StreamEvent
from bubi_sdk.transaction import Envelope, Transaction, TransactionBody

__version__ = "0.1.0"

__all__ = [
    "AccountSigner",
    "Address",
    "Algorithm",
    "Answer",
    "AssetFeatures",
    "AssetKind",
    "AsyncClient",
    "BubiError",
    "BulkOutcome",
    "CipherContent",
    "CipherSuite",
    "Client",
    "Collection",
    "Completeness",
    "ConnectionFailed",
    "ContentUnreadable",
    "Digest",
    "DigestAlgorithm",
    "EncodingError",
    "Envelope",
    "HashSuite",
    "InvalidInput",
    "KeystoreError",
    "KeystoreSigner",
    "MemorySigner",
    "Network",
    "Outcome",
    "OutcomeError",
    "OutcomeUnknown",
    "Page",
    "ProofInvalid",
    "ProvenAnswer",
    "PublicKey",
    "RecordReference",
    "RequestRefused",
    "Retry",
    "SecretKey",
    "ServiceError",
    "Signer",
    "SignerLimits",
    "Status",
    "StreamEvent",
    "Transaction",
    "TransactionBody",
    "TransactionBuilder",
    "TransactionExpired",
    "TransactionRejected",
    "Trust",
    "WrongChain",
    "WrongPassword",
    "decrypt_content",
    "encrypt_content",
    "new_content_key",
    "verify_account",
    "verify_answer",
    "verify_cell",
    "verify_finality",
    "verify_receipt",
]
