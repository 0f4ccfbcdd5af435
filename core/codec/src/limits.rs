//! Every limit of the wire formats, in one table.
//!
//! The table is exported to Python (`bubi.core.limits()`) and printed into `spec/limits.md`; nothing else may hold a copy.

/// Largest amount and supply: 10^38 − 1, which fits `i128` and `Decimal(38, 0)`.
pub const AMOUNT_MAX: u128 = 99_999_999_999_999_999_999_999_999_999_999_999_999;

macro_rules! limits {
    ($($(#[$doc:meta])* $name:ident = $value:expr;)*) => {
        $($(#[$doc])* pub const $name: usize = $value;)*
        /// Name and value of every limit, in the order of this file.
        pub const TABLE: &[(&str, usize)] = &[$((stringify!($name), $value)),*];
    };
}

limits! {
    /// Bytes of one signed transaction.
    TRANSACTION_BYTES_MAX = 1_048_576;
    /// Operations in one transaction (at least one).
    OPERATIONS_MAX = 100;
    /// Signatures on one transaction (at least one).
    SIGNATURES_MAX = 32;
    /// Preconditions of one transaction.
    PRECONDITIONS_MAX = 16;
    /// Bytes of a memo.
    MEMO_BYTES_MAX = 256;
    /// Signers of one account.
    SIGNERS_MAX = 32;
    /// Entries in each list of a signer's limits.
    SIGNER_LIMIT_ENTRIES_MAX = 16;
    /// Bytes of the name of a data entry.
    DATA_NAME_BYTES_MAX = 64;
    /// Bytes of the value of a data entry.
    DATA_VALUE_BYTES_MAX = 4_096;
    /// Bytes of a claim type.
    CLAIM_TYPE_BYTES_MAX = 64;
    /// Bytes of an asset code (letters, digits, dot and hyphen).
    ASSET_CODE_BYTES_MAX = 32;
    /// Bytes of the display name of an asset.
    ASSET_NAME_BYTES_MAX = 128;
    /// Decimals of an asset.
    ASSET_DECIMALS_MAX = 18;
    /// Bytes of the identifier of a unique item.
    ITEM_BYTES_MAX = 64;
    /// Lots of one dated asset in one holding.
    LOTS_MAX = 64;
    /// Bytes of a namespace name.
    NAMESPACE_BYTES_MAX = 64;
    /// Listed writers of a namespace.
    WRITERS_MAX = 64;
    /// Bytes of a record key.
    RECORD_KEY_BYTES_MAX = 96;
    /// Bytes of a record's content or ciphertext.
    RECORD_CONTENT_BYTES_MAX = 16_384;
    /// Parents of one record version.
    RECORD_PARENTS_MAX = 16;
    /// Transactions in one batch.
    BATCH_TRANSACTIONS_MAX = 20_000;
    /// Bytes of one batch.
    BATCH_BYTES_MAX = 16_777_216;
    /// Batches in one block.
    BLOCK_BATCHES_MAX = 1_024;
    /// Validators in one set.
    VALIDATORS_MAX = 256;
    /// Accounts in a genesis.
    GENESIS_ACCOUNTS_MAX = 10_000;
    /// Organisations of a network.
    ORGANISATIONS_MAX = 128;
    /// Changes in one proposal (at least one).
    CHANGES_MAX = 64;
    /// Bytes of the changes and acknowledgements of one proposal.
    PROPOSAL_BYTES_MAX = 32_768;
    /// Proposals open at once.
    PROPOSALS_OPEN_MAX = 64;
    /// Proposals of one organisation open at once.
    PROPOSALS_OF_ORGANISATION_MAX = 4;
    /// Blocks that the activation of a change may lie ahead.
    ACTIVATION_AHEAD_MAX = 1_000_000;
    /// Reports of evidence whose signatures one block checks.
    EVIDENCE_PER_BLOCK = 16;
    /// Nodes on the black and the white list together, and revoked certificates.
    LISTED_MAX = 1_024;
    /// Bytes of one authority's certificate.
    AUTHORITY_BYTES_MAX = 4_096;
    /// Bytes of a name of a network, validator, organisation or engine.
    NAME_BYTES_MAX = 64;
    /// Bytes of a cell key.
    CELL_KEY_BYTES_MAX = 128;
    /// Bytes of a cell value.
    CELL_VALUE_BYTES_MAX = 65_536;
    /// Sibling hashes in one trie path.
    TRIE_PATH_MAX = 256;
    /// Nesting depth of containers in any encoded value.
    DEPTH_MAX = 16;
}
