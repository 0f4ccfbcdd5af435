//! Result codes of transactions and operations. Numbers and names are for ever; `spec/ledger.md` says when each arises.

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $number:literal $name:literal;)*) => {
        /// How a transaction ended, or why one of its operations made it end so.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u16)]
        pub enum ResultCode { $($(#[$doc])* $variant = $number),* }

        impl ResultCode {
            /// Every code, ascending by number.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Stable name, as JSON and the SDKs spell it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// The code with this number.
            pub fn from_number(number: u16) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

codes! {
    /// Every operation happened.
    Final = 0 "final";
    /// A defect stopped the transaction; an alarm is raised.
    Internal = 1 "internal";
    /// Another transaction used the same source and id.
    IdConflict = 2 "id_conflict";
    /// A precondition did not hold.
    PreconditionFailed = 3 "precondition_failed";
    /// The source used up its quota for this window.
    QuotaExceeded = 4 "quota_exceeded";
    /// The organisation of the source used up its quota for this window.
    OrganisationQuotaExceeded = 5 "organisation_quota_exceeded";
    /// An account that must exist does not.
    AccountMissing = 100 "account_missing";
    /// The account exists.
    AccountExists = 101 "account_exists";
    /// The account was closed.
    AccountClosed = 102 "account_closed";
    /// The account still holds something.
    AccountNotEmpty = 103 "account_not_empty";
    /// No set of its signers could reach a threshold any more.
    LockOut = 104 "lock_out";
    /// The algorithm of a new key is switched off.
    AlgorithmDisabled = 105 "algorithm_disabled";
    /// A new key is not a valid key of its algorithm.
    KeyInvalid = 106 "key_invalid";
    /// With the amount limits of its signers the weight is too small.
    SignerLimitExceeded = 107 "signer_limit_exceeded";
    /// The source may not do this here.
    NotPermitted = 108 "not_permitted";
    /// The data entry stands at another version.
    DataVersionMismatch = 110 "data_version_mismatch";
    /// There is no such data entry.
    DataMissing = 111 "data_missing";
    /// There is no such claim.
    ClaimMissing = 112 "claim_missing";
    /// The account neither belongs to the organisation nor has asked for it.
    MembershipMissing = 113 "membership_missing";
    /// There is no such asset.
    AssetMissing = 120 "asset_missing";
    /// The issuer has an asset with this code.
    AssetExists = 121 "asset_exists";
    /// The asset is of another kind.
    AssetKindMismatch = 122 "asset_kind_mismatch";
    /// The supply would pass the cap, or 10^38 − 1.
    CapExceeded = 123 "cap_exceeded";
    /// The holder can spend less than this.
    BalanceInsufficient = 124 "balance_insufficient";
    /// The asset is frozen.
    AssetFrozen = 125 "asset_frozen";
    /// The holder is frozen.
    HolderFrozen = 126 "holder_frozen";
    /// The receiver is not on the whitelist.
    NotWhitelisted = 127 "not_whitelisted";
    /// The asset was made without this feature.
    FeatureMissing = 128 "feature_missing";
    /// The time is not after the block time, or its presence does not fit the kind of asset.
    ExpiryInvalid = 129 "expiry_invalid";
    /// The receiver has too many lots of this asset.
    LotsFull = 130 "lots_full";
    /// The item exists.
    ItemExists = 131 "item_exists";
    /// There is no such item.
    ItemMissing = 132 "item_missing";
    /// There is no such hold.
    HoldMissing = 140 "hold_missing";
    /// The hold has expired.
    HoldExpired = 141 "hold_expired";
    /// The hold is smaller than this.
    HoldExceeded = 142 "hold_exceeded";
    /// There is no such namespace.
    NamespaceMissing = 150 "namespace_missing";
    /// The name is taken.
    NamespaceExists = 151 "namespace_exists";
    /// The source is not a writer of the namespace, or not the author of the record.
    NotWriter = 152 "not_writer";
    /// The record stands at another version.
    RecordVersionMismatch = 153 "record_version_mismatch";
    /// A parent does not exist.
    ParentMissing = 154 "parent_missing";
    /// There is no such proposal.
    ProposalMissing = 160 "proposal_missing";
    /// The proposal is no longer open, or its time to vote is over.
    ProposalClosed = 161 "proposal_closed";
    /// The source votes for no organisation.
    NotVoter = 162 "not_voter";
    /// Too many proposals are open.
    ProposalsFull = 163 "proposals_full";
    /// Another change was approved and is not in force yet.
    ChangePending = 164 "change_pending";
    /// The proposal is not an approved change that waits for the next validators.
    ChangeMissing = 165 "change_missing";
    /// The source is not the account of a validator of the next set.
    NotValidator = 166 "not_validator";
    /// The validator has said before that it is ready.
    ReadyKnown = 167 "ready_known";
    /// There is no such parameter, or it is fixed for ever.
    ParameterUnknown = 170 "parameter_unknown";
    /// A parameter would be out of its bounds.
    ParameterInvalid = 171 "parameter_invalid";
    /// There is no such validator.
    ValidatorMissing = 172 "validator_missing";
    /// A validator has this name or this key.
    ValidatorExists = 173 "validator_exists";
    /// There is no such organisation.
    OrganisationMissing = 174 "organisation_missing";
    /// The organisation has validators, or the account votes for another one.
    OrganisationInUse = 175 "organisation_in_use";
    /// No program knows this engine, or it is for a genesis only.
    EngineUnknown = 176 "engine_unknown";
    /// The quorum ratio lies above 1 or has the denominator 0.
    QuorumInvalid = 177 "quorum_invalid";
    /// The set would have no validator, too many or too heavy ones, or does not fit the engine.
    ValidatorsInvalid = 178 "validators_invalid";
    /// The set would tolerate no fault, or depend on one member, and the proposal does not acknowledge it.
    NotAcknowledged = 179 "not_acknowledged";
    /// The organisations that can vote would be too light ever to approve a change again.
    GovernanceLost = 180 "governance_lost";
    /// The protocol version is not the one after that in force.
    VersionInvalid = 181 "version_invalid";
    /// The node is on no list, the certificate is revoked already, or a list is full.
    ListingInvalid = 182 "listing_invalid";
    /// The evidence was recorded before.
    EvidenceKnown = 190 "evidence_known";
    /// The statements do not contradict each other.
    EvidenceInvalid = 191 "evidence_invalid";
    /// The same proposal with another outcome: a divergence, not a contradiction.
    EvidenceDivergence = 192 "evidence_divergence";
    /// The key was not that of a member of that epoch.
    EvidenceForeign = 193 "evidence_foreign";
    /// A signature is not valid.
    EvidenceSignature = 194 "evidence_signature";
    /// The evidence is too old.
    EvidenceOld = 195 "evidence_old";
    /// The block has checked enough evidence; report it again.
    EvidenceFull = 196 "evidence_full";
}
