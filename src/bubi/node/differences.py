"""What a proposal changes, for people: each change with its value before and after. Pure.

`before` is None where there is nothing, or where it is not known any more because the proposal is
closed; `after` is None where a change takes something away.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from bubi.consensus.quorum import quorum

ALGORITHMS = ("ed25519", "secp256k1", "p256", "sm2")

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


class _Kind(NamedTuple):
    """How a kind of change is told: what it is about, the new value, the one in force."""

    name: Callable[[Fields], str]
    after: Callable[[Fields], str | None]
    before: Callable[[Fields, Present], str | None]


def differences(changes: Sequence[Fields], present: Present | None) -> list[dict[str, str | None]]:
    """One entry per change; `present` is None for a proposal that is closed."""
    found = []
    for change in changes:
        ((kind, fields),) = change.items()
        told = _KINDS[kind]
        after = told.after(fields)
        if present is not None and kind == "change_validator":
            after = present.changed(fields)
        if present is not None and kind == "set_quorum":
            after = present.ratio(fields["numerator"], fields["denominator"])
        before = None if present is None else told.before(fields, present)
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
    return f"{voice}, certificate of {len(fields['certificate']) // 2} bytes"


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


_KINDS: dict[str, _Kind] = {
    "set_parameter": _Kind(
        _own_name, lambda one: str(one["value"]), lambda one, now: now.parameter(one["name"])
    ),
    "add_validator": _Kind(_own_name, _validator, lambda one, now: now.validator(one["name"])),
    "remove_validator": _Kind(_own_name, _nothing, lambda one, now: now.validator(one["name"])),
    "change_validator": _Kind(_own_name, _given, lambda one, now: now.validator(one["name"])),
    "set_organisation": _Kind(
        _own_name, _organisation, lambda one, now: now.organisation(one["name"])
    ),
    "remove_organisation": _Kind(
        _own_name, _nothing, lambda one, now: now.organisation(one["name"])
    ),
    "set_engine": _Kind(
        lambda _one: "engine", _own_name, lambda _one, now: str(now.validators["engine"])
    ),
    "set_quorum": _Kind(
        lambda _one: "quorum",
        lambda one: f"{one['numerator']}/{one['denominator']}",
        lambda _one, now: now.ratio(
            now.validators["quorum_numerator"], now.validators["quorum_denominator"]
        ),
    ),
    "set_algorithms": _Kind(
        lambda _one: "algorithms",
        lambda one: _algorithms(one["accounts"], one["votes"]),
        lambda _one, now: _algorithms(
            now.parameters["algorithms"], now.parameters["vote_algorithms"]
        ),
    ),
    "set_protocol_version": _Kind(
        lambda _one: "protocol_version",
        lambda one: str(one["version"]),
        lambda _one, now: str(now.governance["protocol_version"]),
    ),
    "allow_node": _Kind(_node, lambda _one: "allowed", lambda one, now: now.listing(one["node"])),
    "deny_node": _Kind(_node, lambda _one: "denied", lambda one, now: now.listing(one["node"])),
    "clear_node": _Kind(_node, _nothing, lambda one, now: now.listing(one["node"])),
    "revoke_certificate": _Kind(
        lambda one: str(one["fingerprint"]),
        lambda _one: "revoked",
        lambda one, now: now.revocation(one["fingerprint"]),
    ),
}
