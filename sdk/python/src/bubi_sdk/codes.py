"""Result codes of transactions and operations, equal to `core/codec/src/codes.rs`."""

from __future__ import annotations

from typing import Final

RESULT_CODES: Final[dict[int, tuple[str, str]]] = {
    0: ("final", "Every operation happened."),
    1: ("internal", "A defect stopped the transaction; an alarm is raised."),
    2: ("id_conflict", "Another transaction used the same source and id."),
    3: ("precondition_failed", "A precondition did not hold."),
    4: ("quota_exceeded", "The source used up its quota for this window."),
    5: (
        "organisation_quota_exceeded",
        "The organisation of the source used up its quota for this window.",
    ),
    100: ("account_missing", "An account that must exist does not."),
    101: ("account_exists", "The account exists."),
    102: ("account_closed", "The account was closed."),
    103: ("account_not_empty", "The account still holds something."),
    104: ("lock_out", "No set of its signers could reach a threshold any more."),
    105: ("algorithm_disabled", "The algorithm of a new key is switched off."),
    106: ("key_invalid", "A new key is not a valid key of its algorithm."),
    107: (
        "signer_limit_exceeded",
        "With the amount limits of its signers the weight is too small.",
    ),
    108: ("not_permitted", "The source may not do this here."),
    110: ("data_version_mismatch", "The data entry stands at another version."),
    111: ("data_missing", "There is no such data entry."),
    112: ("claim_missing", "There is no such claim."),
    113: (
        "membership_missing",
        "The account neither belongs to the organisation nor has asked for it.",
    ),
    120: ("asset_missing", "There is no such asset."),
    121: ("asset_exists", "The issuer has an asset with this code."),
    122: ("asset_kind_mismatch", "The asset is of another kind."),
    123: ("cap_exceeded", "The supply would pass the cap, or 10^38 − 1."),
    124: ("balance_insufficient", "The holder can spend less than this."),
    125: ("asset_frozen", "The asset is frozen."),
    126: ("holder_frozen", "The holder is frozen."),
    127: ("not_whitelisted", "The receiver is not on the whitelist."),
    128: ("feature_missing", "The asset was made without this feature."),
    129: (
        "expiry_invalid",
        "The time is not after the block time, or its presence does not fit the kind of asset.",
    ),
    130: ("lots_full", "The receiver has too many lots of this asset."),
    131: ("item_exists", "The item exists."),
    132: ("item_missing", "There is no such item."),
    140: ("hold_missing", "There is no such hold."),
    141: ("hold_expired", "The hold has expired."),
    142: ("hold_exceeded", "The hold is smaller than this."),
    150: ("namespace_missing", "There is no such namespace."),
    151: ("namespace_exists", "The name is taken."),
    152: (
        "not_writer",
        "The source is not a writer of the namespace, or not the author of the record.",
    ),
    153: ("record_version_mismatch", "The record stands at another version."),
    154: ("parent_missing", "A parent does not exist."),
    160: ("proposal_missing", "There is no such proposal."),
    161: ("proposal_closed", "The proposal is no longer open, or its time to vote is over."),
    162: ("not_voter", "The source votes for no organisation."),
    163: ("proposals_full", "Too many proposals are open."),
    164: ("change_pending", "Another change was approved and is not in force yet."),
    165: (
        "change_missing",
        "The proposal is not an approved change that waits for the next validators.",
    ),
    166: ("not_validator", "The source is not the account of a validator of the next set."),
    167: ("ready_known", "The validator has said before that it is ready."),
    170: ("parameter_unknown", "There is no such parameter, or it is fixed for ever."),
    171: ("parameter_invalid", "A parameter would be out of its bounds."),
    172: ("validator_missing", "There is no such validator."),
    173: ("validator_exists", "A validator has this name or this key."),
    174: ("organisation_missing", "There is no such organisation."),
    175: (
        "organisation_in_use",
        "The organisation has validators, or the account votes for another one.",
    ),
    176: ("engine_unknown", "No program knows this engine, or it is for a genesis only."),
    177: ("quorum_invalid", "The quorum ratio lies above 1 or has the denominator 0."),
    178: (
        "validators_invalid",
        "The set would have no validator, too many or too heavy ones, or does not fit the engine.",
    ),
    179: (
        "not_acknowledged",
        "The set would tolerate no fault, or depend on one member, and the proposal does not "
        "acknowledge it.",
    ),
    180: (
        "governance_lost",
        "The organisations that can vote would be too light ever to approve a change again.",
    ),
    181: ("version_invalid", "The protocol version is not the one after that in force."),
    182: (
        "listing_invalid",
        "The node is on no list, the certificate is revoked already, or a list is full.",
    ),
    190: ("evidence_known", "The evidence was recorded before."),
    191: ("evidence_invalid", "The statements do not contradict each other."),
    192: (
        "evidence_divergence",
        "The same proposal with another outcome: a divergence, not a contradiction.",
    ),
    193: ("evidence_foreign", "The key was not that of a member of that epoch."),
    194: ("evidence_signature", "A signature is not valid."),
    195: ("evidence_old", "The evidence is too old."),
    196: ("evidence_full", "The block has checked enough evidence; report it again."),
}
"""Number, stable name, meaning."""

SKIPPED: Final = 65_535
"""In the answer of the bulk door: this transaction has no receipt."""


def name(number: int) -> str:
    """Stable name of a code."""
    found = RESULT_CODES.get(number)
    return found[0] if found else f"code_{number}"


def meaning(code: str) -> str:
    """What a code says, for people."""
    return next((text for one, text in RESULT_CODES.values() if one == code), code)


def operation_codes(code: int, failed: int | None, count: int) -> list[str]:
    """Result codes of a transaction's operations, from its receipt's code and failed operation."""
    if code == 0:
        return [name(0)] * count
    return [name(code) if place == failed else "not_applied" for place in range(count)]
