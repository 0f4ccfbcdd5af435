"""What organisations vote on, as an epoch has it, and what a proposal makes of it. Pure.

The ledger has applied every change before the index hears of it, so nothing is judged here: this
is only spec/ledger.md 10, column "effect". Values are those of the JSON forms.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(slots=True)
class Settings:
    """Members and rules of an epoch.

    `parameters` are those of the ledger by their names. `organisations` have their governance
    account and the size and SHA-256 of their certificate. `listings` says of a node whether it is
    allowed or denied.
    """

    engine: str
    quorum_numerator: int
    quorum_denominator: int
    protocol_version: int
    validators: list[Json]
    parameters: Json
    organisations: dict[str, Json]
    listings: dict[str, str]
    revoked: list[str]

    @property
    def total(self) -> int:
        """Weight of all validators."""
        return sum(int(one["weight"]) for one in self.validators)

    @property
    def quorum(self) -> int:
        """Weight that decides (spec/ledger.md 10)."""
        total = self.total
        ratio = -(-total * self.quorum_numerator // self.quorum_denominator)
        return max(2 * total // 3 + 1, ratio)

    def weights(self) -> dict[str, int]:
        """Weight of each organisation that has validators."""
        found: dict[str, int] = {}
        for one in self.validators:
            found[one["organisation"]] = found.get(one["organisation"], 0) + int(one["weight"])
        return found

    def organisation_of(self, account: str) -> str | None:
        """The organisation that an account speaks for."""
        for name, one in self.organisations.items():
            if one["governance"] == account:
                return name
        return None

    def validator_of(self, key: Mapping[str, str]) -> str | None:
        """Name of the validator in force that votes with a key."""
        return next((str(one["name"]) for one in self.validators if one["key"] == key), None)

    def after(self, changes: Sequence[Json]) -> Settings:
        """What these changes make of it."""
        made = copy.deepcopy(self)
        for change in changes:
            ((kind, fields),) = change.items()
            EFFECTS[kind](made, fields)
        return made

    def compared(self, changes: Sequence[Json]) -> list[Any]:
        """What each change of a proposal replaces: of what those before it leave."""
        found, now = [], self
        for change in changes:
            found.append(now.before(change))
            now = now.after([change])
        return found

    def before(self, change: Json) -> Any:
        """What is in force of that which a change sets; None if there is nothing."""
        ((kind, fields),) = change.items()
        if kind.endswith("_validator"):
            return self._validator(fields["name"])
        if kind.endswith("_organisation"):
            return self.organisations.get(fields["name"])
        if kind.endswith("_node"):
            return self.listings.get(fields["node"])
        if kind == "revoke_certificate":
            return fields["fingerprint"] in self.revoked
        if kind == "set_parameter":
            return str(self.parameters[fields["name"]])
        return {
            "set_engine": self.engine,
            "set_quorum": [self.quorum_numerator, self.quorum_denominator],
            "set_protocol_version": self.protocol_version,
            "set_algorithms": {
                "accounts": self.parameters["algorithms"],
                "votes": self.parameters["vote_algorithms"],
                "retired": self.parameters["retired_algorithms"],
            },
        }[kind]

    def _validator(self, name: str) -> Json | None:
        return next((one for one in self.validators if one["name"] == name), None)


def of_genesis(genesis: Json) -> Settings:
    """What a chain begins with; `genesis` is the content of its version."""
    members = genesis["validators"]["v1"]
    return Settings(
        engine=members["engine"],
        quorum_numerator=members["quorum_numerator"],
        quorum_denominator=members["quorum_denominator"],
        protocol_version=genesis["protocol_version"],
        validators=members["validators"],
        parameters=genesis["parameters"],
        organisations={one["name"]: _organisation(one) for one in genesis["organisations"]},
        listings={},
        revoked=[],
    )


def _organisation(fields: Json) -> Json:
    certificate = bytes.fromhex(fields["certificate"])
    return {
        "governance": fields["governance"],
        "certificate_bytes": len(certificate),
        "certificate_sha256": hashlib.sha256(certificate).hexdigest() if certificate else None,
    }


def shown(change: Json) -> Json:
    """A change as it is shown: of a certificate, size and hash."""
    ((kind, fields),) = change.items()
    if kind != "set_organisation":
        return change
    return {kind: {"name": fields["name"], **_organisation(fields)}}


def _set_parameter(made: Settings, fields: Json) -> None:
    # Texts stand for 64 bits: each parameter keeps the form that it had.
    form = type(made.parameters[fields["name"]])
    made.parameters[fields["name"]] = form(fields["value"])


def _add_validator(made: Settings, fields: Json) -> None:
    made.validators.append(dict(fields))


def _remove_validator(made: Settings, fields: Json) -> None:
    made.validators = [one for one in made.validators if one["name"] != fields["name"]]


def _change_validator(made: Settings, fields: Json) -> None:
    for one in made.validators:
        if one["name"] == fields["name"]:
            given = ((name, fields[name]) for name in ("weight", "key"))
            one.update({name: value for name, value in given if value is not None})


def _set_organisation(made: Settings, fields: Json) -> None:
    made.organisations[fields["name"]] = _organisation(fields)


def _remove_organisation(made: Settings, fields: Json) -> None:
    del made.organisations[fields["name"]]


def _set_engine(made: Settings, fields: Json) -> None:
    made.engine = fields["name"]


def _set_quorum(made: Settings, fields: Json) -> None:
    made.quorum_numerator = fields["numerator"]
    made.quorum_denominator = fields["denominator"]


def _set_algorithms(made: Settings, fields: Json) -> None:
    before, now = made.parameters["algorithms"], fields["accounts"]
    retired = [one for one in made.parameters["retired_algorithms"] if _number(one) not in now]
    retired += [
        {"algorithm": one, "until": fields["old_until"]}
        for one in before
        if one not in now and one not in map(_number, retired)
    ]
    made.parameters |= {
        "algorithms": now,
        "vote_algorithms": fields["votes"],
        "retired_algorithms": sorted(retired, key=_number),
    }


def _number(retired: Json) -> int:
    return int(retired["algorithm"])


def _set_protocol_version(made: Settings, fields: Json) -> None:
    made.protocol_version = fields["version"]


def _allow_node(made: Settings, fields: Json) -> None:
    made.listings[fields["node"]] = "allowed"


def _deny_node(made: Settings, fields: Json) -> None:
    made.listings[fields["node"]] = "denied"


def _clear_node(made: Settings, fields: Json) -> None:
    del made.listings[fields["node"]]


def _revoke_certificate(made: Settings, fields: Json) -> None:
    made.revoked = sorted({*made.revoked, fields["fingerprint"]})


EFFECTS = {
    "set_parameter": _set_parameter,
    "add_validator": _add_validator,
    "remove_validator": _remove_validator,
    "change_validator": _change_validator,
    "set_organisation": _set_organisation,
    "remove_organisation": _remove_organisation,
    "set_engine": _set_engine,
    "set_quorum": _set_quorum,
    "set_algorithms": _set_algorithms,
    "set_protocol_version": _set_protocol_version,
    "allow_node": _allow_node,
    "deny_node": _deny_node,
    "clear_node": _clear_node,
    "revoke_certificate": _revoke_certificate,
}
