//! The chain and the opaque objects of its pipeline. Calls that work on many transactions or on files release the lock.

use crate::{
    codec::{hash_of, signed_from_json},
    disk::{AnyDisk, SimulatedDisk},
    error::{chain_error, decode_error, refused},
    keys::SigningKey,
};
use bubi_chain::{self as core, chain_id_of, join_bulk, Options, Verified};
use bubi_codec::{block::Proposal, decode, encode, identity::ProposalId};
use bubi_store::{Disk as _, RealDisk, RecordKind};
use pyo3::{prelude::*, types::PyBytes, types::PyDict};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

fn bytes<'py>(py: Python<'py>, value: &[u8]) -> Bound<'py, PyBytes> {
    PyBytes::new(py, value)
}

pub(crate) fn json<'py>(py: Python<'py>, value: &Value) -> Bound<'py, PyBytes> {
    PyBytes::new(py, value.to_string().as_bytes())
}

pub(crate) fn disk(directory: &str) -> PyResult<RealDisk> {
    RealDisk::new(directory).map_err(|error| refused("storage", format!("{directory}: {error}")))
}

/// Runs a call without the interpreter lock. A panic becomes an error that stops the node, never a dead interpreter.
pub(crate) fn run<T: Send>(py: Python<'_>, work: impl FnOnce() -> core::Result<T> + Send) -> PyResult<T> {
    py.detach(work).map_err(chain_error)
}

/// Where admitted transactions are.
enum Content {
    /// Still here.
    Waiting(Verified),
    /// These of a batch.
    Batched(Arc<core::Batch>, Range<usize>),
}

impl Content {
    /// The transactions as a bulk body.
    fn bulk(&self) -> Vec<u8> {
        match self {
            Self::Waiting(verified) => verified.bulk(),
            Self::Batched(batch, range) => {
                let entries = batch.verified.entries.get(range.clone()).unwrap_or_default();
                join_bulk(entries.len(), entries.iter().map(core::Entry::bytes))
            }
        }
    }
}

/// Transactions that passed the door together.
#[pyclass(frozen, module = "bubi._core")]
pub(crate) struct Admission {
    /// None while a batch is made of them, and if that failed.
    content: Mutex<Option<Content>>,
    admitted: usize,
    #[pyo3(get)]
    bytes: usize,
    #[pyo3(get)]
    earliest_expiry: u64,
    verdicts: Vec<Option<&'static str>>,
    hashes: Vec<bubi_crypto::Hash>,
    expiries: Vec<u64>,
    operations: Vec<u8>,
    sources: Vec<u64>,
}

impl From<core::Admission> for Admission {
    fn from(admission: core::Admission) -> Self {
        Self {
            admitted: admission.verified.entries.len(),
            bytes: admission.verified.bytes(),
            earliest_expiry: admission.earliest_expiry(),
            verdicts: admission.verdicts,
            hashes: admission.hashes,
            expiries: admission.expiries,
            operations: admission.operations,
            sources: admission.sources,
            content: Mutex::new(Some(Content::Waiting(admission.verified))),
        }
    }
}

impl Admission {
    fn content(&self) -> MutexGuard<'_, Option<Content>> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn gone() -> PyErr {
        refused("batch_invalid", "these transactions went into a batch")
    }

    /// The transactions, for a batch. From an earlier batch, which no block took because its author lost its vote, they are read
    /// again.
    fn take(&self, chain: &core::Chain<AnyDisk>) -> PyResult<Verified> {
        let content = self.content().take();
        match content.ok_or_else(Self::gone)? {
            Content::Waiting(verified) => Ok(verified),
            batched @ Content::Batched(..) => chain.reread(&batched.bulk()).map_err(chain_error),
        }
    }
}

#[pymethods]
impl Admission {
    fn __len__(&self) -> usize {
        self.admitted
    }

    #[getter]
    fn hashes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        bytes(py, &self.hashes.iter().flat_map(|hash| hash.0).collect::<Vec<u8>>())
    }

    #[getter]
    fn expiries<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        bytes(py, &self.expiries.iter().flat_map(|expiry| expiry.to_le_bytes()).collect::<Vec<u8>>())
    }

    #[getter]
    fn operations<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        bytes(py, &self.operations)
    }

    #[getter]
    fn sources<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        bytes(py, &self.sources.iter().flat_map(|source| source.to_le_bytes()).collect::<Vec<u8>>())
    }

    #[getter]
    fn body<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let content = self.content();
        Ok(bytes(py, &content.as_ref().ok_or_else(Self::gone)?.bulk()))
    }

    fn without(&self, places: BTreeSet<usize>) -> PyResult<Self> {
        let mut content = self.content();
        let verified = match content.take() {
            Some(Content::Waiting(verified)) => verified,
            other => {
                *content = other;
                return Err(Self::gone());
            }
        };
        drop(content);
        let rest = core::Admission {
            verified,
            verdicts: self.verdicts.clone(),
            hashes: self.hashes.clone(),
            expiries: self.expiries.clone(),
            operations: self.operations.clone(),
            sources: self.sources.clone(),
        };
        Ok(rest.without(&places).into())
    }

    #[getter]
    fn verdicts(&self) -> Vec<&'static str> {
        self.verdicts.iter().map(|verdict| verdict.unwrap_or("")).collect()
    }

    #[getter]
    fn received(&self) -> usize {
        self.verdicts.len()
    }

    #[getter]
    fn refused(&self) -> usize {
        self.verdicts.len() - self.admitted
    }
}

/// An ordered group of verified transactions with its author's signature.
#[pyclass(frozen, module = "bubi._core")]
pub(crate) struct Batch(Arc<core::Batch>);

#[pymethods]
impl Batch {
    fn __len__(&self) -> usize {
        self.0.verified.entries.len()
    }

    #[getter]
    fn digest<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        bytes(py, &self.0.digest.0)
    }

    #[getter]
    fn header<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(bytes(py, &encode(&self.0.header).map_err(decode_error)?))
    }

    #[getter]
    fn body<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        bytes(py, &py.detach(|| self.0.verified.bulk()))
    }

    #[getter]
    fn author<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        bytes(py, &self.0.author().tagged_bytes())
    }

    #[getter]
    fn latest_expiry(&self) -> u64 {
        self.0.latest_expiry()
    }

    #[getter]
    fn bytes(&self) -> usize {
        self.0.verified.bytes()
    }
}

fn inner(batches: &[PyRef<'_, Batch>]) -> Vec<Arc<core::Batch>> {
    batches.iter().map(|batch| Arc::clone(&batch.0)).collect()
}

/// Result of executing a proposal.
#[pyclass(frozen, module = "bubi._core")]
pub(crate) struct Execution {
    /// Taken by the commit.
    taken: Mutex<Option<core::Execution>>,
    digest: bubi_crypto::Hash,
    outcome_hash: bubi_crypto::Hash,
    outcome: Vec<u8>,
    codes: Vec<Vec<u8>>,
    #[pyo3(get)]
    height: u64,
    #[pyo3(get)]
    counts: (usize, usize, usize),
    #[pyo3(get)]
    alarms: Vec<String>,
}

impl Execution {
    fn new(execution: core::Execution) -> PyResult<Self> {
        let finals = execution
            .receipts()
            .iter()
            .filter(|receipt| matches!(receipt, bubi_codec::block::Receipt::V1 { code: 0, .. }))
            .count();
        let codes = execution
            .codes()
            .iter()
            .map(|batch| batch.iter().flat_map(|code| code.unwrap_or(u16::MAX).to_le_bytes()).collect())
            .collect();
        Ok(Self {
            digest: execution.digest,
            outcome_hash: execution.outcome_hash,
            outcome: encode(execution.outcome()).map_err(decode_error)?,
            codes,
            height: execution.height(),
            counts: (finals, execution.receipts().len() - finals, execution.skipped().len()),
            alarms: execution.alarms().iter().map(|alarm| format!("{}: {}", alarm.transaction, alarm.what)).collect(),
            taken: Mutex::new(Some(execution)),
        })
    }
}

#[pymethods]
impl Execution {
    #[getter]
    fn digest<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        bytes(py, &self.digest.0)
    }

    #[getter]
    fn outcome<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        bytes(py, &self.outcome)
    }

    #[getter]
    fn outcome_hash<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        bytes(py, &self.outcome_hash.0)
    }

    fn codes<'py>(&self, py: Python<'py>, batch: usize) -> PyResult<Bound<'py, PyBytes>> {
        let codes = self.codes.get(batch).ok_or_else(|| refused("malformed", "there is no such batch"))?;
        Ok(bytes(py, codes))
    }
}

/// A view of one height for listing.
#[pyclass(frozen, module = "bubi._core")]
pub(crate) struct Lease(core::Lease<AnyDisk>);

#[pymethods]
impl Lease {
    #[getter]
    fn height(&self) -> u64 {
        self.0.height()
    }

    #[pyo3(signature = (kind, scope, after, limit, now=0))]
    fn page<'py>(
        &self,
        py: Python<'py>,
        kind: &str,
        scope: &str,
        after: &[u8],
        limit: usize,
        now: u64,
    ) -> PyResult<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)> {
        let (items, next) = run(py, || self.0.page(kind, scope, after, limit, now))?;
        Ok((json(py, &Value::Array(items)), bytes(py, &next)))
    }
}

/// The ledger of one node.
#[pyclass(frozen, module = "bubi._core")]
pub(crate) struct Chain(Mutex<Option<Arc<core::Chain<AnyDisk>>>>);

impl Chain {
    fn chain(&self) -> PyResult<Arc<core::Chain<AnyDisk>>> {
        let chain = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        chain.as_ref().map(Arc::clone).ok_or_else(|| refused("closed", "the chain was closed"))
    }

    /// The newest block. A commit may hold the state for some milliseconds; the interpreter does not wait with us.
    fn tip(&self, py: Python<'_>) -> PyResult<core::Tip> {
        let chain = self.chain()?;
        Ok(py.detach(|| chain.tip()))
    }

    /// An optional JSON object read from the chain.
    fn read<'py>(
        &self,
        py: Python<'py>,
        work: impl FnOnce(&core::Chain<AnyDisk>) -> core::Result<Option<Value>> + Send,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let chain = self.chain()?;
        Ok(run(py, || work(&chain))?.map(|value| json(py, &value)))
    }
}

#[pymethods]
impl Chain {
    #[staticmethod]
    #[pyo3(signature = (directory, genesis, *, proof_window=64, segment_bytes=67_108_864, leases=64, known_keys=16_777_216))]
    fn open(
        py: Python<'_>,
        directory: &str,
        genesis: &[u8],
        proof_window: usize,
        segment_bytes: u64,
        leases: usize,
        known_keys: usize,
    ) -> PyResult<Self> {
        let disk = disk(directory)?;
        let options = Options { proof_window, segment_bytes, leases, known_keys };
        let chain = run(py, || core::Chain::open(AnyDisk::Real(disk), genesis, options))?;
        Ok(Self(Mutex::new(Some(Arc::new(chain)))))
    }

    #[staticmethod]
    #[pyo3(signature = (disk, genesis, *, ideal, proof_window=64, segment_bytes=1_048_576, leases=4))]
    fn open_simulated(
        py: Python<'_>,
        disk: PyRef<'_, SimulatedDisk>,
        genesis: &[u8],
        ideal: bool,
        proof_window: usize,
        segment_bytes: u64,
        leases: usize,
    ) -> PyResult<Self> {
        let disk = AnyDisk::Simulated(disk.0.clone());
        let options = Options { proof_window, segment_bytes, leases, known_keys: 0 };
        let chain = run(py, || core::Chain::open_simulated(disk, genesis, options, ideal))?;
        Ok(Self(Mutex::new(Some(Arc::new(chain)))))
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(chain) = taken else { return Ok(()) };
        run(py, move || {
            let flushed = chain.flush();
            drop(chain);
            flushed
        })
    }

    fn write_end(&self, py: Python<'_>, directory: &str, name: &str) -> PyResult<()> {
        let (chain, disk) = (self.chain()?, disk(directory)?);
        run(py, || chain.write_end(&disk, name))
    }

    #[getter]
    fn chain_id<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(bytes(py, self.chain()?.chain_id().bytes()))
    }

    #[getter]
    fn suite(&self) -> PyResult<u8> {
        Ok(self.chain()?.suite() as u8)
    }

    #[getter]
    fn prefix(&self) -> PyResult<&'static str> {
        Ok(self.chain()?.prefix())
    }

    #[getter]
    fn genesis<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(bytes(py, self.chain()?.genesis()))
    }

    #[getter]
    fn height(&self, py: Python<'_>) -> PyResult<u64> {
        Ok(self.tip(py)?.height)
    }

    #[getter]
    fn time(&self, py: Python<'_>) -> PyResult<u64> {
        Ok(self.tip(py)?.time)
    }

    #[getter]
    fn digest<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(bytes(py, &self.tip(py)?.digest.0))
    }

    #[getter]
    fn state_root<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(bytes(py, &self.tip(py)?.state_root.0))
    }

    #[getter]
    fn validator_set<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(bytes(py, &encode(&self.chain()?.validators().map_err(chain_error)?).map_err(decode_error)?))
    }

    #[getter]
    fn epoch(&self, py: Python<'_>) -> PyResult<(u64, u64)> {
        let chain = self.chain()?;
        run(py, || chain.epoch())
    }

    #[getter]
    fn statistics<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let table = PyDict::new(py);
        let chain = self.chain()?;
        for (name, value) in py.detach(|| chain.statistics()) {
            table.set_item(name, value)?;
        }
        Ok(table)
    }

    #[getter]
    fn signatures_verified(&self) -> PyResult<u64> {
        Ok(self.chain()?.signatures_verified())
    }

    fn learn_keys(&self, py: Python<'_>, position: usize) -> PyResult<Option<usize>> {
        let chain = self.chain()?;
        run(py, || chain.learn_keys(position))
    }

    fn admit(&self, py: Python<'_>, body: &[u8], now: u64) -> PyResult<Admission> {
        let chain = self.chain()?;
        Ok(run(py, || chain.admit(body, now))?.into())
    }

    fn admit_json(&self, py: Python<'_>, text: &[u8], now: u64) -> PyResult<Admission> {
        let chain = self.chain()?;
        let signed = signed_from_json(chain.prefix(), text)?;
        Ok(run(py, || chain.admit(&join_bulk(1, std::iter::once(signed.as_slice())), now))?.into())
    }

    fn simulate<'py>(&self, py: Python<'py>, signed: &[u8], now: u64) -> PyResult<Bound<'py, PyBytes>> {
        let chain = self.chain()?;
        Ok(json(py, &run(py, || chain.simulate_json(signed, now))?))
    }

    fn batch(
        &self,
        py: Python<'_>,
        admissions: Vec<PyRef<'_, Admission>>,
        number: u64,
        key: PyRef<'_, SigningKey>,
    ) -> PyResult<Batch> {
        let chain = self.chain()?;
        let (mut verified, mut until) = (Verified::default(), Vec::with_capacity(admissions.len()));
        for admission in &admissions {
            verified.append(admission.take(&chain)?);
            until.push(verified.entries.len());
        }
        let key = &key.0;
        let batch = Arc::new(run(py, || chain.batch(verified, number, key))?);
        let mut from = 0;
        for (admission, until) in admissions.iter().zip(until) {
            *admission.content() = Some(Content::Batched(Arc::clone(&batch), from..until));
            from = until;
        }
        Ok(Batch(batch))
    }

    fn decode_batch(&self, py: Python<'_>, header: &[u8], body: &[u8]) -> PyResult<Batch> {
        let chain = self.chain()?;
        Ok(Batch(Arc::new(run(py, || chain.decode_batch(header, body))?)))
    }

    /// A list with a `Batch` or a `CoreError` for each pair of header and body.
    fn decode_batches<'py>(
        &self,
        py: Python<'py>,
        batches: Vec<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)>,
    ) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let chain = self.chain()?;
        let parts: Vec<(&[u8], &[u8])> =
            batches.iter().map(|(header, body)| (header.as_bytes(), body.as_bytes())).collect();
        let verdicts = py.detach(|| chain.decode_batches(&parts));
        let objects = verdicts.into_iter().map(|verdict| match verdict {
            Ok(batch) => Ok(Bound::new(py, Batch(Arc::new(batch)))?.into_any()),
            Err(error) => Ok(chain_error(error).into_value(py).into_bound(py).into_any()),
        });
        objects.collect()
    }

    fn propose<'py>(
        &self,
        py: Python<'py>,
        time: u64,
        parent_round: u64,
        batches: Vec<PyRef<'_, Batch>>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let (chain, batches) = (self.chain()?, inner(&batches));
        let proposal = run(py, || chain.propose(time, parent_round, &batches))?;
        Ok(bytes(py, &encode(&proposal).map_err(decode_error)?))
    }

    fn proposal_digest<'py>(&self, py: Python<'py>, proposal: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let chain = self.chain()?;
        let proposal: Proposal = decode(proposal).map_err(decode_error)?;
        let digest =
            bubi_codec::block::digest(chain.suite(), bubi_codec::domain::PROPOSAL, chain.chain_id(), &proposal);
        Ok(bytes(py, &digest.map_err(decode_error)?.0))
    }

    #[staticmethod]
    fn proposal_fields<'py>(py: Python<'py>, proposal: &[u8]) -> PyResult<(u64, u64, Bound<'py, PyBytes>, u64)> {
        let Proposal::V1(fields) = decode(proposal).map_err(decode_error)?;
        Ok((fields.height, fields.time, bytes(py, &fields.parent.0), fields.parent_round))
    }

    #[pyo3(signature = (proposal, digest, batches, parent_round))]
    fn check_proposal(
        &self,
        py: Python<'_>,
        proposal: &[u8],
        digest: &[u8],
        batches: Vec<PyRef<'_, Batch>>,
        parent_round: Option<u64>,
    ) -> PyResult<()> {
        let (chain, batches) = (self.chain()?, inner(&batches));
        let wrong = |error: PyErr| refused("proposal_invalid", error.to_string());
        let proposal: Proposal = decode(proposal).map_err(decode_error).map_err(wrong)?;
        let digest = hash_of("a digest", digest)?;
        run(py, || chain.check_proposal(&proposal, &digest, &batches, parent_round))
    }

    fn leaders(&self, py: Python<'_>, count: usize) -> PyResult<(u64, Vec<u32>)> {
        let chain = self.chain()?;
        run(py, || chain.leaders(count))
    }

    fn ordered_batches<'py>(&self, py: Python<'py>) -> PyResult<Vec<(u64, Bound<'py, PyBytes>)>> {
        let chain = self.chain()?;
        let found = py.detach(|| chain.ordered_batches());
        Ok(found.into_iter().map(|(height, digest)| (height, bytes(py, &digest.0))).collect())
    }

    fn check_certificate(&self, py: Python<'_>, certificate: &[u8]) -> PyResult<()> {
        let chain = self.chain()?;
        let certificate = decode(certificate).map_err(decode_error)?;
        run(py, || chain.check_certificate(&certificate))
    }

    fn append(&self, py: Python<'_>, kind: u8, height: u64, data: &[u8]) -> PyResult<()> {
        let chain = self.chain()?;
        let kind = record_kind(kind)?;
        run(py, || chain.append(kind, height, data))
    }

    fn append_bodies(&self, py: Python<'_>, height: u64, batches: Vec<PyRef<'_, Batch>>) -> PyResult<()> {
        let (chain, batches) = (self.chain()?, inner(&batches));
        run(py, || chain.append_bodies(height, &batches))
    }

    fn pending_bodies(&self, py: Python<'_>) -> PyResult<Vec<Batch>> {
        let chain = self.chain()?;
        Ok(run(py, || chain.pending_bodies())?.into_iter().map(Batch).collect())
    }

    fn sync(&self, py: Python<'_>) -> PyResult<()> {
        let chain = self.chain()?;
        run(py, || chain.sync())
    }

    fn execute(&self, py: Python<'_>, proposal: &[u8], batches: Vec<PyRef<'_, Batch>>) -> PyResult<Execution> {
        let (chain, batches) = (self.chain()?, inner(&batches));
        let proposal = decode(proposal).map_err(decode_error)?;
        let execution = run(py, || chain.execute(&proposal, &batches))?;
        py.detach(|| Execution::new(execution))
    }

    fn commit(&self, py: Python<'_>, execution: PyRef<'_, Execution>, certificate: &[u8]) -> PyResult<()> {
        let chain = self.chain()?;
        let certificate = decode(certificate).map_err(decode_error)?;
        let mut slot = execution.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = slot.take().ok_or_else(|| refused("committed", "this execution was committed before"))?;
        let (result, back) = py.detach(|| chain.commit(taken, certificate));
        *slot = back;
        result.map_err(chain_error)
    }

    fn guard_read<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(bytes(py, &self.chain()?.guard_read()))
    }

    fn guard_write(&self, py: Python<'_>, record: &[u8]) -> PyResult<()> {
        let chain = self.chain()?;
        run(py, || chain.guard_write(record))
    }

    fn guard_settle(&self, py: Python<'_>, record: &[u8]) -> PyResult<()> {
        let chain = self.chain()?;
        run(py, || chain.guard_settle(record))
    }

    fn log_records<'py>(
        &self,
        py: Python<'py>,
        kind: u8,
        from_height: u64,
    ) -> PyResult<Vec<(u64, Bound<'py, PyBytes>)>> {
        let chain = self.chain()?;
        let kind = record_kind(kind)?;
        let records = run(py, || chain.log_records(kind, from_height))?;
        Ok(records.into_iter().map(|(height, data)| (height, bytes(py, &data))).collect())
    }

    fn status_json<'py>(
        &self,
        py: Python<'py>,
        transaction: &[u8],
        proof: bool,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let transaction = hash_of("a transaction hash", transaction)?;
        self.read(py, |chain| chain.status_json(&transaction, proof))
    }

    fn block_json<'py>(
        &self,
        py: Python<'py>,
        height: u64,
        transactions: bool,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        self.read(py, |chain| chain.block_json(height, transactions))
    }

    fn block_bytes<'py>(&self, py: Python<'py>, height: u64) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let chain = self.chain()?;
        let record = run(py, || chain.record(height))?;
        let encoded = record.map(|record| encode(record.as_ref())).transpose().map_err(decode_error)?;
        Ok(encoded.map(|encoded| bytes(py, &encoded)))
    }

    fn block_bodies<'py>(&self, py: Python<'py>, height: u64) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let chain = self.chain()?;
        let bodies = run(py, || chain.bodies(height))?;
        Ok(bodies.iter().map(|body| bytes(py, body)).collect())
    }

    #[allow(clippy::type_complexity)] // The parts of a block, one by one.
    fn block_parts<'py>(
        &self,
        py: Python<'py>,
        height: u64,
    ) -> PyResult<Option<(Bound<'py, PyBytes>, Bound<'py, PyBytes>, Vec<Bound<'py, PyBytes>>, Vec<Bound<'py, PyBytes>>)>>
    {
        let chain = self.chain()?;
        let all = |parts: &[Vec<u8>]| parts.iter().map(|part| bytes(py, part)).collect::<Vec<_>>();
        let found = run(py, || chain.block_parts(height))?;
        Ok(found.map(|parts| {
            (bytes(py, &parts.proposal), bytes(py, &parts.certificate), all(&parts.headers), all(&parts.bodies))
        }))
    }

    fn export<'py>(&self, py: Python<'py>, after: u64, limit: u64, bytes_max: usize) -> PyResult<Bound<'py, PyBytes>> {
        let chain = self.chain()?;
        Ok(bytes(py, &run(py, || chain.export(after, limit, bytes_max))?))
    }

    fn tip_certificate<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let chain = self.chain()?;
        let found = run(py, || chain.tip_certificate())?;
        let encoded = found.map(|certificate| encode(&certificate)).transpose().map_err(decode_error)?;
        Ok(encoded.map(|encoded| bytes(py, &encoded)))
    }

    fn tip_batches<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let chain = self.chain()?;
        let found = run(py, || chain.tip_batches())?;
        Ok(found.iter().map(|digest| bytes(py, &digest.0)).collect())
    }

    #[getter]
    fn app_hash<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let chain = self.chain()?;
        Ok(bytes(py, &py.detach(|| chain.app_hash()).0))
    }

    #[getter]
    fn provable(&self, py: Python<'_>) -> PyResult<u64> {
        let chain = self.chain()?;
        run(py, || chain.provable())
    }

    fn add_light_block(&self, py: Python<'_>, height: u64, light: &[u8]) -> PyResult<()> {
        let chain = self.chain()?;
        let light = decode(light).map_err(decode_error)?;
        run(py, || chain.add_light_block(height, &light))
    }

    fn finality_json<'py>(&self, py: Python<'py>, height: u64) -> PyResult<Option<Bound<'py, PyBytes>>> {
        self.read(py, |chain| chain.finality_json(height))
    }

    #[pyo3(signature = (owner, key, height, proof))]
    fn cell_json<'py>(
        &self,
        py: Python<'py>,
        owner: &[u8],
        key: &[u8],
        height: Option<u64>,
        proof: bool,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let chain = self.chain()?;
        Ok(json(py, &run(py, || chain.cell_json(owner, key, height, proof))?))
    }

    fn account_json<'py>(&self, py: Python<'py>, address: &str, proof: bool) -> PyResult<Option<Bound<'py, PyBytes>>> {
        self.read(py, |chain| chain.account_json(address, proof))
    }

    fn balance_json<'py>(
        &self,
        py: Python<'py>,
        address: &str,
        asset: &str,
        now: u64,
        proof: bool,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        self.read(py, |chain| chain.balance_json(address, asset, now, proof))
    }

    fn data_json<'py>(
        &self,
        py: Python<'py>,
        address: &str,
        name: &str,
        proof: bool,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        self.read(py, |chain| chain.data_json(address, name, proof))
    }

    fn asset_json<'py>(&self, py: Python<'py>, asset: &str, proof: bool) -> PyResult<Option<Bound<'py, PyBytes>>> {
        self.read(py, |chain| chain.asset_json(asset, proof))
    }

    fn item_json<'py>(
        &self,
        py: Python<'py>,
        asset: &str,
        item: &str,
        proof: bool,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        self.read(py, |chain| chain.item_json(asset, item, proof))
    }

    fn namespace_json<'py>(
        &self,
        py: Python<'py>,
        namespace: &str,
        proof: bool,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        self.read(py, |chain| chain.namespace_json(namespace, proof))
    }

    #[pyo3(signature = (namespace, key, version, proof))]
    fn record_json<'py>(
        &self,
        py: Python<'py>,
        namespace: &str,
        key: &str,
        version: Option<u32>,
        proof: bool,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        self.read(py, |chain| chain.record_json(namespace, key, version, proof))
    }

    fn parameters_json<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let chain = self.chain()?;
        Ok(json(py, &run(py, || chain.parameters_json())?))
    }

    fn organisations_json<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let chain = self.chain()?;
        Ok(json(py, &run(py, || chain.organisations_json())?))
    }

    fn governance_json<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let chain = self.chain()?;
        Ok(json(py, &run(py, || chain.governance_json())?))
    }

    fn proposal_json<'py>(&self, py: Python<'py>, proposal: &[u8]) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let proposal = ProposalId(hash_of("a proposal id", proposal)?);
        self.read(py, |chain| chain.proposal_json(&proposal))
    }

    fn evidence_json<'py>(&self, py: Python<'py>, evidence: &[u8]) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let evidence = hash_of("a key of evidence", evidence)?;
        self.read(py, |chain| chain.evidence_json(&evidence))
    }

    fn list_proposals<'py>(&self, py: Python<'py>, after: &[u8], limit: usize) -> PyResult<Bound<'py, PyBytes>> {
        let chain = self.chain()?;
        Ok(json(py, &run(py, || chain.list_proposals(after, limit))?))
    }

    fn list_evidence<'py>(&self, py: Python<'py>, after: &[u8], limit: usize) -> PyResult<Bound<'py, PyBytes>> {
        let chain = self.chain()?;
        Ok(json(py, &run(py, || chain.list_evidence(after, limit))?))
    }

    fn validator_set_of_epoch<'py>(&self, py: Python<'py>, epoch: u64) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let chain = self.chain()?;
        let found = py.detach(|| chain.validators_of_epoch(epoch));
        let encoded = found.map(|set| encode(&set)).transpose().map_err(decode_error)?;
        Ok(encoded.map(|encoded| bytes(py, &encoded)))
    }

    fn account_events_json<'py>(&self, py: Python<'py>, address: &str, height: u64) -> PyResult<Bound<'py, PyBytes>> {
        let chain = self.chain()?;
        Ok(json(py, &run(py, || chain.account_events_json(address, height))?))
    }

    fn lease(&self, py: Python<'_>) -> PyResult<Lease> {
        let chain = self.chain()?;
        Ok(Lease(run(py, || chain.lease())?))
    }

    fn snapshot_root<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let chain = self.chain()?;
        let root = py.detach(|| chain.recomputed_root());
        Ok(bytes(py, &root.0))
    }
}

fn record_kind(kind: u8) -> PyResult<RecordKind> {
    match kind {
        2 => Ok(RecordKind::Proposal),
        3 => Ok(RecordKind::GuardRecord),
        4 => Ok(RecordKind::Prepared),
        _ => {
            Err(refused("malformed", "log records of consensus are 2 proposal, 3 guard record, 4 prepared certificate"))
        }
    }
}

/// Reads every file of a stopped node: file, offset, kind, action per damage found.
#[pyfunction]
pub(crate) fn check(py: Python<'_>, directory: &str, genesis: &[u8]) -> PyResult<Vec<(String, u64, String, String)>> {
    let chain = chain_id_of(genesis).map_err(chain_error)?;
    let disk = disk(directory)?;
    let damage = run(py, || {
        let _lock = disk.lock()?;
        Ok(bubi_store::check(&disk, chain.bytes())?)
    })?;
    Ok(damage
        .into_iter()
        .map(|one| (one.file, one.offset, one.kind.name().to_owned(), one.action.text().to_owned()))
        .collect())
}

/// Runs the workload of `bubi bench ledger`; seconds as measured.
#[pyfunction]
#[allow(clippy::too_many_arguments)] // One per setting of the workload.
pub(crate) fn bench_ledger(
    py: Python<'_>,
    directory: std::path::PathBuf,
    accounts: u64,
    block_size: usize,
    blocks: usize,
    rounds: usize,
    suite: u8,
    progress: Py<PyAny>,
) -> PyResult<Bound<'_, PyDict>> {
    let workload = core::bench::Workload { accounts, block_size, blocks, rounds, suite: crate::codec::suite(suite)? };
    let report = |stage: &str, done: f64| {
        // Progress is for people: if showing it fails, the figures are still wanted.
        Python::attach(|py| drop(progress.call1(py, (stage, done))));
    };
    let measured = run(py, || core::bench::run(&directory, workload, report))?;
    let table = PyDict::new(py);
    table.set_item("prechecked", measured.prechecked)?;
    table.set_item("execute", measured.execute)?;
    table.set_item("signed", measured.signed)?;
    table.set_item("fsyncs", measured.fsyncs.0)?;
    table.set_item("blocks", measured.fsyncs.1)?;
    table.set_item("start", measured.start)?;
    table.set_item("cells", measured.cells)?;
    Ok(table)
}
