"""Proposals and votes by the command, on a development network."""

import itertools
import secrets
import threading
import time

from bubi_sdk import Client, TransactionBuilder
from bubi_sdk.errors import BubiError
from bubi_sdk.keystore import KeystoreSigner
from network import command, get, wait_for

PATIENCE = 240.0


class Governed:
    """What organisations do with a network (`network.Net`); `voters` are their accounts."""

    def __init__(self, net, voters):
        self.net = net
        self.voters = list(voters)
        password = (net.folder / "accounts" / "password").read_text(encoding="utf-8").strip()
        self._password = password
        accounts = command("status", "--data", net.folder, "--json").json["accounts"]
        self.accounts = {
            one["name"]: (one["address"], KeystoreSigner.open(one["keystore"], password))
            for one in accounts
        }
        with Client(self.url) as first:
            self.identity = first.network()

    @property
    def url(self):
        return next(iter(self.net.nodes.values()))["url"]

    def said(self, *arguments):
        """The object that a command printed, which must have ended well."""
        done = self.net.command(*arguments, "--json")
        assert done.status == 0, (arguments, done.out, done.err)
        return done.json

    def open_account(self, name, algorithm="ed25519"):
        """Opens an account that `act` knows from then on; the path of its keystore."""
        made = self.said("account", "create", name, "--algorithm", algorithm)
        signer = KeystoreSigner.open(made["keystore"], self._password)
        self.accounts[name] = (made["address"], signer)
        return made["keystore"]

    def act(self, name, add):
        """A transaction of an account; its hash holds the ids that it makes."""
        address, signer = self.accounts[name]
        builder = TransactionBuilder(self.identity, address)
        add(builder)
        transaction = builder.build()
        with Client(self.url, self.identity) as client:
            outcome = client.submit_and_wait(transaction.sign(signer), within=PATIENCE)
        return transaction, outcome

    def propose(self, *changes, acknowledged=(), by=None, days=1.0):
        """Opens a proposal; its id, or the code with which it is refused."""
        expires = int((time.time() + days * 86_400) * 1000)

        def add(builder):
            builder.propose(*changes, expires=expires, acknowledged=acknowledged)

        transaction, outcome = self.act(by or self.voters[0], add)
        return transaction.proposal_id().hex() if outcome.final else outcome.code

    def vote(self, proposal, *voters, approve=True):
        for voter in voters:
            _, outcome = self.act(voter, lambda builder: builder.vote(proposal, approve))
            outcome.raise_for_status()

    def show(self, proposal):
        return get(f"{self.url}/v1/proposals/{proposal}").json()

    def enact(self, *changes, acknowledged=(), voters=None):
        """Proposes, votes, and waits until it is in force; what is shown of it then."""
        proposal = self.propose(*changes, acknowledged=acknowledged)
        self.vote(proposal, *(voters or self.voters[:3]))
        return self.in_force(proposal)

    def enact_by_command(self, *options):
        """Proposes what the options of `bubi governance propose` say, votes, and waits."""
        proposed = self.said("governance", "propose", *options, "--as", self.voters[0])
        self.vote(proposed["proposal"], *self.voters[:3])
        return self.in_force(proposed["proposal"])

    def in_force(self, proposal):
        """Waits until a proposal is in force at every node."""
        for node in self.net.nodes.values():
            url = f"{node['url']}/v1/proposals/{proposal}"
            wait_for(
                lambda url=url: get(url).json().get("state") == "active",
                PATIENCE,
            )
        return self.show(proposal)


class Load:
    """Transactions of some clients, to each node in turn, each until its outcome is known."""

    def __init__(self, net, clients=2):
        self.net = net
        self.outcomes = []
        self.failures = []
        self.longest = 0.0
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(number,), daemon=True)
            for number in range(clients)
        ]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()

    def _run(self, number):
        urls = itertools.cycle([one["url"] for one in self.net.nodes.values()])
        with Client(next(iter(self.net.nodes.values()))["url"]) as first:
            identity = first.network()
        while not self._stop.is_set():
            began = time.monotonic()
            builder = TransactionBuilder(identity, self.net.address)
            envelope = builder.set_data(f"load{number}", secrets.token_bytes(4)).build()
            try:
                with Client(next(urls), identity) as client:
                    signed = envelope.sign(self.net.signer)
                    outcome = client.submit_and_wait(signed, within=PATIENCE)
                self.outcomes.append((envelope.hash.hex(), outcome))
            except BubiError as error:
                self.failures.append(error)
            self.longest = max(self.longest, time.monotonic() - began)
