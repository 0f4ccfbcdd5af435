"""Result codes of transactions and operations, equal to `core/codec/src/codes.rs`."""

from __future__ import annotations

from typing import Final

RESULT_CODES: Final[dict[int, tuple[str, str]]] = {
    0: ("final", "Every operation happened."),
    1: ("internal", "A defect stopped the transaction; an alarm is raised."),
    2: ("id_conflict", "Another transaction used the same source and id."),
    3: ("precondition_failed", "A precondition did not hold."),
    4: ("quota_exceeded", "The source used up its quota for this window."),
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
