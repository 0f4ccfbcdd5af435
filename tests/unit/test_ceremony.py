"""Founding a network: no key leaves its owner, and whatever does not fit is refused by name."""

import json
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bubi import core
from bubi.consensus.quorum import heavy, quorum
from bubi.network.addresses import Address
from bubi.node import ceremony, process, tolerance
from bubi.node.ceremony import CeremonyError, create, join, make_request, read_requests
from bubi.node.config import load
from bubi.node.files import FileError
from bubi.node.tolerance import ToleranceError
from tests.ports import free_port


def owners(folder: Path, count: int = 4, **more: Any) -> list[Path]:
    """Folders of so many owners who each made a request."""
    made = []
    for number in range(1, count + 1):
        path = folder / f"owner{number}"
        make_request(
            path,
            name=f"n{number}",
            organisation=f"o{number}",
            address=Address("127.0.0.1", 9000 + number),
            **more,
        )
        made.append(path)
    return made


def gathered(folder: Path, paths: list[Path]) -> Path:
    """The requests of these owners in one folder, as they were sent."""
    folder.mkdir(exist_ok=True)
    for number, path in enumerate(paths):
        (folder / f"{number}.json").write_bytes((path / "request.json").read_bytes())
    return folder


def test_the_ceremony_ends_with_configured_nodes(tmp_path: Path) -> None:
    paths = owners(tmp_path)
    requests = read_requests(gathered(tmp_path / "in", paths))
    public = tmp_path / "public"
    created = create(public, requests, network="n")
    assert (created.heavy, created.spare) == ((), 1)
    genesis = core.decode_json(core.genesis_to_json(created.genesis))["v1"]
    assert genesis["validators"]["v1"]["engine"] == "pbft"
    assert [one["name"] for one in genesis["organisations"]] == ["o1", "o2", "o3", "o4"]
    for path in paths:
        made = join(path, public, api_port=9100)
        assert made.chain_id == created.chain_id
        settings = load(made.config)
        assert len(settings.network.seeds) == 3
        assert settings.network.advertise not in settings.network.seeds


def test_nothing_secret_is_in_what_is_sent(tmp_path: Path) -> None:
    (path,) = owners(tmp_path, 1)
    sent = (path / "request.json").read_text()
    for name in ("validator.key", "key.pem", "authority/key.pem"):
        file = path / name
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        for line in file.read_text().splitlines():
            secret = line.rpartition(":")[2]
            assert "-----" in line or secret not in sent
    assert stat.S_IMODE(path.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "other"),
        ("organisation", "other"),
        ("endpoint", "127.0.0.1:1"),
        ("vote_key", {"ed25519": "00" * 32}),
        ("vote_signature", "00" * 64),
        ("vote_signature", "00" * 3),
        ("node_signature", "00"),
        ("accounts", [{"ed25519": "11" * 32}]),
        ("schema", 2),
        ("extra", 1),
    ],
)
def test_a_changed_request_is_refused(tmp_path: Path, field: str, value: Any) -> None:
    (path,) = owners(tmp_path, 1)
    file = path / "request.json"
    document = json.loads(file.read_text())
    file.write_text(json.dumps({**document, field: value}))
    with pytest.raises(CeremonyError):
        ceremony.read_request(file)


def test_a_request_with_the_certificate_of_another_is_refused(tmp_path: Path) -> None:
    first, second = owners(tmp_path, 2)
    file = first / "request.json"
    document = json.loads(file.read_text())
    other = json.loads((second / "request.json").read_text())
    file.write_text(json.dumps({**document, "certificate": other["certificate"]}))
    with pytest.raises(CeremonyError, match="did not issue"):
        ceremony.read_request(file)


def test_duplicates_are_refused(tmp_path: Path) -> None:
    paths = owners(tmp_path)
    with pytest.raises(CeremonyError, match="same name"):
        create(
            tmp_path / "out",
            read_requests(gathered(tmp_path / "in", [*paths, paths[0]])),
            network="n",
        )


def test_two_authorities_of_one_organisation_are_refused(tmp_path: Path) -> None:
    for number in (1, 2):
        make_request(
            tmp_path / "in" / str(number),
            name=f"n{number}",
            organisation="same",
            address=None,
        )
    with pytest.raises(CeremonyError, match="two authorities"):
        create(tmp_path / "out", read_requests(tmp_path / "in"), network="n")


def test_a_second_node_uses_the_authority_of_the_first(tmp_path: Path) -> None:
    (path,) = owners(tmp_path, 1)
    authority = path / "authority"
    request = make_request(
        tmp_path / "second", name="n9", organisation="o1", address=None, authority=authority
    )
    assert request.organisation == "o1"
    with pytest.raises(CeremonyError, match="is the authority of o1"):
        make_request(
            tmp_path / "third", name="n8", organisation="o2", address=None, authority=authority
        )


def test_what_can_never_decide_is_refused(tmp_path: Path) -> None:
    requests = read_requests(gathered(tmp_path / "in", owners(tmp_path)))
    out = tmp_path / "out"
    with pytest.raises(CeremonyError, match="must lie between 0 and 1"):
        create(out, requests, network="n", quorum=(5, 4))
    with pytest.raises(CeremonyError, match="solo is for one alone"):
        create(out, requests, network="n", engine="solo")
    with pytest.raises(CeremonyError, match="needs sm2"):
        create(out, requests, network="n", suite="national")
    (tmp_path / "none").mkdir()
    with pytest.raises(CeremonyError, match="holds no requests"):
        read_requests(tmp_path / "none")
    assert not out.exists()


def test_a_network_that_cannot_miss_one_is_refused_unless_acknowledged(tmp_path: Path) -> None:
    paths = owners(tmp_path, 3)
    requests = read_requests(gathered(tmp_path / "in", paths))
    out = tmp_path / "out"
    with pytest.raises(ToleranceError, match="at least 4 validators") as caught:
        create(out, requests, network="n")
    assert caught.value.missing == ("no_fault_tolerance",)
    with pytest.raises(ToleranceError, match="at least 10 validators"):
        create(out, requests, network="n", quorum=(9, 10), acknowledged=["n1", "n2", "n3"])
    with pytest.raises(ToleranceError, match="unanimity"):
        create(out, requests, network="n", quorum=(1, 1))
    with pytest.raises(CeremonyError, match="no validator 'x'"):
        create(out, requests, network="n", acknowledged=["no_fault_tolerance", "x"])
    assert not out.exists()
    create(out, requests, network="n", acknowledged=["no_fault_tolerance"])
    with pytest.raises(ToleranceError):
        join(paths[0], out)
    made = join(paths[0], out, acknowledged=["no_fault_tolerance"])
    assert load(made.config).node.acknowledged == ("no_fault_tolerance",)


def test_a_validator_that_cannot_be_missed_is_refused_unless_named(tmp_path: Path) -> None:
    requests = read_requests(gathered(tmp_path / "in", owners(tmp_path)))
    weights = {"n2": 3}
    with pytest.raises(ToleranceError, match=r"n2 \(weight 3\)") as caught:
        create(tmp_path / "out", requests, network="n", weights=weights)
    assert caught.value.missing == ("n2",)
    with pytest.raises(ToleranceError):
        create(tmp_path / "out", requests, network="n", weights=weights, acknowledged=["n1"])
    with pytest.raises(CeremonyError, match="no validator 'n7' to give a weight"):
        create(tmp_path / "out", requests, network="n", weights={"n7": 3})
    created = create(tmp_path / "out", requests, network="n", weights=weights, acknowledged=["n2"])
    validators = core.decode_json(core.genesis_to_json(created.genesis))["v1"]["validators"]
    assert [one["weight"] for one in validators["v1"]["validators"]] == [1, 3, 1, 1]


@pytest.mark.parametrize(("count", "kind"), [(3, "development"), (1, "main")])
def test_solo_and_development_need_no_acknowledgement(
    tmp_path: Path, count: int, kind: str
) -> None:
    paths = owners(tmp_path, count)
    create(
        tmp_path / "out", read_requests(gathered(tmp_path / "in", paths)), network="n", kind=kind
    )
    join(paths[0], tmp_path / "out")


def test_a_node_starts_only_with_what_its_owner_acknowledged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = owners(tmp_path, 3)
    public, names = tmp_path / "public", ["no_fault_tolerance"]
    requests = read_requests(gathered(tmp_path / "in", paths))
    create(public, requests, network="n", kind="test", acknowledged=names)
    made = join(paths[0], public, api_port=free_port(), acknowledged=names)
    text = made.config.read_text()
    line = 'acknowledged = ["no_fault_tolerance"]\n'
    made.config.write_text(text.replace(line, ""))
    assert line in text
    assert process.run(made.config) == process.EXIT_USAGE
    said = capsys.readouterr().err
    assert "no validator may be down" in said
    assert 'add "no_fault_tolerance" to node.acknowledged' in said


def test_later_sets_were_acknowledged_by_vote() -> None:
    validators = [{"name": "a", "weight": 1}, {"name": "b", "weight": 1}]
    fields: dict[str, Any] = {
        "engine": "pbft",
        "validators": validators,
        "quorum_numerator": 0,
        "quorum_denominator": 1,
    }
    genesis = {"kind": "main", "validators": {"v1": fields}}
    with pytest.raises(ToleranceError):
        tolerance.check(genesis)
    tolerance.check(genesis, epoch=1)


def test_a_heavy_organisation_is_named(tmp_path: Path) -> None:
    (path,) = owners(tmp_path, 1)
    for number in (2, 3):
        make_request(
            tmp_path / f"owner{number}",
            name=f"n{number}",
            organisation="o1",
            address=None,
            authority=path / "authority",
        )
    owners(tmp_path / "more", 1)
    make_request(tmp_path / "owner9", name="n9", organisation="o9", address=None)
    paths = [tmp_path / f"owner{number}" for number in (1, 2, 3, 9)]
    created = create(
        tmp_path / "out", read_requests(gathered(tmp_path / "in", paths)), network="n"
    )
    assert created.heavy == (("o1", 3),)


@pytest.mark.parametrize(
    ("shares", "named"),
    [
        ([1, 1, 1, 1], []),
        ([2, 1, 1], ["0"]),
        ([2, 2, 2, 1], []),
        ([3, 2, 1, 1], ["0"]),
        ([1], []),
        ([2, 1], []),
    ],
)
def test_heavy_organisations(shares: list[int], named: list[str]) -> None:
    weights = [(str(index), 1) for index, share in enumerate(shares) for _ in range(share)]
    found = heavy(weights, quorum(sum(shares)))
    assert [name for name, _ in found] == named


def test_join_refuses_a_genesis_without_this_node(tmp_path: Path) -> None:
    paths = owners(tmp_path)
    public = tmp_path / "public"
    create(public, read_requests(gathered(tmp_path / "in", paths)), network="n")
    make_request(tmp_path / "stranger", name="n1", organisation="o1", address=None)
    with pytest.raises(CeremonyError, match="does not list your authority"):
        join(tmp_path / "stranger", public)
    second = tmp_path / "second"
    make_request(
        second, name="n9", organisation="o1", address=None, authority=paths[0] / "authority"
    )
    with pytest.raises(CeremonyError, match="does not name your validator"):
        join(second, public)
    join(paths[0], public)
    with pytest.raises(FileError, match="exists and is not overwritten"):
        join(paths[0], public)


def governing(number: int) -> bytes:
    """A key whose account votes."""
    return core.SigningKey.generate(core.Algorithm.ED25519, bytes([number]) * 32).public_key


def test_the_genesis_names_the_accounts_that_vote(tmp_path: Path) -> None:
    paths = []
    for number in range(1, 5):
        path = tmp_path / f"owner{number}"
        make_request(
            path,
            name=f"n{number}",
            organisation=f"o{number}",
            address=Address("127.0.0.1", 9000 + number),
            governance=governing(number) if number < 4 else None,
        )
        paths.append(path)
    requests = read_requests(gathered(tmp_path / "in", paths))
    created = create(tmp_path / "public", requests, network="n")
    genesis = core.decode_json(core.genesis_to_json(created.genesis))["v1"]
    voices = {one["name"]: one["governance"] for one in genesis["organisations"]}
    opened = {one["address"] for one in genesis["accounts"]}
    assert voices.pop("o4") is None
    assert set(voices.values()) <= opened
    # Three of four can change everything; with two of them nothing could be changed any more.
    assert created.voiceless == ()
    silent = [replace(one, governance=None) for one in requests[:2]] + requests[2:]
    assert create(tmp_path / "other", silent, network="n").voiceless == ("o1", "o2", "o4")


def test_an_organisation_has_one_voice_and_shares_it_with_no_other(tmp_path: Path) -> None:
    requests = read_requests(gathered(tmp_path / "in", owners(tmp_path, 4)))
    shared = [replace(one, governance=governing(1)) for one in requests]
    with pytest.raises(CeremonyError, match="the same governance key"):
        create(tmp_path / "public", shared, network="n")
    one = replace(requests[0], governance=governing(1))
    other = replace(
        requests[1],
        organisation=one.organisation,
        authority=one.authority,
        governance=governing(2),
    )
    with pytest.raises(CeremonyError, match="two governance keys"):
        create(tmp_path / "public", [one, other, *requests[2:]], network="n")


def test_who_is_not_in_the_genesis_joins_by_vote_only(tmp_path: Path) -> None:
    founders = owners(tmp_path)
    public = tmp_path / "public"
    create(public, read_requests(gathered(tmp_path / "in", founders)), network="n")
    (late,) = owners(tmp_path / "late", 1)
    document = json.loads((late / "request.json").read_text())
    assert document["vote_key"] is not None
    with pytest.raises(CeremonyError, match="does not list your authority"):
        join(late, public)
    made = join(late, public, by_vote=True)
    settings = load(made.config)
    assert settings.network.trust == late / "authority.pem"
    assert settings.node.validator_key == late / "validator.key"
    assert len(settings.network.seeds) == 3  # its own name stands in the list of members too
