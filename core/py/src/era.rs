//! The end of a chain, and the genesis that continues it.

use crate::{
    chain::{disk, json, run},
    codec::{hash_of, prefix_of},
    error::{chain_error, decode_error},
};
use bubi_chain::era::{self, End};
use bubi_codec::{block::Genesis, decode, identity::ChainId};
use pyo3::{prelude::*, types::PyBytes};

/// Reads and checks the end of a chain; its facts as JSON.
#[pyfunction]
pub(crate) fn read_end<'py>(
    py: Python<'py>,
    directory: &str,
    name: &str,
    prefix: &str,
) -> PyResult<Bound<'py, PyBytes>> {
    let (disk, prefix) = (disk(directory)?, prefix_of(prefix)?);
    Ok(json(py, &run(py, || End::read(&disk, name)?.json(prefix))?))
}

/// Checks that a genesis continues the end of a chain; the state root that it begins with.
#[pyfunction]
pub(crate) fn continues<'py>(
    py: Python<'py>,
    directory: &str,
    name: &str,
    genesis: &[u8],
) -> PyResult<Bound<'py, PyBytes>> {
    let disk = disk(directory)?;
    let genesis: Genesis = decode(genesis).map_err(decode_error)?;
    let root = run(py, || Ok(End::read(&disk, name)?.continued_by(&genesis)?.root()))?;
    Ok(PyBytes::new(py, &root.0))
}

/// What an organisation signs that agrees to a new era.
#[pyfunction]
pub(crate) fn sign_off<'py>(py: Python<'py>, chain: &[u8], organisation: &str) -> PyResult<Bound<'py, PyBytes>> {
    let chain = ChainId(hash_of("a chain id", chain)?);
    Ok(PyBytes::new(py, &era::sign_off(&chain, organisation).map_err(chain_error)?))
}
