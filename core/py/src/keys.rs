//! Keys, votes, certificates, proofs, authenticated encryption.

use crate::{
    codec::{hash_of, suite},
    error::{chain_error, decode_error, refused},
};
use bubi_chain::proof::{self, Trust};
use bubi_codec::{
    block::{self, signed, Certificate, CertificateVote, CommitStatement, Proposal, VoteStatement},
    decode, domain, encode,
    identity::{Address, ChainId},
    state::ValidatorSet,
    Wire,
};
use bubi_crypto::{
    from_hex, merkle_root, verify_batch, CipherKey, CipherSuite, HashSuite, KnownKeys, LeafTag, PublicKey, SecretKey,
    Signature, SignatureAlgorithm, SignedItem,
};
use pyo3::{prelude::*, types::PyBytes};
use rayon::prelude::*;
use std::time::Instant;

fn algorithm(number: u8) -> PyResult<SignatureAlgorithm> {
    SignatureAlgorithm::try_from(number).map_err(|error| refused("malformed", error.to_string()))
}

fn public_key(tagged: &[u8]) -> PyResult<PublicKey> {
    PublicKey::from_tagged(tagged).map_err(|error| refused("key_invalid", error.to_string()))
}

fn signature(bytes: &[u8]) -> PyResult<Signature> {
    Signature::from_slice(bytes).map_err(|error| refused("signature_invalid", error.to_string()))
}

/// A vote or transaction key. The secret stays here and is wiped when the object goes.
#[pyclass(frozen, module = "bubi._core")]
pub(crate) struct SigningKey(pub(crate) SecretKey);

#[pymethods]
impl SigningKey {
    #[staticmethod]
    fn generate(algorithm: u8, entropy: &[u8]) -> PyResult<Self> {
        let entropy: &[u8; 32] = entropy.try_into().map_err(|_| refused("malformed", "entropy has 32 bytes"))?;
        let key = SecretKey::generate(self::algorithm(algorithm)?, entropy);
        key.map(Self).map_err(|error| refused("key_invalid", error.to_string()))
    }

    #[staticmethod]
    fn from_bytes(algorithm: u8, secret: &[u8]) -> PyResult<Self> {
        let secret: &[u8; 32] = secret.try_into().map_err(|_| refused("key_invalid", "a secret key has 32 bytes"))?;
        let key = SecretKey::from_bytes(self::algorithm(algorithm)?, secret);
        key.map(Self).map_err(|error| refused("key_invalid", error.to_string()))
    }

    #[getter]
    fn public_key<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.public_key().tagged_bytes())
    }

    fn sign<'py>(&self, py: Python<'py>, message: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let signature = self.0.sign(message).map_err(|error| refused("key_invalid", error.to_string()))?;
        Ok(PyBytes::new(py, signature.as_bytes()))
    }

    fn __repr__(&self) -> String {
        format!("SigningKey({:?})", self.0.public_key())
    }
}

/// Own address of a key.
#[pyfunction]
pub(crate) fn key_address<'py>(py: Python<'py>, suite: u8, public_key: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let address = Address::of_key(self::suite(suite)?, &self::public_key(public_key)?);
    Ok(PyBytes::new(py, address.bytes()))
}

/// Whether a vote signature is good (strict rule).
#[pyfunction]
pub(crate) fn verify_vote(public_key: &[u8], message: &[u8], signature: &[u8]) -> PyResult<bool> {
    let (key, signature) = (self::public_key(public_key)?, self::signature(signature)?);
    Ok(bubi_crypto::verify_vote(&key, message, &signature).is_ok())
}

/// Bytes that a vote before the commit signs.
#[pyfunction]
#[allow(clippy::too_many_arguments)] // One per field of the statement.
pub(crate) fn vote_message<'py>(
    py: Python<'py>,
    chain: &[u8],
    epoch: u64,
    engine: String,
    height: u64,
    round: u64,
    phase: u8,
    digest: &[u8],
) -> PyResult<Bound<'py, PyBytes>> {
    let statement = VoteStatement::V1 { epoch, engine, height, round, phase, digest: hash_of("a digest", digest)? };
    statement.check().map_err(decode_error)?;
    let chain = ChainId(hash_of("a chain id", chain)?);
    Ok(PyBytes::new(py, &signed(domain::FIRST_VOTE, &chain, &statement).map_err(decode_error)?))
}

fn statement(
    epoch: u64,
    engine: String,
    height: u64,
    round: u64,
    digest: &[u8],
    outcome: &[u8],
) -> PyResult<CommitStatement> {
    let (digest, outcome) = (hash_of("a digest", digest)?, hash_of("an outcome hash", outcome)?);
    Ok(CommitStatement::V1 { epoch, engine, height, round, digest, outcome })
}

/// Bytes that a commit vote signs.
#[pyfunction]
#[allow(clippy::too_many_arguments)] // One per field of the statement.
pub(crate) fn commit_message<'py>(
    py: Python<'py>,
    chain: &[u8],
    epoch: u64,
    engine: String,
    height: u64,
    round: u64,
    digest: &[u8],
    outcome: &[u8],
) -> PyResult<Bound<'py, PyBytes>> {
    let statement = self::statement(epoch, engine, height, round, digest, outcome)?;
    let chain = ChainId(hash_of("a chain id", chain)?);
    Ok(PyBytes::new(py, &signed(domain::COMMIT_VOTE, &chain, &statement).map_err(decode_error)?))
}

/// Encoded certificate.
#[pyfunction]
#[allow(clippy::too_many_arguments)] // One per field of the certificate.
pub(crate) fn certificate<'py>(
    py: Python<'py>,
    epoch: u64,
    engine: String,
    height: u64,
    round: u64,
    digest: &[u8],
    outcome: &[u8],
    votes: Vec<(u32, Vec<u8>)>,
) -> PyResult<Bound<'py, PyBytes>> {
    let statement = self::statement(epoch, engine, height, round, digest, outcome)?;
    let votes = votes
        .iter()
        .map(|(validator, bytes)| Ok(CertificateVote { validator: *validator, signature: signature(bytes)? }))
        .collect::<PyResult<_>>()?;
    Ok(PyBytes::new(py, &encode(&Certificate::V1 { statement, votes }).map_err(decode_error)?))
}

/// Fields of a certificate: epoch, engine, height, round, digest, outcome, votes.
type CertificateFields<'py> =
    (u64, String, u64, u64, Bound<'py, PyBytes>, Bound<'py, PyBytes>, Vec<(u32, Bound<'py, PyBytes>)>);

/// The fields of an encoded certificate.
#[pyfunction]
pub(crate) fn certificate_fields<'py>(py: Python<'py>, certificate: &[u8]) -> PyResult<CertificateFields<'py>> {
    let Certificate::V1 { statement, votes } = decode(certificate).map_err(decode_error)? else {
        return Err(refused("certificate_invalid", "a certificate of CometBFT has no votes"));
    };
    let CommitStatement::V1 { epoch, engine, height, round, digest, outcome } = statement;
    let votes = votes.iter().map(|vote| (vote.validator, PyBytes::new(py, vote.signature.as_bytes())));
    let (digest, outcome) = (PyBytes::new(py, &digest.0), PyBytes::new(py, &outcome.0));
    Ok((epoch, engine, height, round, digest, outcome, votes.collect()))
}

/// Bytes that a validator signs for a status.
#[pyfunction]
pub(crate) fn status_message<'py>(py: Python<'py>, chain: &[u8], status: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let chain = ChainId(hash_of("a chain id", chain)?);
    Ok(PyBytes::new(py, &[domain::NODE_STATUS.as_slice(), chain.bytes(), status].concat()))
}

/// Whether these are the bytes that a digest stands for: its proposal, and the batches that the proposal's payload root
/// covers.
#[pyfunction]
#[allow(clippy::needless_pass_by_value)] // A list of bytes has no borrowed form here.
pub(crate) fn proposal_binds(
    suite: u8,
    chain: &[u8],
    digest: &[u8],
    proposal: &[u8],
    payload: Vec<Vec<u8>>,
) -> PyResult<bool> {
    let (suite, chain) = (self::suite(suite)?, ChainId(hash_of("a chain id", chain)?));
    let digest = hash_of("a digest", digest)?;
    let Ok(found) = decode::<Proposal>(proposal) else { return Ok(false) };
    let leaves = payload
        .iter()
        .map(|batch| Ok(suite.leaf_hash(LeafTag::Batch, &hash_of("a digest of a batch", batch)?.0)))
        .collect::<PyResult<Vec<_>>>()?;
    let Proposal::V1(fields) = &found;
    let own = block::digest(suite, domain::PROPOSAL, &chain, &found).map_err(decode_error)?;
    Ok(own == digest && fields.payload_root == merkle_root(suite, &leaves))
}

/// Signature of the ideal rule, which only simulated chains accept.
#[pyfunction]
pub(crate) fn ideal_sign<'py>(py: Python<'py>, public_key: &[u8], message: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let key = self::public_key(public_key)?;
    Ok(PyBytes::new(py, bubi_chain::ideal_signature(&key, message).as_bytes()))
}

/// Refuses a certificate that a quorum of the set did not sign.
#[pyfunction]
pub(crate) fn verify_certificate(suite: u8, chain: &[u8], validator_set: &[u8], certificate: &[u8]) -> PyResult<()> {
    self::suite(suite)?;
    let set: ValidatorSet = decode(validator_set).map_err(decode_error)?;
    let certificate: Certificate = decode(certificate).map_err(decode_error)?;
    let chain = ChainId(hash_of("a chain id", chain)?);
    match proof::verify_certificate(&chain, &set, &certificate) {
        Ok(_) => Ok(()),
        Err(error) => Err(refused("certificate_invalid", error.to_string())),
    }
}

/// Reads the parts of a trust file that proofs need.
fn trust(text: &[u8]) -> PyResult<Trust> {
    let wrong = |what: &str| refused("malformed", format!("trust file: {what}"));
    let value: serde_json::Value = serde_json::from_slice(text).map_err(|error| wrong(&error.to_string()))?;
    let field = |name: &str| {
        value.get(name).and_then(serde_json::Value::as_str).ok_or_else(|| wrong(&format!("{name} is missing")))
    };
    let bytes = |name: &str| from_hex(field(name)?).ok_or_else(|| wrong(&format!("{name} is not hex")));
    Ok(Trust {
        chain: ChainId(hash_of("a chain id", &bytes("chain_id")?)?),
        suite: match field("suite")? {
            "standard" => HashSuite::Standard,
            "national" => HashSuite::National,
            other => return Err(wrong(&format!("suite {other} is unknown"))),
        },
        validators: decode(&bytes("validator_set")?).map_err(decode_error)?,
    })
}

/// Checks an encoded receipt proof with a trust file; JSON of what it proves.
#[pyfunction]
pub(crate) fn verify_receipt_proof<'py>(py: Python<'py>, trust: &[u8], proof: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let proven = proof::verify_receipt(&self::trust(trust)?, proof).map_err(chain_error)?;
    let value = serde_json::json!({
        "transaction": proven.transaction.to_string(),
        "code": proven.code.name(),
        "height": proven.height.to_string(),
        "time": proven.time.to_string(),
        "signers": proven.signers,
        "weight": proven.quorum.0,
        "quorum": proven.quorum.1,
    });
    Ok(PyBytes::new(py, value.to_string().as_bytes()))
}

fn cipher(suite: &str, key: &[u8], nonce: &[u8]) -> PyResult<(CipherKey, [u8; 12])> {
    let suite = match suite {
        "aes256_gcm" => CipherSuite::Aes256Gcm,
        "sm4_gcm" => CipherSuite::Sm4Gcm,
        other => return Err(refused("malformed", format!("cipher {other} is unknown; use aes256_gcm or sm4_gcm"))),
    };
    let key = CipherKey::new(suite, key).map_err(|error| refused("malformed", error.to_string()))?;
    let nonce = nonce.try_into().map_err(|_| refused("malformed", "a nonce has 12 bytes"))?;
    Ok((key, nonce))
}

/// Authenticated encryption.
#[pyfunction]
pub(crate) fn seal<'py>(
    py: Python<'py>,
    suite: &str,
    key: &[u8],
    nonce: &[u8],
    aad: &[u8],
    plaintext: &[u8],
) -> PyResult<Bound<'py, PyBytes>> {
    let (key, nonce) = cipher(suite, key, nonce)?;
    let sealed =
        bubi_crypto::seal(&key, &nonce, aad, plaintext).map_err(|error| refused("too_large", error.to_string()))?;
    Ok(PyBytes::new(py, &sealed))
}

/// Authenticated decryption.
#[pyfunction]
pub(crate) fn open<'py>(
    py: Python<'py>,
    suite: &str,
    key: &[u8],
    nonce: &[u8],
    aad: &[u8],
    ciphertext: &[u8],
) -> PyResult<Bound<'py, PyBytes>> {
    let (key, nonce) = cipher(suite, key, nonce)?;
    let opened = bubi_crypto::open(&key, &nonce, aad, ciphertext)
        .map_err(|error| refused("decryption_failed", error.to_string()))?;
    Ok(PyBytes::new(py, &opened))
}

/// Seconds per round to verify distinct signatures over distinct messages of 200 bytes; every verdict is compared.
#[pyfunction]
pub(crate) fn verify_rate(
    py: Python<'_>,
    algorithm: u8,
    count: usize,
    batch: usize,
    bad: usize,
    rounds: usize,
) -> PyResult<Vec<f64>> {
    let algorithm = self::algorithm(algorithm)?;
    let fail = |error: bubi_crypto::SignatureError| refused("key_invalid", error.to_string());
    py.detach(|| {
        let made: Vec<(PublicKey, Vec<u8>, Signature)> = (0..count)
            .into_par_iter()
            .map(|number| {
                let seed = HashSuite::Standard.hash(&[b"verify-rate", &number.to_le_bytes()]);
                let key = SecretKey::generate(algorithm, &seed.0)?;
                let mut message = seed.0.repeat(7);
                message.truncate(200);
                let mut signature = key.sign(&message)?;
                if number < bad {
                    signature.0[40] ^= 1;
                }
                Ok((key.public_key(), message, signature))
            })
            .collect::<Result<_, bubi_crypto::SignatureError>>()
            .map_err(fail)?;
        // Bad ones are spread evenly.
        let spread = |position: usize| if bad == 0 { position } else { (position * 7919) % count.max(1) };
        let order: Vec<usize> = (0..count).map(spread).collect();
        let items: Vec<SignedItem<'_>> = order
            .iter()
            .filter_map(|index| made.get(*index))
            .map(|(key, message, signature)| SignedItem { public_key: key, message, signature })
            .collect();
        let expected: Vec<bool> = order.iter().map(|index| *index >= bad).collect();
        (0..rounds)
            .map(|_| {
                let start = Instant::now();
                let verdicts: Vec<bool> =
                    items.chunks(batch.max(1)).flat_map(|part| verify_batch(part, &KnownKeys::new(0))).collect();
                let seconds = start.elapsed().as_secs_f64();
                if verdicts == expected {
                    Ok(seconds)
                } else {
                    Err(refused("internal", "a verdict was wrong"))
                }
            })
            .collect()
    })
}
