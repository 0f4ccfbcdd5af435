//! Exported blocks as rows for a database: tuples, or the text that `COPY` takes.

use crate::{
    chain::{disk, json},
    codec::{hash_of, prefix_of, suite},
    error::{chain_error, decode_error, json_error, refused},
};
use bubi_chain::{
    era::End,
    rows::{genesis_accounts as accounts_of, inherited, rows, Cell, GenesisAccount, Row, Rows, Setting},
    ChainError,
};
use bubi_codec::{block::Genesis, decode, identity::ChainId, text::to_json};
use pyo3::{
    prelude::*,
    types::{PyBytes, PyList, PyTuple},
};
use std::fmt::Write;

/// Rows of some blocks. Accounts and assets get the numbers that the caller gives for them.
#[pyclass(frozen, module = "bubi._core")]
pub(crate) struct BlockRows {
    rows: Rows,
    prefix: &'static str,
}

#[pymethods]
impl BlockRows {
    #[new]
    fn new(py: Python<'_>, prefix: &str, suite: u8, chain: &[u8], export: &[u8]) -> PyResult<Self> {
        let (prefix, suite) = (prefix_of(prefix)?, self::suite(suite)?);
        let chain = ChainId(hash_of("a chain id", chain)?);
        let setting = Setting { prefix, suite, chain: &chain };
        let rows = py.detach(|| rows(setting, export)).map_err(chain_error)?;
        Ok(Self { rows, prefix })
    }

    #[getter]
    fn last(&self) -> u64 {
        self.rows.last
    }

    #[getter]
    fn addresses(&self) -> Vec<String> {
        self.rows.addresses.iter().map(|address| address.to_text(self.prefix)).collect()
    }

    #[getter]
    fn assets<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyBytes>> {
        self.rows.assets.iter().map(|asset| PyBytes::new(py, asset.bytes())).collect()
    }

    fn count(&self, table: &str) -> usize {
        self.table(table).len()
    }

    fn tuples<'py>(
        &self,
        py: Python<'py>,
        table: &str,
        accounts: Vec<i64>,
        assets: Vec<i64>,
    ) -> PyResult<Bound<'py, PyList>> {
        let numbers = Numbers { accounts: &accounts, assets: &assets };
        let rows = self.table(table).iter().map(|row| tuple(py, row, numbers)).collect::<PyResult<Vec<_>>>()?;
        PyList::new(py, rows)
    }

    fn copy<'py>(
        &self,
        py: Python<'py>,
        table: &str,
        accounts: Vec<i64>,
        assets: Vec<i64>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let numbers = Numbers { accounts: &accounts, assets: &assets };
        let text = py.detach(|| copy_text(self.table(table), numbers))?;
        Ok(PyBytes::new(py, text.as_bytes()))
    }
}

impl BlockRows {
    fn table(&self, name: &str) -> &[Row] {
        self.rows.tables.get(name).map(Vec::as_slice).unwrap_or_default()
    }
}

#[derive(Clone, Copy)]
struct Numbers<'n> {
    accounts: &'n [i64],
    assets: &'n [i64],
}

impl Numbers<'_> {
    fn account(self, place: usize) -> PyResult<i64> {
        self.accounts.get(place).copied().ok_or_else(missing)
    }

    fn asset(self, place: usize) -> PyResult<i64> {
        self.assets.get(place).copied().ok_or_else(missing)
    }
}

fn missing() -> PyErr {
    refused("malformed", "give one number for each account and each asset")
}

fn tuple<'py>(py: Python<'py>, row: &Row, numbers: Numbers<'_>) -> PyResult<Bound<'py, PyTuple>> {
    let fields = row
        .iter()
        .map(|cell| {
            Ok(match cell {
                Cell::Null => py.None().into_bound(py),
                Cell::Number(number) => number.into_pyobject(py)?.into_any(),
                Cell::Text(text) => text.into_pyobject(py)?.into_any(),
                Cell::Bytes(bytes) => PyBytes::new(py, bytes).into_any(),
                Cell::Account(place) => numbers.account(*place)?.into_pyobject(py)?.into_any(),
                Cell::Asset(place) => numbers.asset(*place)?.into_pyobject(py)?.into_any(),
                Cell::Amount(amount) => amount.into_pyobject(py)?.into_any(),
            })
        })
        .collect::<PyResult<Vec<Bound<'py, PyAny>>>>()?;
    PyTuple::new(py, fields)
}

/// Rows in the text format of `PostgreSQL`'s `COPY`.
fn copy_text(rows: &[Row], numbers: Numbers<'_>) -> PyResult<String> {
    let mut out = String::with_capacity(rows.len() * 128);
    for row in rows {
        for (place, cell) in row.iter().enumerate() {
            if place > 0 {
                out.push('\t');
            }
            copy_cell(&mut out, cell, numbers)?;
        }
        out.push('\n');
    }
    Ok(out)
}

fn copy_cell(out: &mut String, cell: &Cell, numbers: Numbers<'_>) -> PyResult<()> {
    let written = match cell {
        Cell::Null => write!(out, "\\N"),
        Cell::Number(number) => write!(out, "{number}"),
        Cell::Amount(amount) => write!(out, "{amount}"),
        Cell::Account(place) => write!(out, "{}", numbers.account(*place)?),
        Cell::Asset(place) => write!(out, "{}", numbers.asset(*place)?),
        Cell::Bytes(bytes) => write!(out, "\\\\x{}", bubi_crypto::to_hex(bytes)),
        Cell::Text(text) => {
            for character in text.chars() {
                match character {
                    '\\' => out.push_str("\\\\"),
                    '\n' => out.push_str("\\n"),
                    '\r' => out.push_str("\\r"),
                    '\t' => out.push_str("\\t"),
                    other => out.push(other),
                }
            }
            Ok(())
        }
    };
    written.map_err(|error| refused("malformed", error.to_string()))
}

/// The state that the genesis of a new era begins with: gives its rows in groups; what it continues, as JSON.
#[pyfunction]
pub(crate) fn inherited_rows<'py>(
    py: Python<'py>,
    directory: &str,
    name: &str,
    genesis: &[u8],
    cells: usize,
    give: Py<PyAny>,
) -> PyResult<Bound<'py, PyBytes>> {
    let disk = disk(directory)?;
    let genesis: Genesis = decode(genesis).map_err(decode_error)?;
    let prefix = genesis.v1().kind.prefix();
    let mut raised = None;
    let done = py.detach(|| {
        let end = End::read(&disk, name)?;
        let state = end.continued_by(&genesis)?;
        inherited(&genesis, &state, cells, |rows| {
            let taken = Python::attach(|py| give.call1(py, (BlockRows { rows, prefix },)).map(drop));
            taken.map_err(|error| {
                raised = Some(error);
                ChainError::refused("not_taken", "the caller did not take the rows")
            })
        })?;
        end.predecessor_json(prefix)
    });
    match (raised, done) {
        (Some(error), _) => Err(error),
        (None, done) => Ok(json(py, &done.map_err(chain_error)?)),
    }
}

/// Accounts that a genesis opens: address, signers and thresholds as JSON.
#[pyfunction]
pub(crate) fn genesis_accounts(genesis: &[u8]) -> PyResult<Vec<(String, String, String)>> {
    let genesis: Genesis = decode(genesis).map_err(decode_error)?;
    let prefix = genesis.v1().kind.prefix();
    let json = |bytes: Result<Vec<u8>, serde_json::Error>| {
        String::from_utf8(bytes.map_err(json_error)?).map_err(|error| refused("malformed", error.to_string()))
    };
    let accounts = accounts_of(&genesis).map_err(chain_error)?;
    let text = |(address, signers, thresholds): GenesisAccount| {
        let signers = json(to_json(prefix, &signers))?;
        Ok((address.to_text(prefix), signers, json(to_json(prefix, &thresholds))?))
    };
    accounts.into_iter().map(text).collect()
}
