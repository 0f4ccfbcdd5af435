"""Two of four real processes are lost for good; those who remain go on from the end."""

import contextlib
import json
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from bubi_sdk import Client, Digest, TransactionBuilder
from bubi_sdk.errors import BubiError, OutcomeUnknown
from bubi_sdk.keystore import Cost, KeystoreSigner
from network import command, environment, get, wait_for

from bubi.gateway.index import check, database
from tests.browser import browse
from tests.gateway.gateways import RunningGateway
from tests.ports import free_port

PATIENCE = 240.0
BROWSER_SECONDS = 600
pytestmark = pytest.mark.timeout(1_800)
"""Two networks are founded and started before the first test, which takes long when busy."""
OWNERS = ("a", "b", "c", "d")
REMAIN = ("a", "b")
COST = Cost(n=1 << 12, r=8, p=1)
PASSWORD = "only for this test"


class Member:
    """An organisation's folder of one era, and its node."""

    def __init__(self, folder, owner):
        self.folder = folder
        self.owner = owner
        self.url = f"http://127.0.0.1:{free_port()}"
        self.process = None

    def start(self):
        with (self.folder / "out.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "bubi", "node", "run", str(self.folder)],
                stdout=log,
                stderr=log,
                env=environment(),
            )

    def ready(self):
        assert self.process.poll() is None, (self.folder / "out.log").read_text()
        with contextlib.suppress(httpx.HTTPError):
            return get(f"{self.url}/health").status_code == 200
        return False

    def end(self, how=signal.SIGTERM):
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(PATIENCE)
            self.process = None

    def get(self, path):
        return get(f"{self.url}{path}")


def said(*arguments, stdin="", status=0):
    done = command(*arguments, "--json", stdin=stdin)
    assert done.status == status, (arguments, done.out, done.err)
    return done.json


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """A governance key per organisation, and that of a customer."""
    folder = tmp_path_factory.mktemp("keys")
    return {
        name: (folder / name, KeystoreSigner.create(folder / name, PASSWORD, cost=COST))
        for name in (*OWNERS, "customer")
    }


def requested(folder, owner, keys, *more):
    member = Member(folder, owner)
    said(
        "network", "request", folder, "--name", f"node-{owner}", "--organisation", f"Bank {owner}",
        "--address", f"127.0.0.1:{free_port()}", "--governance", keys[owner][0],
        *more,
    )  # fmt: skip
    return member


def each(act, *items):
    """Does this for each in a thread of its own; what came of it, in their order."""
    with ThreadPoolExecutor(len(items[0])) as pool:
        return list(pool.map(act, *items))


def gather(folder, members):
    folder.mkdir()
    for member in members:
        shutil.copyfile(member.folder / "request.json", folder / f"{member.owner}.json")
    return folder


def join(member, public, *more):
    port = member.url.rpartition(":")[2]
    return command(
        "network", "join", member.folder, "--network", public, "--api-port", port, "--json", *more
    )


@pytest.fixture(scope="module")
def old(tmp_path_factory, keys):
    """A network of four that has decided things, and is stopped; two of its folders are gone."""
    folder = tmp_path_factory.mktemp("old")
    customer = keys["customer"][1].public_key
    account = f"ed25519:{customer.raw.hex()}"
    members = each(
        lambda owner: requested(folder / owner, owner, keys, "--account", account), OWNERS
    )
    public = folder / "public"
    said(
        "network", "create", "--requests", gather(folder / "in", members), "--out", public,
        "--kind", "test", "--name", "Era",
    )  # fmt: skip
    assert [one.status for one in each(lambda member: join(member, public), members)] == [0] * 4
    try:
        for member in members:
            member.start()
        for member in members:
            wait_for(member.ready, PATIENCE)
        facts = business(members[0], keys)
        heights = lambda: {one.get("/v1/network").json()["height"] for one in members}  # noqa: E731
        wait_for(lambda: len(heights()) == 1, PATIENCE)
        for member in members[2:]:
            member.end(signal.SIGKILL)
            shutil.rmtree(member.folder)
        facts["stuck"] = stuck(members[0], keys)
    finally:
        for member in members:
            member.end()
    return {"members": members[:2], "public": public, **facts}


def customer_of(member, keys):
    signer = keys["customer"][1]
    with Client(member.url) as first:
        identity = first.network()
    return identity, signer, identity.address(signer.public_key)


def transact(member, keys, add, within=PATIENCE):
    """A transaction of the customer, and its outcome."""
    identity, signer, address = customer_of(member, keys)
    builder = TransactionBuilder(identity, address)
    add(builder, identity)
    transaction = builder.build()
    with Client(member.url, identity) as client:
        return transaction, client.submit_and_wait(transaction.sign(signer), within=within)


def business(member, keys):
    """An asset, a holding, a data entry and a record; the proof of the last of them."""
    holder = keys["a"][1].public_key

    def first(builder, identity):
        asset = identity.asset_id(keys["customer"][1].public_key, "EUR")
        builder.create_asset("EUR", "Euro").issue(asset, holder, 1_000)
        builder.set_data("note", b"before").create_namespace("deeds")

    def second(builder, identity):
        space = identity.namespace_id("deeds")
        builder.put_record(space, "deed-1", Digest.of(b"deed"))

    transact(member, keys, first)[1].raise_for_status()
    transaction, outcome = transact(member, keys, second)
    outcome.raise_for_status()
    identity, _signer, address = customer_of(member, keys)
    with Client(member.url, identity) as client:
        proven = client.transaction(transaction.hash, proof=True)
    return {
        "asset": identity.asset_id(address, "EUR").hex(),
        "space": identity.namespace_id("deeds").hex(),
        "customer": identity.text(address),
        "holder": identity.text(holder),
        "transaction": transaction.hash.hex(),
        "receipt": proven.data["proof"],
    }


def stuck(member, keys):
    """A transaction that two of four can never decide."""
    identity, signer, address = customer_of(member, keys)
    transaction = TransactionBuilder(identity, address).set_data("stuck", b"1").build()
    with Client(member.url, identity) as client:
        with pytest.raises(OutcomeUnknown):
            client.submit_and_wait(transaction.sign(signer), within=3)
        assert client.transaction(transaction.hash).status.value == "pending"
    return transaction, signer


@pytest.fixture(scope="module")
def era(tmp_path_factory, keys, old):
    """The new era, signed off and running."""
    folder = tmp_path_factory.mktemp("new")
    ends = each(
        lambda one: said(
            "network", "era", "export", one.folder, "--out", folder / f"end-{one.owner}"
        ),
        old["members"],
    )
    best = max(range(len(ends)), key=lambda place: ends[place]["height"])
    members = each(
        lambda one: requested(
            folder / one.owner, one.owner, keys, "--authority", one.folder / "authority"
        ),
        old["members"],
    )
    public = folder / "public"
    made = said(
        "network", "era", "create", "--from", folder / f"end-{REMAIN[best]}",
        "--requests", gather(folder / "in", members), "--out", public,
        "--acknowledge", "no_fault_tolerance",
    )  # fmt: skip
    found = {"members": members, "public": public, "made": made, "end": ends[best]}
    refused = join(members[0], public, "--acknowledge", "no_fault_tolerance")
    assert (refused.status, refused.json["error"]["code"]) == (1, "sign_off_missing")
    each(
        lambda one: said(
            "network", "era", "approve", public, "--node", one.folder, "--as", keys[one.owner][0],
            "--password-stdin", stdin=PASSWORD + "\n",
        ),
        old["members"],
    )  # fmt: skip
    trust = old["members"][0].folder / "trust.json"
    found["shown"] = said("network", "era", "show", public, "--trust", trust)
    joined = each(lambda one: join(one, public, "--acknowledge", "no_fault_tolerance"), members)
    assert [one.status for one in joined] == [0, 0], [one.err for one in joined]
    try:
        for member in members:
            member.start()
        for member in members:
            wait_for(member.ready, PATIENCE)
        yield found
    finally:
        for member in members:
            member.end()


def test_everything_goes_on_under_a_new_chain_id(old, era, keys):
    member = era["members"][0]
    network = member.get("/v1/network").json()
    assert network["chain_id"] == era["made"]["chain_id"] == era["shown"]["chain_id"]
    assert era["shown"]["complete"]
    assert era["shown"]["old_votes_checked"]
    assert era["shown"]["predecessor"] == era["made"]["predecessor"] != network["chain_id"]
    assert {one["name"] for one in member.get("/v1/validators").json()["items"]} == {
        "node-a",
        "node-b",
    }
    holding = member.get(f"/v1/accounts/{old['holder']}/balances/{old['asset']}").json()
    assert holding["value"]["v1"]["balance"] == "1000"
    entry = member.get(f"/v1/accounts/{old['customer']}/data/note").json()
    assert bytes.fromhex(entry["value"]["v1"]["value"]) == b"before"
    assert member.get(f"/v1/namespaces/{old['space']}/records/deed-1").status_code == 200
    # The old chain id is in the signatures of what was never decided: it is nothing here.
    transaction, signer = old["stuck"]
    with Client(member.url) as client, pytest.raises(BubiError):
        client.submit(transaction.sign(signer))


def test_receipts_of_each_era_are_proven_by_its_own_trust_file(old, era, keys, tmp_path):
    transaction, outcome = transact(
        era["members"][1], keys, lambda builder, _: builder.set_data("note", b"after")
    )
    outcome.raise_for_status()
    identity, _signer, _address = customer_of(era["members"][1], keys)
    with Client(era["members"][1].url, identity) as client:
        after = client.transaction(transaction.hash, proof=True).data["proof"]
    files = {"before": old["receipt"], "after": after}
    for name, proof in files.items():
        (tmp_path / name).write_text(proof)
    trust = {
        "before": old["members"][0].folder / "trust.json",
        "after": era["members"][0].folder / "trust.json",
    }
    for proof in files:
        for other, path in trust.items():
            done = command("proof", "verify", tmp_path / proof, "--trust", path, "--json")
            assert (done.status, done.json["valid"]) == (
                (0, True) if proof == other else (1, False)
            )
            named = era["made"]["predecessor"] if other == "after" else None
            assert done.json.get("predecessor") == named
    zh = command("--lang", "zh", "proof", "verify", tmp_path / "before", "--trust", trust["after"])
    assert era["made"]["predecessor"] in zh.err.replace("\n", "")


def test_a_node_rebuilds_its_state_from_the_end_and_the_log(era, keys):
    member, other = era["members"]
    transact(other, keys, lambda builder, _: builder.set_data("more", b"1"))[1].raise_for_status()
    member.end()
    shutil.rmtree(member.folder / "ledger" / "state")
    member.start()
    wait_for(member.ready, PATIENCE)
    transact(member, keys, lambda builder, _: builder.set_data("more", b"2"))[1].raise_for_status()
    state = lambda one: one.get("/v1/network").json()["state_root"]  # noqa: E731
    wait_for(lambda: state(member) == state(other), PATIENCE)


def test_a_gateway_shows_what_was_there_and_what_comes(old, era, keys, tmp_path):
    member = era["members"][0]
    transact(member, keys, lambda builder, _: builder.set_data("more", b"3"))[1].raise_for_status()
    height = int(member.get("/v1/network").json()["height"])
    more = '\npredecessor = "http://127.0.0.1:8700/"\n'
    gateway, fresh = (RunningGateway(tmp_path / name, member.url, more=more) for name in "ab")
    try:
        gateway.start()
        gateway.reach(height)
        before = gateway.get("/network")["predecessor"]
        assert before["chain_id"] == era["made"]["predecessor"]
        assert (before["height"], before["url"]) == (
            str(era["end"]["height"]),
            "http://127.0.0.1:8700",
        )
        (holding,) = gateway.get(f"/accounts/{old['holder']}/holdings")["items"]
        assert (holding["asset"]["id"], holding["balance"]) == (old["asset"], "1000")
        assert (holding["since"], holding["asset"]["code"]) == ("0", "EUR")
        record = gateway.get(f"/records/{old['space']}/deed-1")
        assert (record["height"], record["transaction"]) == ("0", None)
        path = f"/accounts/{old['customer']}/data"
        first = {one["name"]: one["value"] for one in gateway.get(path, height=0)["items"]}
        assert first == {"note": b"before".hex()}
        assert gateway.get(path)["items"][0]["value"] == b"3".hex()
        left = {
            "chain": before["chain_id"],
            "height": before["height"],
            "url": before["url"],
            "account": old["holder"],
            "asset": "EUR",
        }
        settings = {"BUBI_GATEWAY_URL": gateway.url, "BUBI_PREDECESSOR": json.dumps(left)}
        browse("era", settings, BROWSER_SECONDS)
        # Nothing of the file of the old chain stays behind.
        assert not [one for one in gateway.folder.iterdir() if one.name.startswith("inheritance")]
        fresh.start()
        fresh.reach(height)
        wait_for(lambda: same_index(gateway.folder, fresh.folder), PATIENCE)
    finally:
        gateway.close()
        fresh.close()


def same_index(*folders):
    """Whether these indexes are at one height; then they must hold the same."""
    found = []
    for folder in folders:
        engine = database.connect(folder / "index.sqlite")
        found.append(check.check(engine))
        engine.dispose()
    one, two = found
    if one.height != two.height:
        return False
    assert one.tables == two.tables
    return True


def test_the_old_ledger_answers_as_an_archive(old):
    member = old["members"][0]
    config = member.folder / "config.toml"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace('validator_key = "validator.key"\n', ""), encoding="utf-8")
    try:
        member.start()
        wait_for(lambda: member.get(f"/v1/transactions/{old['transaction']}").status_code == 200
                 if member.ready() or _answers(member) else False, PATIENCE)  # fmt: skip
        found = member.get(f"/v1/transactions/{old['transaction']}").json()
        assert found["status"] == "final"
    finally:
        member.end()
        config.write_text(text, encoding="utf-8")


def _answers(member):
    with contextlib.suppress(httpx.HTTPError):
        return get(f"{member.url}/v1/network").status_code == 200
    return False


def test_a_changed_end_and_a_foreign_sign_off_are_refused(old, era, keys, tmp_path):
    public = tmp_path / "public"
    shutil.copytree(era["public"], public)
    end = public / "inheritance"
    data = bytearray(end.read_bytes())
    data[-100] ^= 1
    end.write_bytes(data)
    done = command("network", "era", "show", public, "--json")
    assert (done.status, done.json["error"]["code"]) == (1, "damaged")
    end.write_bytes(era["public"].joinpath("inheritance").read_bytes())
    (file, *_others) = (public / "approvals").iterdir()
    document = json.loads(file.read_text())
    document["organisation"] = "Bank c"
    file.write_text(json.dumps(document))
    done = command("network", "era", "show", public, "--json")
    assert (done.status, done.json["error"]["code"]) == (1, "sign_off_invalid")
    file.unlink()
    assert not said("network", "era", "show", public, status=1)["complete"]
    # Nobody else's key signs for an organisation.
    done = command(
        "network", "era", "approve", public, "--node", old["members"][0].folder,
        "--as", keys["customer"][0], "--password-stdin", "--json", stdin=PASSWORD + "\n",
    )  # fmt: skip
    assert (done.status, done.json["error"]["code"]) == (1, "not_voter")
