//! Domain tags: 16 bytes that stand before everything hashed or signed, so that no bytes mean two things.

/// A domain tag.
pub type Domain = [u8; 16];

/// Hash of the genesis, which is the chain id (hashed without a chain id).
pub const GENESIS: &Domain = b"bubi:genesis....";
/// Transaction: its hash and the bytes its signers sign.
pub const TRANSACTION: &Domain = b"bubi:transaction";
/// Batch header: its digest and the bytes its author signs.
pub const BATCH: &Domain = b"bubi:batch......";
/// Proposal: the digest that consensus orders.
pub const PROPOSAL: &Domain = b"bubi:proposal...";
/// Outcome of a block.
pub const OUTCOME: &Domain = b"bubi:outcome....";
/// Votes before the commit: first phase, view change and the like.
pub const FIRST_VOTE: &Domain = b"bubi:vote.......";
/// Commit vote on a proposal digest and an outcome.
pub const COMMIT_VOTE: &Domain = b"bubi:commit-vote";
/// What a validator says of itself every few seconds; never stored.
pub const NODE_STATUS: &Domain = b"bubi:node-status";
/// Address of a key's own account (hashed without a chain id).
pub const KEY_ADDRESS: &Domain = b"bubi:address-key";
/// Address of a further account.
pub const DERIVED_ADDRESS: &Domain = b"bubi:address-new";
/// Asset identifier.
pub const ASSET: &Domain = b"bubi:asset......";
/// Namespace identifier.
pub const NAMESPACE: &Domain = b"bubi:namespace..";
/// Hold identifier.
pub const HOLD: &Domain = b"bubi:hold.......";
/// What CometBFT carries as the hash of the application: digest and outcome of the newest block.
pub const COMET_APPLICATION: &Domain = b"bubi:comet-app..";
/// Validator set.
pub const VALIDATORS: &Domain = b"bubi:validators.";
/// Parameters.
pub const PARAMETERS: &Domain = b"bubi:parameters.";
/// Salted digest of a document.
pub const SALTED_DIGEST: &Domain = b"bubi:salted.....";
/// Proposal of changes.
pub const GOVERNANCE: &Domain = b"bubi:governance.";
/// Evidence against a validator.
pub const EVIDENCE: &Domain = b"bubi:evidence...";
/// Commit certificate, as the genesis of a new era names the last one of the chain before.
pub const CERTIFICATE: &Domain = b"bubi:certificate";
/// Sign-off of an organisation on the genesis of a new era.
pub const ERA: &Domain = b"bubi:era........";
