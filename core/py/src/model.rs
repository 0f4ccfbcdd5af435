//! Execution without a disk and without signatures, for the comparison with the reference model in `tests/model`.

use crate::error::{decode_error, refused};
use bubi_codec::{block::Genesis, decode, encode, transaction::transaction_hash, transaction::TransactionBody};
use bubi_crypto::PublicKey;
use bubi_ledger::{execute, genesis_state, tree::View, Context, LiveIds, Network, VerifiedTransaction};
use pyo3::{prelude::*, types::PyBytes};

/// Bodies with the keys that signed them, per batch.
type Batches = Vec<Vec<(Vec<u8>, Vec<Vec<u8>>)>>;
/// Outcome, receipts, events per receipt, skip reasons.
type Executed = (Py<PyBytes>, Vec<Py<PyBytes>>, Vec<Vec<Py<PyBytes>>>, Vec<&'static str>);

fn broken(error: impl std::fmt::Display) -> PyErr {
    refused("internal", error.to_string())
}

/// Executes blocks on a genesis; the keys given are taken as verified signers.
#[pyfunction]
#[pyo3(signature = (genesis, blocks, parent_rounds=Vec::new()))]
pub(crate) fn ledger_model_run(
    py: Python<'_>,
    genesis: &[u8],
    blocks: Vec<(u64, Batches)>,
    parent_rounds: Vec<u64>,
) -> PyResult<Vec<Executed>> {
    let value: Genesis = decode(genesis).map_err(decode_error)?;
    let (suite, chain) = (value.v1().suite, value.chain_id(genesis));
    let network = Network::new(&value, chain);
    let mut state = genesis_state(&value).map_err(broken)?;
    let mut live = LiveIds::new(suite);
    let mut results = Vec::new();
    let rounds = parent_rounds.into_iter().chain(std::iter::repeat(0));
    for ((height, (time, batches)), parent_round) in (1..).zip(blocks).zip(rounds) {
        let transactions = batches
            .into_iter()
            .map(|batch| batch.into_iter().map(|(body, keys)| verified(suite, &chain, &body, &keys)).collect())
            .collect::<PyResult<Vec<Vec<VerifiedTransaction>>>>()?;
        let slices: Vec<&[VerifiedTransaction]> = transactions.iter().map(Vec::as_slice).collect();
        let view = View::new(&state, &[]).map_err(broken)?;
        let context = Context::new(&view, &network, height, time).map_err(broken)?;
        let context = Context { parent_round, ..context };
        let block = execute(&view, live.view(&[]), &context, &slices).map_err(broken)?.finish(&view);
        let bytes = |encoded: Result<Vec<u8>, bubi_codec::DecodeError>| -> PyResult<Py<PyBytes>> {
            Ok(PyBytes::new(py, &encoded.map_err(decode_error)?).unbind())
        };
        results.push((
            bytes(encode(&block.outcome))?,
            block.receipts.iter().map(|receipt| bytes(encode(receipt))).collect::<PyResult<_>>()?,
            block
                .events
                .iter()
                .map(|events| events.iter().map(|event| bytes(encode(event))).collect::<PyResult<_>>())
                .collect::<PyResult<_>>()?,
            block.skipped.iter().map(|skipped| skipped.reason.name()).collect(),
        ));
        live.merge(block.ids);
        state.merge(block.overlay).map_err(broken)?;
    }
    Ok(results)
}

fn verified(
    suite: bubi_crypto::HashSuite,
    chain: &bubi_codec::identity::ChainId,
    body: &[u8],
    keys: &[Vec<u8>],
) -> PyResult<VerifiedTransaction> {
    let TransactionBody::V1(fields) = decode(body).map_err(decode_error)?;
    let mut signers = keys
        .iter()
        .map(|key| PublicKey::from_tagged(key).map_err(|error| refused("key_invalid", error.to_string())))
        .collect::<PyResult<Vec<PublicKey>>>()?;
    signers.sort_unstable();
    Ok(VerifiedTransaction { hash: transaction_hash(suite, chain, body), body: fields, signers, bytes: 0..0 })
}
