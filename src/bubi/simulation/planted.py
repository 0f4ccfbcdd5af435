"""The bugs that are planted in copies of the package (research/reliability.md 6.3).

Each stands for a mistake that was made in some system of this kind. `find` must stand exactly once
in the file; whoever changes that line moves the bug along.
"""

from dataclasses import dataclass

HEIGHT = "consensus/height.py"
PBFT = "consensus/pbft.py"
RAFT = "consensus/raft.py"
PAXOS = "consensus/paxos.py"
DRIVER = "consensus/driver.py"
GUARD = "consensus/guard.py"
VOTES = "consensus/votes.py"
REPLICA = "replica/replica.py"
SYNC = "sync.py"
BATCHES = "dissemination.py"


@dataclass(frozen=True, slots=True)
class Planted:
    """A bug: where it goes and what it does."""

    name: str
    file: str
    find: str
    replace: str
    engine: str = "pbft"


CANARY = Planted(
    "canary",
    DRIVER,
    "    run = _Run(engine, state.copied())\n",
    "    run = _Run(engine, state.copied())\n    raise RuntimeError\n",
)
"""Always fails: proves that the hunt can."""

PLANTED: tuple[Planted, ...] = (
    # --- driver and guard ------------------------------------------------------------------------
    Planted(
        "send_before_persist",
        DRIVER,
        "        if state.dirty or state.held or state.decided or state.syncing is not None:\n",
        "        if state.height < 0:\n",
    ),
    Planted(
        "guard_record_not_written",
        DRIVER,
        "                self.actions.append(Append(GUARD_RECORD, event.request.height, data))\n",
        "",
    ),
    Planted(
        "released_by_any_sync",
        DRIVER,
        "        if not state.dirty and not state.decided:\n",
        "        if state.height:\n",
    ),
    Planted(
        "guard_allows_everything",
        GUARD,
        "    if reason is None:\n        return Sign(request)\n    for record",
        "    if state.entries is not None:\n        return Sign(request)\n    for record",
    ),
    Planted(
        "guard_forgotten_on_restart",
        GUARD,
        "    if mirror is not None and not records:\n        return remember(state, mirror)\n"
        "    return state\n",
        "    return GuardState()\n",
    ),
    Planted(
        "guard_compares_heights_only",
        GUARD,
        "    if request.height == last.height and _place(request) <= _place(last):\n",
        "    if request.height < last.height and _place(request) <= _place(last):\n",
    ),
    Planted(
        "votes_of_restart_not_told",
        DRIVER,
        "        votes = guards.signed_at(state.guard, height)\n",
        "        votes: tuple[Any, ...] = ()\n",
    ),
    # --- quorums and certificates ----------------------------------------------------------------
    Planted(
        "quorum_by_float",
        "consensus/quorum.py",
        "    return max(2 * total // 3 + 1, asked)\n",
        "    return max(int(2 / 3 * total), asked)\n",
    ),
    Planted(
        "prepared_with_one_vote_less",
        PBFT,
        "        return weight >= state.configuration.quorum\n",
        "        return weight >= state.configuration.quorum - 1\n",
    ),
    Planted(
        "decided_with_one_vote_less",
        PBFT,
        "            if weight >= state.configuration.quorum:\n                self._decide(request)\n"
        "        elif weight and",
        "            if weight >= state.configuration.quorum - 1:\n"
        "                self._decide(request)\n        elif weight and",
    ),
    Planted(
        "certificate_mixes_statements",
        VOTES,
        "            if vote.request != request:\n                continue\n",
        "",
    ),
    Planted(
        "certificate_of_a_minority_accepted",
        VOTES,
        "    if weight_of(configuration, members) < configuration.quorum:\n",
        "    if weight_of(configuration, members) < 1:\n",
    ),
    Planted(
        "w_for_a_certificate",
        VOTES,
        "    if weight_of(configuration, members) < configuration.quorum:\n",
        "    if weight_of(configuration, members) <= configuration.total - configuration.quorum:\n",
    ),
    Planted(
        "duplicate_signers_counted",
        VOTES,
        "    if any(low >= high for low, high in",
        "    if any(low > high for low, high in",
    ),
    Planted(
        "signatures_in_certificates_unchecked",
        VOTES,
        "        if not signatures.verify(configuration, VoteMessage(member, request, signature)):\n",
        "        if member < 0:\n",
    ),
    Planted(
        "phases_counted_together",
        VOTES,
        "        key = (request.round, request.phase)\n        tally = self.tallies.get(key, EMPTY)\n",
        "        key = (request.round, Phase.FIRST)\n        tally = self.tallies.get(key, EMPTY)\n",
    ),
    # --- view change -----------------------------------------------------------------------------
    Planted(
        "lock_forgotten_on_timeout",
        HEIGHT,
        "        self._enter(round_, Mode.CHANGING)\n",
        "        self._enter(round_, Mode.CHANGING)\n        state.prepared = None\n",
    ),
    Planted(
        "lock_on_lower_round",
        PBFT,
        "        self.state.prepared = prepared\n",
        "        self.state.prepared = self.state.prepared or prepared\n",
    ),
    Planted(
        "w_for_a_new_view",
        PBFT,
        "            or weight_of(configuration, members) < configuration.quorum\n",
        "            or weight_of(configuration, members)"
        " <= configuration.total - configuration.quorum\n",
    ),
    Planted(
        "stale_timer_stays",
        HEIGHT,
        "        for kind in sorted(state.armed):\n            self._disarm(kind)\n"
        "        if round_ != state.round:\n",
        "        if round_ != state.round:\n",
    ),
    Planted(
        "lowest_prepared_taken",
        PBFT,
        "    return max(some, key=lambda",
        "    return min(some, key=lambda",
    ),
    Planted(
        "new_view_not_recomputed",
        PBFT,
        '                holds = chosen is not None and chosen[0] in {b"", digest}\n',
        "                holds = True\n",
    ),
    Planted(
        "new_leader_ignores_prepared",
        PBFT,
        "        best = _highest(change.carried for _, change in chosen)\n",
        "        best = None\n",
    ),
    Planted(
        "view_change_without_quorum",
        HEIGHT,
        "        if here >= configuration.quorum and self._leads():\n",
        "        if here >= 1 and self._leads():\n",
    ),
    Planted(
        "new_view_of_a_minority_accepted",
        PBFT,
        "            or weight_of(configuration, members) < configuration.quorum\n",
        "",
    ),
    Planted(
        "round_of_prepared_unchecked",
        PBFT,
        "        if prepared.round >= round_:\n",
        "        if prepared.round < 0:\n",
    ),
    Planted(
        "change_timer_gives_up",
        HEIGHT,
        "        if timer.kind in {PROGRESS, CHANGE}:\n",
        "        if timer.kind == PROGRESS:\n",
    ),
    Planted(
        "nothing_sent_again",
        HEIGHT,
        "        self.effects += state.own\n",
        "",
    ),
    Planted(
        "leader_of_the_round_unchecked",
        HEIGHT,
        "            and self.state.configuration.leader(request.round) == vote.validator\n",
        "",
    ),
    Planted(
        "prepared_certificate_not_recorded",
        HEIGHT,
        "            self.effects.append(Persist(PREPARED_RECORD, state.height, "
        "encode_prepared(prepared)))\n",
        "            pass\n",
    ),
    Planted(
        "accepted_proposal_not_recorded",
        HEIGHT,
        "            self.effects.append(Persist(PROPOSAL_RECORD, state.height, "
        "encode_accepted(accepted)))\n",
        "",
    ),
    Planted(
        "prepared_lost_on_restart",
        PBFT,
        "        self.state.prepared = prepared\n",
        "        pass\n",
    ),
    Planted(
        "commit_vote_before_execution",
        PBFT,
        "        if known.outcome is None or state.committing or state.configuration.own is None:\n"
        "            return\n",
        "        if state.committing or state.configuration.own is None:\n            return\n"
        "        known = replace(known, outcome=known.outcome or bytes(32))\n",
    ),
    # --- raft ------------------------------------------------------------------------------------
    Planted(
        "raft_votes_of_a_quorum_unchecked",
        RAFT,
        "        if not (follows or newer) or not self._is_quorum(request, votes):\n",
        "        if not (follows or newer):\n",
        "raft",
    ),
    Planted(
        "raft_claims_unproven",
        RAFT,
        "        if not all(_covers(place, ballot.claim) for ballot in election.ballots):\n",
        "        if not election.ballots:\n",
        "raft",
    ),
    Planted(
        "raft_ballots_unverified",
        RAFT,
        "        if not all(self._is_ballot(ballot, request.round) for ballot in election.ballots):\n",
        "        if not election.ballots:\n",
        "raft",
    ),
    Planted(
        "raft_elected_by_a_minority",
        RAFT,
        "            or weight_of(configuration, members) < configuration.quorum\n",
        "",
        "raft",
    ),
    Planted(
        "raft_ballots_counted_several_times",
        RAFT,
        "            any(low >= high_ for low, high_ in itertools.pairwise(members))\n",
        "            any(low > high_ for low, high_ in itertools.pairwise(members))\n",
        "raft",
    ),
    # Votes of a quorum that hold make their entry safe all the same; it is the order of the proof
    # by induction that breaks.
    Planted(
        "raft_high_of_a_later_term",
        RAFT,
        "            or (high is not None and high.term >= request.round)\n",
        "",
        "raft",
    ),
    Planted(
        "raft_high_of_a_minority",
        RAFT,
        "        return self._is_quorum(appended, high.votes)\n",
        "        return bool(appended)\n",
        "raft",
    ),
    Planted(
        "raft_lock_not_claimed",
        RAFT,
        "        below = lock is not None and lock.round < round_\n",
        "        below = lock is not None and round_ < 0\n",
        "raft",
    ),
    Planted(
        "raft_leader_ignores_the_highest",
        RAFT,
        "        high = state.high\n        if high is not None and high.round",
        "        high: Prepared | None = None\n        if high is not None and high.round",
        "raft",
    ),
    Planted(
        "raft_entry_not_passed_on",
        RAFT,
        "        if lock is not None and leader != configuration.own:\n",
        "        if lock is not None and leader < 0:\n",
        "raft",
    ),
    Planted(
        "raft_quorum_of_another_term_kept",
        RAFT,
        "        self.state.quorum = None\n",
        "        pass\n",
        "raft",
    ),
    Planted(
        "raft_second_entry_of_a_term",
        RAFT,
        "            if self._is_open(message.signed):\n",
        "            if message.proposal:\n",
        "raft",
    ),
    Planted(
        "raft_votes_to_the_leader_lost",
        RAFT,
        "            self._say(vote, state.configuration.leader(state.round))\n",
        "            pass\n",
        "raft",
    ),
    # --- paxos -----------------------------------------------------------------------------------
    Planted(
        "paxos_1c_of_a_ballot_that_is_over",
        PAXOS,
        "            if self._is_open(message.signed):\n",
        "            if message.proposal:\n",
        "paxos",
    ),
    Planted(
        "paxos_safe_without_the_first_condition",
        PAXOS,
        "        if not all(_allows(promise.claim, safe) for promise in proof.promises):\n",
        "        if not proof.promises:\n",
        "paxos",
    ),
    Planted(
        "paxos_safe_with_another_value_in_the_ballot",
        PAXOS,
        "(claim.ballot < safe[0] or claim.place == safe)\n",
        "claim.ballot <= safe[0]\n",
        "paxos",
    ),
    Planted(
        "paxos_safe_without_the_second_condition",
        PAXOS,
        "        return self._is_quorum(given, evidence)\n",
        "        return bool(given)\n",
        "paxos",
    ),
    Planted(
        "paxos_1b_unverified",
        PAXOS,
        "        if not all(self._is_promise(promise, request.round) for promise in "
        "proof.promises):\n",
        "        if not proof.promises:\n",
        "paxos",
    ),
    Planted(
        "paxos_phase_1_of_a_minority",
        PAXOS,
        "            or weight_of(configuration, members) < configuration.quorum\n",
        "",
        "paxos",
    ),
    Planted(
        "paxos_1b_counted_several_times",
        PAXOS,
        "            any(low >= high for low, high in itertools.pairwise(members))\n",
        "            any(low > high for low, high in itertools.pairwise(members))\n",
        "paxos",
    ),
    # As with `raft_high_of_a_later_term`.
    Planted(
        "paxos_evidence_of_a_later_ballot",
        PAXOS,
        "            or (evidence is not None and evidence.ballot >= request.round)\n",
        "",
        "paxos",
    ),
    Planted(
        "paxos_last_2b_forgotten_in_a_new_ballot",
        PAXOS,
        "        state.promises = {}\n",
        "        state.promises = {}\n        state.voted = None\n",
        "paxos",
    ),
    Planted(
        "paxos_last_2b_lost_on_restart",
        PAXOS,
        "        self.state.voted = prepared\n",
        "        pass\n",
        "paxos",
    ),
    Planted(
        "paxos_leader_ignores_the_highest",
        PAXOS,
        "        best = max(values, key=lambda value: value.round, default=None)\n",
        "        best: Prepared | None = None\n",
        "paxos",
    ),
    Planted(
        "paxos_leader_takes_the_lowest",
        PAXOS,
        "        best = max(values, key=lambda value: value.round, default=None)\n",
        "        best = min(values, key=lambda value: value.round, default=None)\n",
        "paxos",
    ),
    Planted(
        "paxos_leader_believes_a_claim",
        PAXOS,
        "            if not self._is_proven(value):\n",
        "            if value is None:\n",
        "paxos",
    ),
    Planted(
        "paxos_1b_of_another_ballot_counted",
        PAXOS,
        "            or request.round != state.round\n",
        "",
        "paxos",
    ),
    Planted(
        "paxos_1b_of_an_earlier_ballot_kept",
        PAXOS,
        "        state.promises = {}\n",
        "",
        "paxos",
    ),
    Planted(
        "paxos_2b_with_one_vote_less",
        PAXOS,
        "        return weight >= state.configuration.quorum\n",
        "        return weight >= state.configuration.quorum - 1\n",
        "paxos",
    ),
    Planted(
        "paxos_decided_with_one_vote_less",
        PAXOS,
        "            if weight >= state.configuration.quorum:\n                self._decide(request)\n",
        "            if weight >= state.configuration.quorum - 1:\n"
        "                self._decide(request)\n",
        "paxos",
    ),
    Planted(
        "paxos_2b_before_execution",
        PAXOS,
        "        if known.outcome is None or state.committing or state.configuration.own is None:\n"
        "            return\n",
        "        if state.committing or state.configuration.own is None:\n            return\n"
        "        known = replace(known, outcome=known.outcome or bytes(32))\n",
        "paxos",
    ),
    Planted(
        "paxos_1b_lost",
        PAXOS,
        "        self._say(ProposalMessage(vote, proposal, payload, shown), leader)\n",
        "",
        "paxos",
    ),
    Planted(
        "paxos_2av_lost",
        PAXOS,
        "            )\n        self._say(vote)\n",
        "            )\n",
        "paxos",
    ),
    # --- batches, sync, relay --------------------------------------------------------------------
    Planted(
        "committed_twice",
        REPLICA,
        "        if self._sync.applying is None:\n            self._commit()\n\n    def _commit",
        "        self._commit()\n\n    def _commit",
    ),
    Planted(
        "ordered_batches_forgotten_on_restart",
        REPLICA,
        "        self._batches.restore(event.tip.time, event.ordered, event.batches)\n",
        "        self._batches.restore(event.tip.time, (), event.batches)\n",
    ),
    Planted(
        "nothing_relayed",
        "replica/intake.py",
        "        if route:\n            self._out.append(SendTo(route, envelope))\n",
        "",
    ),
    Planted(
        "work_never_told",
        REPLICA,
        "            self._drive(engines.WorkWaiting(self._height))\n",
        "",
    ),
    Planted(
        "starving_leader_not_suspected",
        BATCHES,
        "        passed = self._passed_over(batches, owed)\n",
        "        passed: bytes | None = None\n",
    ),
    Planted(
        "raft_starving_leader_not_suspected",
        BATCHES,
        "        passed = self._passed_over(batches, owed)\n",
        "        passed: bytes | None = None\n",
        "raft",
    ),
    Planted(
        "paxos_starving_leader_not_suspected",
        BATCHES,
        "        passed = self._passed_over(batches, owed)\n",
        "        passed: bytes | None = None\n",
        "paxos",
    ),
    Planted(
        "height_of_status_ignored",
        REPLICA,
        "            self._sync.claimed(peer, message.height)\n            self._after_sync()\n",
        "            pass\n",
    ),
    Planted(
        "wrong_block_not_fetched_again",
        SYNC,
        "        for other in [key for key, entry in self._arrived.items() if entry.peer == giver]:\n"
        "            self._forget(other)\n",
        "",
    ),
)
