//! Limits, codes, identifiers, JSON forms.

use crate::error::{decode_error, json_error, refused};
use bubi_codec::{
    block::{Genesis, NetworkKind},
    decode, encode,
    identity::{Address, ChainId},
    operation::OPERATION_NAMES,
    state::ValidatorSet,
    text::{from_json, to_json, to_json_value},
    transaction::{self, SignatureEntry, SignedTransaction, TransactionBody},
    ResultCode,
};
use bubi_crypto::{Hash, HashSuite};
use pyo3::{prelude::*, types::PyBytes, types::PyDict};
use serde::{Deserialize, Serialize};

/// Newest protocol version that this program executes.
#[pyfunction]
pub(crate) fn newest_protocol_version() -> u32 {
    bubi_ledger::protocol::NEWEST
}

/// Version of the core.
#[pyfunction]
pub(crate) fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// The limits table.
#[pyfunction]
pub(crate) fn limits(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let table = PyDict::new(py);
    for (name, value) in bubi_codec::limits::TABLE {
        table.set_item(name, value)?;
    }
    table.set_item("AMOUNT_MAX", bubi_codec::limits::AMOUNT_MAX)?;
    Ok(table)
}

/// Number and name of every result code.
#[pyfunction]
pub(crate) fn result_codes() -> Vec<(u16, &'static str)> {
    ResultCode::ALL.iter().map(|code| (*code as u16, code.name())).collect()
}

/// Names of the operation types by number.
#[pyfunction]
pub(crate) fn operation_names() -> Vec<&'static str> {
    OPERATION_NAMES.to_vec()
}

pub(crate) fn suite(number: u8) -> PyResult<HashSuite> {
    HashSuite::try_from(number).map_err(|error| refused("malformed", error.to_string()))
}

pub(crate) fn hash_of(what: &str, bytes: &[u8]) -> PyResult<Hash> {
    bytes.try_into().map(Hash).map_err(|_| refused("malformed", format!("{what} has 32 bytes")))
}

pub(crate) fn prefix_of(prefix: &str) -> PyResult<&'static str> {
    [NetworkKind::Main, NetworkKind::Test, NetworkKind::Development]
        .into_iter()
        .map(NetworkKind::prefix)
        .find(|known| *known == prefix)
        .ok_or_else(|| refused("malformed", format!("{prefix} is not the prefix of a network")))
}

/// Digest of bytes.
#[pyfunction]
#[pyo3(name = "hash")]
pub(crate) fn hash<'py>(py: Python<'py>, suite: u8, data: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    Ok(PyBytes::new(py, &self::suite(suite)?.hash(&[data]).0))
}

/// Chain id of an encoded genesis.
#[pyfunction]
pub(crate) fn chain_id<'py>(py: Python<'py>, genesis: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let value: Genesis = decode(genesis).map_err(decode_error)?;
    Ok(PyBytes::new(py, value.chain_id(genesis).bytes()))
}

/// Encodes the JSON of a genesis.
#[pyfunction]
pub(crate) fn genesis_from_json<'py>(py: Python<'py>, text: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    #[derive(Deserialize)]
    struct Kind {
        v1: KindV1,
    }
    #[derive(Deserialize)]
    struct KindV1 {
        kind: NetworkKind,
    }
    let kind: Kind = serde_json::from_slice(text).map_err(json_error)?;
    let genesis: Genesis = from_json(kind.v1.kind.prefix(), text).map_err(json_error)?;
    Ok(PyBytes::new(py, &encode(&genesis).map_err(decode_error)?))
}

/// JSON of an encoded genesis.
#[pyfunction]
pub(crate) fn genesis_to_json<'py>(py: Python<'py>, genesis: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let genesis: Genesis = decode(genesis).map_err(decode_error)?;
    Ok(PyBytes::new(py, &to_json(genesis.v1().kind.prefix(), &genesis).map_err(json_error)?))
}

/// Encodes the JSON of a validator set.
#[pyfunction]
pub(crate) fn validator_set_from_json<'py>(py: Python<'py>, text: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    // A validator set holds no address, so that any prefix reads it.
    let set: ValidatorSet = from_json(NetworkKind::Main.prefix(), text).map_err(json_error)?;
    Ok(PyBytes::new(py, &encode(&set).map_err(decode_error)?))
}

/// JSON of an encoded validator set.
#[pyfunction]
pub(crate) fn validator_set_to_json<'py>(py: Python<'py>, validator_set: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let set: ValidatorSet = decode(validator_set).map_err(decode_error)?;
    Ok(PyBytes::new(py, &to_json(NetworkKind::Main.prefix(), &set).map_err(json_error)?))
}

/// Text of an address.
#[pyfunction]
pub(crate) fn address_to_text(prefix: &str, address: &[u8]) -> PyResult<String> {
    Ok(Address(hash_of("an address", address)?).to_text(prefix_of(prefix)?))
}

/// Bytes of an address text.
#[pyfunction]
pub(crate) fn address_from_text<'py>(py: Python<'py>, prefix: &str, text: &str) -> PyResult<Bound<'py, PyBytes>> {
    let address = Address::from_text(prefix_of(prefix)?, text).map_err(decode_error)?;
    Ok(PyBytes::new(py, address.bytes()))
}

/// A signed transaction as JSON writes it: the body is not bytes but a value.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignedJson {
    v1: SignedJsonV1,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignedJsonV1 {
    body: TransactionBody,
    signatures: Vec<SignatureEntry>,
}

/// Canonical bytes of the JSON of a signed transaction.
pub(crate) fn signed_from_json(prefix: &'static str, text: &[u8]) -> PyResult<Vec<u8>> {
    let SignedJson { v1 } = from_json(prefix, text).map_err(json_error)?;
    let body = encode(&v1.body).map_err(decode_error)?;
    let signed = SignedTransaction::V1 { body, signatures: v1.signatures };
    // Signatures may be missing here (simulation); the door checks the rest.
    bcs::to_bytes(&signed).map_err(|error| refused("malformed", error.to_string()))
}

/// Encodes the JSON of a signed transaction.
#[pyfunction]
pub(crate) fn transaction_from_json<'py>(py: Python<'py>, prefix: &str, text: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    Ok(PyBytes::new(py, &signed_from_json(prefix_of(prefix)?, text)?))
}

/// JSON of a signed transaction, with its hash.
#[pyfunction]
pub(crate) fn transaction_to_json<'py>(
    py: Python<'py>,
    prefix: &str,
    suite: u8,
    chain: &[u8],
    signed: &[u8],
) -> PyResult<Bound<'py, PyBytes>> {
    let prefix = prefix_of(prefix)?;
    let signed: SignedTransaction = decode(signed).map_err(decode_error)?;
    let chain = ChainId(hash_of("a chain id", chain)?);
    let hash = transaction::transaction_hash(self::suite(suite)?, &chain, signed.body_bytes());
    let body = signed.body().map_err(decode_error)?;
    let v1 = SignedJsonV1 { body, signatures: signed.signatures().to_vec() };
    let mut value = to_json_value(prefix, &SignedJson { v1 }).map_err(json_error)?;
    value["hash"] = serde_json::Value::String(hash.to_string());
    Ok(PyBytes::new(py, value.to_string().as_bytes()))
}

/// Encodes the JSON of a transaction body.
#[pyfunction]
pub(crate) fn body_from_json<'py>(py: Python<'py>, prefix: &str, text: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let body: TransactionBody = from_json(prefix_of(prefix)?, text).map_err(json_error)?;
    Ok(PyBytes::new(py, &encode(&body).map_err(decode_error)?))
}

/// Hash of an encoded body.
#[pyfunction]
pub(crate) fn transaction_hash<'py>(
    py: Python<'py>,
    suite: u8,
    chain: &[u8],
    body: &[u8],
) -> PyResult<Bound<'py, PyBytes>> {
    let chain = ChainId(hash_of("a chain id", chain)?);
    Ok(PyBytes::new(py, &transaction::transaction_hash(self::suite(suite)?, &chain, body).0))
}
