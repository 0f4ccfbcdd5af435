//! The one error mapping.

use bubi_chain::ChainError;
use bubi_codec::DecodeError;
use bubi_store::StoreError;
use pyo3::{create_exception, exceptions::PyException, prelude::*};

create_exception!(_core, CoreError, PyException);
create_exception!(_core, StorageFull, CoreError);
create_exception!(_core, StorageFatal, CoreError);
create_exception!(_core, Damaged, CoreError);

/// Adds the exceptions to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("CoreError", py.get_type::<CoreError>())?;
    module.add("StorageFull", py.get_type::<StorageFull>())?;
    module.add("StorageFatal", py.get_type::<StorageFatal>())?;
    module.add("Damaged", py.get_type::<Damaged>())
}

/// A refusal with its stable code.
pub(crate) fn refused(code: &str, detail: impl Into<String>) -> PyErr {
    CoreError::new_err((code.to_owned(), detail.into()))
}

/// The Python exception of a chain error.
pub(crate) fn chain_error(error: ChainError) -> PyErr {
    match error {
        ChainError::Store(error) => store_error(&error),
        ChainError::Broken(detail) => StorageFatal::new_err(("invariant_broken".to_owned(), detail)),
        other => refused(other.code(), other.to_string()),
    }
}

fn store_error(error: &StoreError) -> PyErr {
    let detail = error.to_string();
    match error {
        StoreError::NoSpace { .. } => StorageFull::new_err(("storage_full".to_owned(), detail)),
        StoreError::Fatal { .. } | StoreError::Poisoned { .. } => {
            StorageFatal::new_err(("storage_failed".to_owned(), detail))
        }
        StoreError::Damaged { .. } | StoreError::LogBehind { .. } => Damaged::new_err(("damaged".to_owned(), detail)),
        StoreError::WrongChain { .. } => refused("wrong_chain", detail),
        StoreError::Locked { .. } => refused("folder_in_use", detail),
        _ => refused("storage", detail),
    }
}

/// The Python exception of a decoding refusal.
pub(crate) fn decode_error(error: DecodeError) -> PyErr {
    refused(error.code(), error.to_string())
}

/// The Python exception of wrong JSON.
pub(crate) fn json_error(error: serde_json::Error) -> PyErr {
    refused("malformed_json", error.to_string())
}
