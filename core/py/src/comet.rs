//! What a node needs where CometBFT decides.

use crate::{
    codec::hash_of,
    error::{decode_error, refused},
};
use bubi_chain::comet;
use bubi_codec::{block::Certificate, comet::LightBlock, decode, encode, identity::ChainId, text};
use pyo3::{prelude::*, types::PyBytes};

/// Encoded certificate of a block that CometBFT decided.
#[pyfunction]
pub(crate) fn comet_certificate<'py>(
    py: Python<'py>,
    height: u64,
    block: &[u8],
    digest: &[u8],
    outcome: &[u8],
) -> PyResult<Bound<'py, PyBytes>> {
    let block = hash_of("the hash of a block", block)?;
    let (digest, outcome) = (hash_of("a digest", digest)?, hash_of("an outcome hash", outcome)?);
    let certificate = Certificate::Comet { height, block, digest, outcome };
    Ok(PyBytes::new(py, &encode(&certificate).map_err(decode_error)?))
}

/// Height and hash of CometBFT's block in an encoded certificate.
#[pyfunction]
pub(crate) fn comet_certificate_fields<'py>(
    py: Python<'py>,
    certificate: &[u8],
) -> PyResult<(u64, Bound<'py, PyBytes>)> {
    match decode(certificate).map_err(decode_error)? {
        Certificate::Comet { height, block, .. } => Ok((height, PyBytes::new(py, &block.0))),
        Certificate::V1 { .. } => Err(refused("certificate_invalid", "CometBFT did not decide this block")),
    }
}

/// Hash of the application after the block with this digest and outcome.
#[pyfunction]
pub(crate) fn comet_app_hash<'py>(
    py: Python<'py>,
    chain: &[u8],
    digest: &[u8],
    outcome: &[u8],
) -> PyResult<Bound<'py, PyBytes>> {
    let chain = ChainId(hash_of("a chain id", chain)?);
    let hash = comet::app_hash(&chain, &hash_of("a digest", digest)?, &hash_of("an outcome hash", outcome)?);
    Ok(PyBytes::new(py, &hash.0))
}

/// Name of the chain of CometBFT that decides for a chain.
#[pyfunction]
pub(crate) fn comet_chain_name(chain: &[u8]) -> PyResult<String> {
    Ok(comet::chain_name(&ChainId(hash_of("a chain id", chain)?)))
}

/// Encodes the JSON of a light block canonically.
#[pyfunction]
pub(crate) fn light_block_from_json<'py>(py: Python<'py>, text: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let light: LightBlock =
        text::from_json("bubi", text).map_err(|error| refused("malformed_json", error.to_string()))?;
    bubi_codec::Wire::check(&light).map_err(decode_error)?;
    Ok(PyBytes::new(py, &encode(&light).map_err(decode_error)?))
}
