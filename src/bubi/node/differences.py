"""What a proposal changes, for people: each change with its value before and after. Pure.

The changes of one proposal come into force together, one after the other: each is compared with
what those before it leave. `before` is None where there is nothing, or where it is not known any
more because the proposal is closed; `after` is None where a change takes something away.
"""

import datetime
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from bubi.consensus.quorum import quorum
from bubi.network import certificates

ALGORITHMS = ("ed25519", "secp256k1", "p256", "sm2")
FLAGS: Mapping[int, str] = {1: "operations 0 to 30"}
"""What the protocol versions known here do differently (spec/ledger.md 10, its table)."""

Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Present:
    """What is in force, in the JSON forms of the core."""

    parameters: Fields
    validators: Fields
    organisations: Sequence[Fields]
    governance: Fields

    def validator(self, name: str) -> str | None:
        """A validator in force."""
        found = next((one for one in self.validators["validators"] if one["name"] == name), None)
        return None if found is None else _validator(found)

    def changed(self, fields: Fields) -> str:
        """A validator in force as it is after a change."""
        known: Fields = next(
            (one for one in self.validators["validators"] if one["name"] == fields["name"]), {}
        )
        given = {name: fields[name] for name in ("weight", "key") if fields[name] is not None}
        return _validator({**known, **given}) if known else _given(fields)

    def organisation(self, name: str) -> str | None:
        """An organisation."""
        found = next((one for one in self.organisations if one["name"] == name), None)
        return None if found is None else _organisation(found)

    def parameter(self, name: str) -> str | None:
        """A parameter."""
        value = self.parameters.get(name)
        return None if value is None else str(value)

    def ratio(self, numerator: int, denominator: int) -> str:
        """A quorum ratio with the weight that it asks of the validators in force.

        The floor of more than two thirds is in it: a lower ratio is allowed and asks for no less.
        """
        total = sum(one["weight"] for one in self.validators["validators"])
        needed = quorum(total, numerator, denominator)
        return f"{numerator}/{denominator} (weight {needed} of {total})"

    def listing(self, node: str) -> str | None:
        """The list on which a node stands."""
        if node in self.governance["denied"]:
            return "denied"
        return "allowed" if node in self.governance["allowed"] else None

    def revocation(self, fingerprint: str) -> str | None:
        """Whether a certificate is revoked."""
        return "revoked" if fingerprint in self.governance["revoked"] else None

    def algorithms(self) -> str:
        """The algorithms of new keys, of votes, and until when keys of former ones are good."""
        now = self.parameters
        retired = ", ".join(
            f"{ALGORITHMS[one['algorithm']]} until {_time(one['until'])}"
            for one in now["retired_algorithms"]
        )
        text = _algorithms(now["algorithms"], now["vote_algorithms"])
        return f"{text}; old keys of {retired}" if retired else text

    # --- what a change leaves ------------------------------------------------------------

    def after(self, change: Fields) -> "Present":
        """What is in force after a change that can be applied; of another one nothing."""
        ((kind, fields),) = change.items()
        return _KINDS[kind].apply(self, fields)

    def with_parameters(self, values: Fields) -> "Present":
        """The same with other parameters."""
        return replace(self, parameters={**self.parameters, **values})

    def with_rules(self, values: Fields) -> "Present":
        """The same with another engine, quorum or list of validators."""
        return replace(self, validators={**self.validators, **values})

    def with_governance(self, values: Fields) -> "Present":
        """The same with another version or other lists."""
        return replace(self, governance={**self.governance, **values})

    def with_listing(self, node: str, listing: str | None) -> "Present":
        """The same with a node on that list only."""
        lists = {
            name: [one for one in self.governance[name] if one != node]
            for name in ("allowed", "denied")
        }
        if listing is not None:
            lists[listing].append(node)
        return self.with_governance(lists)

    def without_validator(self, name: str) -> list[Fields]:
        """The validators but that one."""
        return [one for one in self.validators["validators"] if one["name"] != name]

    def without_organisation(self, name: str) -> list[Fields]:
        """The organisations but that one."""
        return [one for one in self.organisations if one["name"] != name]


class _Kind(NamedTuple):
    """How a kind of change is told: what it is about, the new value, the one in force.

    `apply` is its effect (spec/ledger.md 10), for what comes behind it in the same proposal.
    """

    name: Callable[[Fields], str]
    after: Callable[[Fields], str | None]
    before: Callable[[Fields, Present], str | None]
    apply: Callable[[Present, Fields], Present]


def differences(changes: Sequence[Fields], present: Present | None) -> list[dict[str, str | None]]:
    """One entry per change; `present` is None for a proposal that is closed."""
    found = []
    for change in changes:
        ((kind, fields),) = change.items()
        told = _KINDS[kind]
        before, after = None, told.after(fields)
        if present is not None:
            before = told.before(fields, present)
            if kind == "change_validator":
                after = present.changed(fields)
            present = present.after(change)
            if kind in {"set_quorum", "set_algorithms"}:
                # What it comes to depends on what stood there before.
                after = told.before(fields, present)
        found.append({"change": kind, "name": told.name(fields), "before": before, "after": after})
    return found


def _validator(fields: Fields) -> str:
    return f"{fields['organisation']}, weight {fields['weight']}, {_key(fields['key'])}"


def _given(fields: Fields) -> str:
    parts = [f"weight {fields['weight']}"] if fields["weight"] is not None else []
    parts += [_key(fields["key"])] if fields["key"] is not None else []
    return ", ".join(parts)


def _key(key: Mapping[str, str]) -> str:
    ((algorithm, digits),) = key.items()
    return f"{algorithm}:{digits}"


def _organisation(fields: Fields) -> str:
    voice = fields["governance"] or "no governance account"
    return f"{voice}, {_authority(bytes.fromhex(fields['certificate']))}"


def _authority(certificate: bytes) -> str:
    """A certificate by which nobody can take one for another."""
    if not certificate:
        return "no certificate"
    text = f"certificate SHA-256 {hashlib.sha256(certificate).hexdigest()}"
    told = certificates.subject_and_end(certificate)
    return text if told is None else f"{text} ({told[0]}, until {_time(told[1])})"


def _time(milliseconds: str | int) -> str:
    """A time of the ledger for people; of one that no calendar has, the number."""
    try:
        at = datetime.datetime.fromtimestamp(int(milliseconds) // 1000, datetime.UTC)
    except (OverflowError, ValueError, OSError):
        return f"{milliseconds} ms"
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _version(number: int) -> str:
    return f"{number} ({FLAGS.get(number, 'not known to this node')})"


def _algorithms(accounts: Sequence[int], votes: Sequence[int]) -> str:
    return f"accounts {_names(accounts)}; votes {_names(votes)}"


def _names(numbers: Sequence[int]) -> str:
    return " ".join(ALGORITHMS[number] for number in numbers)


def _own_name(fields: Fields) -> str:
    return str(fields["name"])


def _node(fields: Fields) -> str:
    return str(fields["node"])


def _nothing(_fields: Fields) -> None:
    return None


def _add_validator(now: Present, fields: Fields) -> Present:
    others = now.without_validator(fields["name"])
    return now.with_rules({"validators": [*others, fields]})


def _change_validator(now: Present, fields: Fields) -> Present:
    given = {name: fields[name] for name in ("weight", "key") if fields[name] is not None}
    changed = [
        {**one, **given} if one["name"] == fields["name"] else one
        for one in now.validators["validators"]
    ]
    return now.with_rules({"validators": changed})


def _set_organisation(now: Present, fields: Fields) -> Present:
    return replace(now, organisations=[*now.without_organisation(fields["name"]), fields])


def _set_quorum(now: Present, fields: Fields) -> Present:
    ratio = {f"quorum_{name}": fields[name] for name in ("numerator", "denominator")}
    return now.with_rules(ratio)


def _set_algorithms(now: Present, fields: Fields) -> Present:
    retired = {one["algorithm"]: one["until"] for one in now.parameters["retired_algorithms"]}
    for one in now.parameters["algorithms"]:
        retired.setdefault(one, fields["old_until"])
    values = {
        "algorithms": fields["accounts"],
        "vote_algorithms": fields["votes"],
        "retired_algorithms": [
            {"algorithm": one, "until": until}
            for one, until in sorted(retired.items())
            if one not in fields["accounts"]
        ],
    }
    return now.with_parameters(values)


def _revoke(now: Present, fields: Fields) -> Present:
    return now.with_governance({"revoked": [*now.governance["revoked"], fields["fingerprint"]]})


def _quorum_in_force(_fields: Fields, now: Present) -> str:
    return now.ratio(now.validators["quorum_numerator"], now.validators["quorum_denominator"])


def _algorithms_set(fields: Fields) -> str:
    text = _algorithms(fields["accounts"], fields["votes"])
    return f"{text}; old keys until {_time(fields['old_until'])}"


def _validator_in_force(fields: Fields, now: Present) -> str | None:
    return now.validator(fields["name"])


def _organisation_in_force(fields: Fields, now: Present) -> str | None:
    return now.organisation(fields["name"])


def _listing_in_force(fields: Fields, now: Present) -> str | None:
    return now.listing(fields["node"])


_KINDS: dict[str, _Kind] = {
    "set_parameter": _Kind(
        _own_name,
        lambda one: str(one["value"]),
        lambda one, now: now.parameter(one["name"]),
        lambda now, one: now.with_parameters({one["name"]: one["value"]}),
    ),
    "add_validator": _Kind(_own_name, _validator, _validator_in_force, _add_validator),
    "remove_validator": _Kind(
        _own_name,
        _nothing,
        _validator_in_force,
        lambda now, one: now.with_rules({"validators": now.without_validator(one["name"])}),
    ),
    "change_validator": _Kind(_own_name, _given, _validator_in_force, _change_validator),
    "set_organisation": _Kind(_own_name, _organisation, _organisation_in_force, _set_organisation),
    "remove_organisation": _Kind(
        _own_name,
        _nothing,
        _organisation_in_force,
        lambda now, one: replace(now, organisations=now.without_organisation(one["name"])),
    ),
    "set_engine": _Kind(
        lambda _one: "engine",
        _own_name,
        lambda _one, now: str(now.validators["engine"]),
        lambda now, one: now.with_rules({"engine": one["name"]}),
    ),
    "set_quorum": _Kind(
        lambda _one: "quorum",
        lambda one: f"{one['numerator']}/{one['denominator']}",
        _quorum_in_force,
        _set_quorum,
    ),
    "set_algorithms": _Kind(
        lambda _one: "algorithms",
        _algorithms_set,
        lambda _one, now: now.algorithms(),
        _set_algorithms,
    ),
    "set_protocol_version": _Kind(
        lambda _one: "protocol_version",
        lambda one: _version(one["version"]),
        lambda _one, now: _version(now.governance["protocol_version"]),
        lambda now, one: now.with_governance({"protocol_version": one["version"]}),
    ),
    "allow_node": _Kind(
        _node,
        lambda _one: "allowed",
        _listing_in_force,
        lambda now, one: now.with_listing(one["node"], "allowed"),
    ),
    "deny_node": _Kind(
        _node,
        lambda _one: "denied",
        _listing_in_force,
        lambda now, one: now.with_listing(one["node"], "denied"),
    ),
    "clear_node": _Kind(
        _node,
        _nothing,
        _listing_in_force,
        lambda now, one: now.with_listing(one["node"], None),
    ),
    "revoke_certificate": _Kind(
        lambda one: str(one["fingerprint"]),
        lambda _one: "revoked",
        lambda one, now: now.revocation(one["fingerprint"]),
        _revoke,
    ),
}
