"""How several organisations found a network without any of their keys leaving its owner.

1. `request`: each owner makes its authority, its node's key and certificate, its vote key, and a
   public request that both keys sign.
2. `create`: anyone makes the genesis from all requests. It is public; its hash is the chain id.
3. `join`: each owner checks that the genesis holds what it asked for, and gets a configuration.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cryptography import x509

from bubi import core
from bubi.comet import ENGINE as COMETBFT
from bubi.comet import home as comet_home
from bubi.consensus.quorum import heavy, live_faults
from bubi.consensus.quorum import quorum as quorum_of
from bubi.engines import installed
from bubi.ledger import is_signed, key_bytes
from bubi.network.addresses import Address
from bubi.node import certificates
from bubi.node import comet_files as comet
from bubi.node.config import ConfigError
from bubi.node.config import address as parse_address
from bubi.node.era import Before, take_over
from bubi.node.files import (
    FileError,
    key_json,
    read_genesis,
    read_key,
    write_file,
    write_json,
    write_key,
)
from bubi.node.init import (
    PARAMETERS,
    VOTE_ALGORITHM,
    Initialised,
    Organisation,
    Validator,
    check_kind,
    claim,
    make_genesis,
    new_vote_key,
    node_settings,
    now_ms,
    write_node,
)
from bubi.node.tolerance import NO_FAULT_TOLERANCE
from bubi.node.tolerance import check as check_tolerance
from bubi.node.trust import write_trust

REQUEST_FILE = "request.json"
MEMBERS_FILE = "members.json"
TRUST_FILE = "authority.pem"
"""Where a node that joins by vote keeps its own authority's certificate."""
REQUEST_BYTES_MAX = 65_536
DOMAIN = b"bubi:network-request"
VALIDATOR = "validator"
OBSERVER = "observer"
ALONE = 1


class CeremonyError(Exception):
    """A request or a genesis cannot be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Request:
    """What an owner asks for. Public.

    `vote_key` is None for an observer. `endpoint` is where others reach the node, None if nobody
    can begin a connection to it. `accounts` are keys whose accounts exist from the start; that of
    `governance` proposes and votes for the organisation, None if another request names it.
    `comet_node` is by what others know its CometBFT process, if it has one.
    """

    name: str
    organisation: str
    endpoint: Address | None
    vote_key: bytes | None
    authority: x509.Certificate
    certificate: x509.Certificate
    accounts: tuple[bytes, ...]
    governance: bytes | None = None
    comet_node: str | None = None
    vote_signature: bytes = b""
    node_signature: bytes = b""

    @property
    def role(self) -> str:
        """Validator or observer."""
        return OBSERVER if self.vote_key is None else VALIDATOR

    @property
    def message(self) -> bytes:
        """The bytes that both keys sign: domain, version, then each field with its length."""
        fields = [
            self.name.encode(),
            self.organisation.encode(),
            str(self.endpoint or "").encode(),
            self.vote_key or b"",
            certificates.to_der(self.authority),
            certificates.to_der(self.certificate),
            self.governance or b"",
            (self.comet_node or "").encode(),
            *self.accounts,
        ]
        return DOMAIN + b"\0" + b"".join(core.uleb128(len(one)) + one for one in fields)

    def document(self) -> dict[str, Any]:
        """The request as it is sent to the others."""
        return {
            "schema": 1,
            "name": self.name,
            "organisation": self.organisation,
            "endpoint": None if self.endpoint is None else str(self.endpoint),
            "vote_key": None if self.vote_key is None else key_json(self.vote_key),
            "authority": certificates.to_der(self.authority).hex(),
            "certificate": certificates.to_der(self.certificate).hex(),
            "accounts": [key_json(key) for key in self.accounts],
            "governance": None if self.governance is None else key_json(self.governance),
            "comet_node": self.comet_node,
            "vote_signature": self.vote_signature.hex(),
            "node_signature": self.node_signature.hex(),
        }

    @property
    def summary(self) -> dict[str, Any]:
        """What a person needs to know of a member."""
        return {
            "name": self.name,
            "organisation": self.organisation,
            "role": self.role,
            "endpoint": None if self.endpoint is None else str(self.endpoint),
            "governance": self.governance is not None,
            "comet_node": self.comet_node,
        }


# --- request -------------------------------------------------------------------------------------


def make_request(  # noqa: PLR0913 - what an owner decides
    directory: Path,
    *,
    name: str,
    organisation: str,
    address: Address | None,
    role: str = VALIDATOR,
    suite: str = "standard",
    authority: Path | None = None,
    accounts: Sequence[bytes] = (),
    governance: bytes | None = None,
    engine: str | None = None,
) -> Request:
    """Makes a node's secrets in a new folder, and its public `request.json`.

    With the engine `cometbft` it gets the node key of its CometBFT process as well.

    Without `authority` (the folder of one that exists) the organisation gets a new one in the
    sub-folder `authority`. `governance` is the key whose account votes for the organisation.

    Raises:
        FileError: the folder holds something, or a file cannot be used.
        ConfigError, CeremonyError: a value is wrong.
    """
    check_kind("main", suite)
    _check_name(name, "the node's name")
    _check_name(organisation, "the organisation's name")
    claim(directory)
    if authority is None:
        issuer = certificates.make_authority(directory / "authority", organisation)
    else:
        issuer = certificates.read_authority(authority)
        if issuer.organisation != organisation:
            msg = f"{authority} is the authority of {issuer.organisation}, not of {organisation}"
            raise CeremonyError(msg)
    certificates.issue(directory, issuer, name)
    key: core.SigningKey | None = None
    if role == VALIDATOR:
        algorithm, secret, key = new_vote_key(suite)
        write_key(directory / "validator.key", algorithm, secret)
    request = Request(
        name,
        organisation,
        address,
        None if key is None else key.public_key,
        issuer.certificate,
        certificates.read_certificate(directory / "cert.pem"),
        tuple(accounts),
        governance,
        comet.new_node_key(directory) if engine == COMETBFT else None,
    )
    node_key = certificates.read_private_key(directory / "key.pem")
    request = replace(
        request,
        vote_signature=b"" if key is None else key.sign(request.message),
        node_signature=certificates.sign(node_key, request.message),
    )
    write_json(directory / REQUEST_FILE, request.document())
    return request


def _check_name(name: str, what: str) -> None:
    if not name.strip() or len(name.encode()) > 64 or not name.isprintable():
        msg = f"{what} must be a text of 1 to 64 bytes"
        raise CeremonyError(msg)


def read_request(path: Path) -> Request:
    """Reads a request and checks both signatures and its certificate.

    Raises:
        FileError: it cannot be read.
        CeremonyError: it is not a valid request.
    """
    try:
        if path.stat().st_size > REQUEST_BYTES_MAX:
            msg = f"{path} is too large for a request"
            raise CeremonyError(msg)
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        msg = f"{path}: the request cannot be read: {error}"
        raise FileError(msg) from error
    except ValueError as error:
        msg = f"{path} is not a request: {error}"
        raise CeremonyError(msg) from error
    try:
        request = _parse(document)
    except (ValueError, KeyError, TypeError, AttributeError, ConfigError) as error:
        msg = f"{path} is not a request that `bubi network request` made: {error}"
        raise CeremonyError(msg) from error
    reason = _fault(request)
    if reason is not None:
        msg = f"{path} is not valid: {reason}; ask {request.organisation} to send it again"
        raise CeremonyError(msg)
    return request


def _parse(document: Any) -> Request:
    names = set(Request.__dataclass_fields__) | {"schema"}
    if not isinstance(document, dict) or set(document) != names or document["schema"] != 1:
        raise ValueError("it has other members")
    address, vote_key = document["endpoint"], document["vote_key"]
    request = Request(
        str(document["name"]),
        str(document["organisation"]),
        None if address is None else parse_address("endpoint", address),
        None if vote_key is None else key_bytes(vote_key),
        certificates.from_der(bytes.fromhex(document["authority"])),
        certificates.from_der(bytes.fromhex(document["certificate"])),
        tuple(key_bytes(key) for key in document["accounts"]),
        None if document["governance"] is None else key_bytes(document["governance"]),
        comet.checked_node_id(document["comet_node"]),
        bytes.fromhex(document["vote_signature"]),
        bytes.fromhex(document["node_signature"]),
    )
    for name in (request.name, request.organisation):
        _check_name(name, "a name")
    return request


def _fault(request: Request) -> str | None:
    """What is wrong with a request that could be read."""
    if not certificates.is_authority(request.authority):
        return "its authority is none"
    if certificates.organisation_of(request.authority) != request.organisation:
        return "its authority belongs to another organisation"
    if not certificates.issued_by(request.certificate, request.authority):
        return "its authority did not issue its certificate"
    if not certificates.verify(request.certificate, request.message, request.node_signature):
        return "the signature of its node key is wrong"
    if request.vote_key is not None and not is_signed(
        request.vote_key, request.message, request.vote_signature
    ):
        return "the signature of its vote key is wrong"
    return None


# --- create --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Created:
    """A genesis with what a person must know of it.

    `heavy` are organisations, with their weights, that could stop the network by themselves;
    `spare` weight may fail before nothing is decided any more. `voiceless` are organisations
    without governance account, if the others are too few to change anything by vote.
    """

    genesis: bytes
    chain_id: str
    members: tuple[Request, ...]
    heavy: tuple[tuple[str, int], ...]
    spare: int
    voiceless: tuple[str, ...] = ()


def read_requests(directory: Path) -> list[Request]:
    """All requests below a folder: its files `*.json` and `*/request.json`, by name.

    Raises:
        FileError, CeremonyError: one cannot be used, or there is none.
    """
    files = sorted({*directory.glob("*.json"), *directory.glob(f"*/{REQUEST_FILE}")})
    requests = [read_request(file) for file in files]
    if not requests:
        msg = f"{directory} holds no requests: gather the request.json of every member there"
        raise CeremonyError(msg)
    return sorted(requests, key=lambda one: (one.organisation, one.name))


def create(  # noqa: PLR0913 - the agreement of the members
    directory: Path,
    requests: Sequence[Request],
    *,
    network: str,
    kind: str = "main",
    suite: str = "standard",
    engine: str | None = None,
    quorum: tuple[int, int] = (0, 1),
    accounts: Sequence[bytes] = (),
    parameters: dict[str, Any] | None = None,
    weights: Mapping[str, int] | None = None,
    acknowledged: Collection[str] = (),
    before: Before | None = None,
) -> Created:
    """Makes the public files of a network in a folder: genesis, trust file, list of members.

    `weights` are those of validators by name, 1 where a name is missing. `before` is the end of a
    chain that the new one continues; name, kind, suite and organisations are then the old ones.

    Raises:
        CeremonyError: the requests contradict each other, or can never decide anything.
        EraError: an organisation cannot go on as it is asked for.
        ToleranceError: one validator alone could stop the network, and nobody acknowledged that.
        FileError, CoreError: a file cannot be written, or the core refuses the genesis.
    """
    check_kind(kind, suite)
    _refuse_duplicates(requests)
    validators = [
        Validator(one.name, one.organisation, one.vote_key, (weights or {}).get(one.name, 1))
        for one in requests
        if one.vote_key is not None
    ]
    _check_validators(validators, suite)
    _refuse_unknown(weights or {}, validators, "weight")
    _refuse_unknown(set(acknowledged) - {NO_FAULT_TOLERANCE}, validators, "acknowledgement")
    chosen = engine or ("solo" if len(validators) == ALONE else "pbft")
    _check_engine(chosen)
    if (chosen == "solo") != (len(validators) == ALONE):
        msg = f"engine {chosen} does not fit {len(validators)} validators: solo is for one alone"
        raise CeremonyError(msg)
    total = sum(validator.weight for validator in validators)
    try:
        needed = quorum_of(total, *quorum)
    except ValueError as error:
        raise CeremonyError(str(error)) from error
    organisations = _organisations(requests)
    if before is not None:
        certificates_of = {one.name: one.certificate for one in organisations}
        organisations = before.organisations(certificates_of)
    owners = [key for one in requests for key in one.accounts]
    claims = {(key, one.organisation) for one in requests for key in one.accounts}
    # A key that several organisations name belongs to none of them until it asks one itself.
    claimed = Counter(key for key, _ in claims)
    genesis = make_genesis(
        network=network,
        kind=kind,
        suite=suite,
        parameters={**PARAMETERS, **(parameters or {})},
        accounts=[*accounts, *owners],
        engine=chosen,
        validators=validators,
        organisations=organisations,
        quorum=quorum,
        time=None if before is None else max(now_ms(), before.time + 1),
        protocol_version=1 if before is None else before.protocol_version,
        predecessor=None if before is None else before.predecessor,
        members={key: organisation for key, organisation in claims if claimed[key] == 1},
    )
    if chosen == COMETBFT:
        _check_comet(genesis, requests)
    check_tolerance(core.decode_json(core.genesis_to_json(genesis))["v1"], acknowledged)
    directory.mkdir(parents=True, exist_ok=True)
    if before is not None:
        before.publish(directory)
    write_file(directory / "genesis.bin", genesis)
    write_file(directory / "genesis.json", core.genesis_to_json(genesis) + b"\n")
    trust = write_trust(directory / "trust.json", genesis)
    members = {
        "schema": 1,
        "chain_id": trust["chain_id"],
        "members": [one.summary for one in requests],
    }
    write_json(directory / MEMBERS_FILE, members)
    shares = [(validator.organisation, validator.weight) for validator in validators]
    spare = live_faults(total, needed)
    alone = heavy(shares, needed)
    silent = _voiceless(organisations, validators, needed)
    return Created(genesis, trust["chain_id"], tuple(requests), tuple(alone), spare, silent)


def _check_engine(name: str) -> None:
    registry = installed()
    if name != COMETBFT and name not in registry.names:
        known = ", ".join(sorted({*registry.names, COMETBFT}))
        reason = registry.faults.get(name, "install it on every machine of the network first")
        msg = f"no engine {name!r} runs here: {reason}; there are: {known}"
        raise CeremonyError(msg)


def _organisations(requests: Sequence[Request]) -> list[Organisation]:
    """The organisations that stand behind the requests, by name."""
    voters = {one.organisation: one.governance for one in requests if one.governance is not None}
    certificate = {one.organisation: certificates.to_der(one.authority) for one in requests}
    return [
        Organisation(name, voters.get(name), certificate[name]) for name in sorted(certificate)
    ]


def _voiceless(
    organisations: Sequence[Organisation], validators: Sequence[Validator], needed: int
) -> tuple[str, ...]:
    """Organisations without a voice, if nothing could be changed by vote for the want of them."""
    silent = {one.name for one in organisations if one.governance is None and one.account is None}
    heard = sum(one.weight for one in validators if one.organisation not in silent)
    return () if heard >= needed else tuple(sorted(silent))


def _refuse_duplicates(requests: Sequence[Request]) -> None:
    fields = {
        "name": [one.name for one in requests],
        "endpoint": [str(one.endpoint) for one in requests if one.endpoint is not None],
        "vote key": [one.vote_key.hex() for one in requests if one.vote_key is not None],
        "node certificate": [certificates.to_der(one.certificate).hex() for one in requests],
    }
    for what, values in fields.items():
        value, count = Counter(values).most_common(1)[0] if values else ("", 0)
        if count > 1:
            msg = f"{count} requests have the same {what} ({value[:64]}): each needs its own"
            raise CeremonyError(msg)
    authorities: dict[str, bytes] = {}
    voters: dict[bytes, str] = {}
    voices: dict[str, bytes] = {}
    for one in requests:
        data = certificates.to_der(one.authority)
        if authorities.setdefault(one.organisation, data) != data:
            msg = (
                f"the requests of {one.organisation} come from two authorities: its second node "
                "must be requested with --authority, or somebody uses its name"
            )
            raise CeremonyError(msg)
        if one.governance is None:
            continue
        if voices.setdefault(one.organisation, one.governance) != one.governance:
            msg = f"the requests of {one.organisation} name two governance keys: it has one voice"
            raise CeremonyError(msg)
        if voters.setdefault(one.governance, one.organisation) != one.organisation:
            msg = f"{voters[one.governance]} and {one.organisation} name the same governance key"
            raise CeremonyError(msg)


def _refuse_unknown(names: Iterable[str], validators: Sequence[Validator], what: str) -> None:
    known = {validator.name for validator in validators}
    for name in sorted(names):
        if name not in known:
            msg = f"there is no validator {name!r} to give a {what}: {', '.join(sorted(known))}"
            raise CeremonyError(msg)


def _check_validators(validators: Sequence[Validator], suite: str) -> None:
    if not validators:
        msg = "no request is one of a validator: observers alone decide nothing"
        raise CeremonyError(msg)
    for validator in validators:
        algorithm = next(iter(key_json(validator.key)))
        if algorithm != VOTE_ALGORITHM[suite]:
            msg = (
                f"the vote key of {validator.name} is {algorithm}, and the suite {suite} needs "
                f"{VOTE_ALGORITHM[suite]}: use the same --suite in every step"
            )
            raise CeremonyError(msg)


def _check_comet(genesis: bytes, requests: Sequence[Request]) -> None:
    reason = comet_home.reason_against(core.decode_json(core.genesis_to_json(genesis))["v1"])
    if reason is not None:
        raise CeremonyError(reason)
    for one in requests:
        if one.comet_node is None or one.endpoint is None or one.vote_key is None:
            msg = (
                f"the request of {one.name} is not for CometBFT: make it with --engine cometbft "
                "and --address; every node is a validator there"
            )
            raise CeremonyError(msg)


# --- join ----------------------------------------------------------------------------------------


def join(  # noqa: PLR0913 - what an owner decides
    directory: Path,
    network: Path,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    api_port: int = 8080,
    engine_port: int = 26_657,
    operator_port: int | None = None,
    seeds: Sequence[Address] = (),
    acknowledged: Collection[str] = (),
    by_vote: bool = False,
) -> Initialised:
    """Completes the folder that `make_request` made, for the network in the folder `network`.

    A member `by_vote` is not in the genesis: it follows the network as an observer until the
    organisations have voted for it (`set_organisation` if its organisation is new, then
    `add_validator`).

    Raises:
        CeremonyError: the genesis does not hold what this node asked for.
        ToleranceError: one validator alone could stop the network, and the owner of this one did
            not acknowledge that.
        FileError, ConfigError: a file or a value cannot be used.
    """
    request = read_request(directory / REQUEST_FILE)
    genesis = read_genesis(network / "genesis.bin")
    fields = core.decode_json(core.genesis_to_json(genesis))["v1"]
    if not by_vote:
        _check_own_part(directory, request, fields)
    if fields["validators"]["v1"]["engine"] == COMETBFT:
        if by_vote:
            msg = "where CometBFT decides the validators are those of the genesis: none is added"
            raise CeremonyError(msg)
        place = Place(network, host, port, api_port, engine_port)
        return _join_comet(directory, genesis, request, place, acknowledged)
    settings = node_settings(
        request.name, request.organisation, api_port, validator=request.vote_key is not None
    )
    if request.vote_key is not None:
        check_tolerance(fields, acknowledged)
    _acknowledge(settings, acknowledged)
    section: dict[str, Any] = {
        "host": host,
        "certificate": "cert.pem",
        "key": "key.pem",
        "seeds": [str(one) for one in seeds] or _others(network, request),
    }
    if by_vote:
        # The ledger here begins with the genesis, which does not list the own authority.
        write_file(directory / TRUST_FILE, certificates.to_pem(request.authority))
        section["trust"] = TRUST_FILE
    if request.endpoint is None:
        section["outbound_only"] = True
    else:
        section["port"] = port or request.endpoint.port
        section["advertise"] = str(request.endpoint)
    settings["network"] = section
    if operator_port is not None:
        settings["operator"] = {"port": operator_port}
    if fields["predecessor"] is not None:
        take_over(network, directory / settings["node"]["data"], genesis)
    return write_node(directory, genesis, settings)


def _acknowledge(settings: dict[str, Any], acknowledged: Collection[str]) -> None:
    if acknowledged:
        settings["node"]["acknowledged"] = sorted(acknowledged)


def _join_comet(
    directory: Path,
    genesis: bytes,
    request: Request,
    place: "Place",
    acknowledged: Collection[str],
) -> Initialised:
    """Configuration and CometBFT's folder, where CometBFT decides."""
    if request.endpoint is None or request.vote_key is None or request.comet_node is None:
        msg = (
            "where CometBFT decides every node is a validator that others can reach: make its "
            "request with --engine cometbft and --address"
        )
        raise CeremonyError(msg)
    check_tolerance(core.decode_json(core.genesis_to_json(genesis))["v1"], acknowledged)
    settings = node_settings(request.name, request.organisation, place.api_port)
    _acknowledge(settings, acknowledged)
    abci = directory.absolute() / comet.FOLDER / comet_home.ABCI_SOCKET
    settings["cometbft"] = {
        "abci": f"{comet.FOLDER}/{comet_home.ABCI_SOCKET}",
        "rpc": f"127.0.0.1:{place.engine_port}",
    }
    home = comet_home.HomeSettings(
        abci=abci,
        rpc_port=place.engine_port,
        p2p_host=place.host,
        p2p_port=place.port or request.endpoint.port,
        advertise=str(request.endpoint),
        peers=_comet_peers(place.network, request),
    )
    comet.write_home(directory, genesis, request.name, home)
    return write_node(directory, genesis, settings)


def _check_own_part(directory: Path, request: Request, genesis: Any) -> None:
    mine = certificates.to_der(request.authority).hex()
    listed = {one["certificate"]: one["name"] for one in genesis["organisations"]}
    if listed.get(mine) != request.organisation:
        msg = "the genesis does not list your authority: was another request sent in your name?"
        raise CeremonyError(msg)
    if request.vote_key is None:
        return
    if read_key(directory / "validator.key").public_key != request.vote_key:
        msg = f"{directory / 'validator.key'} is not the key of your request"
        raise CeremonyError(msg)
    found = [
        one
        for one in genesis["validators"]["v1"]["validators"]
        if key_bytes(one["key"]) == request.vote_key
    ]
    if [(one["name"], one["organisation"]) for one in found] != [
        (request.name, request.organisation)
    ]:
        msg = "the genesis does not name your validator with your vote key: do not join"
        raise CeremonyError(msg)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a node that joins finds the network's files, and where it listens."""

    network: Path
    host: str
    port: int | None
    api_port: int
    engine_port: int


def _others(network: Path, request: Request) -> list[str]:
    """Addresss of the other members, from the list beside the genesis."""
    return [address for address, _ in _members(network, request)]


def _comet_peers(network: Path, request: Request) -> list[str]:
    """The CometBFT processes of the other members, as CometBFT names them."""
    return [f"{node}@{address}" for address, node in _members(network, request) if node]


def _members(network: Path, request: Request) -> list[tuple[str, str | None]]:
    try:
        members = json.loads((network / MEMBERS_FILE).read_text(encoding="utf-8"))["members"]
        listed = [
            (one["name"], one["endpoint"], comet.checked_node_id(one.get("comet_node")))
            for one in members
        ]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        msg = f"{network / MEMBERS_FILE} cannot be used ({error}): name nodes with --seed"
        raise CeremonyError(msg) from error
    return [
        (str(parse_address("endpoint", address)), node)
        for name, address, node in listed
        if address is not None and name != request.name
    ]
