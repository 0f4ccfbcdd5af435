//! The Python binding: conversions and one error mapping, no logic. `src/bubi/_core.pyi` documents every name.

mod chain;
mod codec;
mod comet;
mod disk;
mod era;
mod error;
mod keys;
mod model;
mod rows;

use pyo3::prelude::*;

/// Allocator of everything that the core makes (Python keeps its own).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The module `bubi._core`.
#[pymodule]
mod _core {
    use super::Bound;
    use super::{PyModule, PyResult};

    #[pymodule_export]
    use super::chain::{bench_ledger, check, Admission, Batch, Chain, Execution, Lease};
    #[pymodule_export]
    use super::codec::{
        address_from_text, address_to_text, body_from_json, chain_id, genesis_from_json, genesis_to_json, hash, limits,
        newest_protocol_version, operation_names, result_codes, transaction_from_json, transaction_hash,
        transaction_to_json, validator_set_from_json, validator_set_to_json, version,
    };
    #[pymodule_export]
    use super::comet::{
        comet_app_hash, comet_certificate, comet_certificate_fields, comet_chain_name, light_block_from_json,
    };
    #[pymodule_export]
    use super::disk::SimulatedDisk;
    #[pymodule_export]
    use super::era::{continues, read_end, sign_off};
    #[pymodule_export]
    use super::keys::{
        certificate, certificate_fields, commit_message, ideal_sign, key_address, open, proposal_binds, seal,
        status_message, verify_certificate, verify_rate, verify_receipt_proof, verify_vote, vote_message, SigningKey,
    };
    #[pymodule_export]
    use super::model::ledger_model_run;
    #[pymodule_export]
    use super::rows::{genesis_accounts, inherited_rows, BlockRows};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        super::error::register(module)
    }
}
