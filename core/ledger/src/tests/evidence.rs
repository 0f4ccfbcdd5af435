//! Evidence: what convicts a member, what does not, and what follows.

use super::world::{public, secret, Seen, World};
use bubi_codec::{
    block::{signed, CommitStatement, Event, VoteStatement},
    domain,
    governance::{Change, Evidence, EvidenceAction as Action, EvidenceRecord, ProposalStatus, Statement},
    identity::ChainId,
    operation::OperationBody as Op,
    state::{key, ParametersV1},
    ResultCode as Code,
};
use bubi_crypto::{Hash, HashSuite, Signature};

/// A vote of the first phase.
fn vote(height: u64, digest: u8) -> VoteStatement {
    let (engine, digest) = ("pbft".to_owned(), Hash([digest; 32]));
    VoteStatement::V1 { epoch: 0, engine, height, round: 1, phase: 3, digest }
}

fn commit(height: u64, digest: u8, outcome: u8) -> CommitStatement {
    let (engine, digest, outcome) = ("pbft".to_owned(), Hash([digest; 32]), Hash([outcome; 32]));
    CommitStatement::V1 { epoch: 0, engine, height, round: 1, digest, outcome }
}

fn sign(chain: &ChainId, member: u8, statement: &Statement) -> Signature {
    let message = match statement {
        Statement::Vote(vote) => signed(domain::FIRST_VOTE, chain, vote),
        Statement::Commit(commit) => signed(domain::COMMIT_VOTE, chain, commit),
    };
    secret(member).sign(&message.unwrap()).unwrap()
}

/// A report whose halves a member signed.
fn report(chain: &ChainId, member: u8, one: impl Into<Half>, two: impl Into<Half>) -> Op {
    let (Half(statement_one), Half(statement_two)) = (one.into(), two.into());
    Op::ReportEvidence(Box::new(Evidence {
        member: public(member),
        signature_one: sign(chain, member, &statement_one),
        signature_two: sign(chain, member, &statement_two),
        statement_one,
        statement_two,
    }))
}

struct Half(Statement);

impl From<VoteStatement> for Half {
    fn from(vote: VoteStatement) -> Self {
        Self(Statement::Vote(vote))
    }
}

impl From<CommitStatement> for Half {
    fn from(commit: CommitStatement) -> Self {
        Self(Statement::Commit(commit))
    }
}

/// A vote with something else in it.
fn other_vote(change: impl FnOnce(&mut u64, &mut String, &mut u64, &mut u8)) -> VoteStatement {
    let VoteStatement::V1 { mut epoch, mut engine, height, mut round, mut phase, digest } = vote(5, 2);
    change(&mut epoch, &mut engine, &mut round, &mut phase);
    VoteStatement::V1 { epoch, engine, height, round, phase, digest }
}

fn in_epoch(epoch: u64, digest: u8) -> VoteStatement {
    let VoteStatement::V1 { engine, height, round, phase, .. } = vote(5, 1);
    VoteStatement::V1 { epoch, engine, height, round, phase, digest: Hash([digest; 32]) }
}

fn by_engine(name: &str, digest: u8) -> VoteStatement {
    let VoteStatement::V1 { epoch, height, round, phase, .. } = vote(5, 1);
    VoteStatement::V1 { epoch, engine: name.to_owned(), height, round, phase, digest: Hash([digest; 32]) }
}

/// Reports that convict nobody.
fn forged(chain: &ChainId) -> Vec<(Code, Op)> {
    let good = || report(chain, 201, vote(5, 1), vote(5, 2));
    let tampered = |change: fn(&mut Op)| {
        let mut operation = good();
        change(&mut operation);
        operation
    };
    let swap = |operation: &mut Op| {
        if let Op::ReportEvidence(evidence) = operation {
            let Evidence { signature_one, signature_two, .. } = evidence.as_mut();
            std::mem::swap(signature_one, signature_two);
        }
    };
    let flip_one = |operation: &mut Op| {
        if let Op::ReportEvidence(evidence) = operation {
            evidence.signature_one.0[3] ^= 1;
        }
    };
    let flip_two = |operation: &mut Op| {
        if let Op::ReportEvidence(evidence) = operation {
            evidence.signature_two.0[40] ^= 1;
        }
    };
    let blame = |operation: &mut Op| {
        if let Op::ReportEvidence(evidence) = operation {
            evidence.member = public(202);
        }
    };
    let invent = |operation: &mut Op| {
        if let Op::ReportEvidence(evidence) = operation {
            evidence.statement_two = Statement::Vote(vote(5, 9));
        }
    };
    let mut domains = good();
    if let Op::ReportEvidence(evidence) = &mut domains {
        let Statement::Vote(vote) = &evidence.statement_two else { panic!("not a vote") };
        evidence.signature_two = secret(201).sign(&signed(domain::COMMIT_VOTE, chain, vote).unwrap()).unwrap();
    }
    let one = || vote(5, 1);
    vec![
        (Code::EvidenceInvalid, report(chain, 201, one(), one())),
        (Code::EvidenceInvalid, report(chain, 201, one(), vote(6, 2))),
        (Code::EvidenceInvalid, report(chain, 201, one(), other_vote(|_, _, round, _| *round = 2))),
        (Code::EvidenceInvalid, report(chain, 201, one(), other_vote(|_, _, _, phase| *phase = 0))),
        (Code::EvidenceInvalid, report(chain, 201, one(), other_vote(|epoch, _, _, _| *epoch = 1))),
        (Code::EvidenceInvalid, report(chain, 201, one(), other_vote(|_, engine, _, _| engine.push('x')))),
        (Code::EvidenceInvalid, report(chain, 201, one(), commit(5, 2, 1))),
        (Code::EvidenceInvalid, report(chain, 201, commit(5, 1, 1), commit(5, 1, 1))),
        (Code::EvidenceDivergence, report(chain, 201, commit(5, 1, 1), commit(5, 1, 2))),
        (Code::EvidenceForeign, report(chain, 9, one(), vote(5, 2))),
        (Code::EvidenceForeign, report(chain, 201, in_epoch(7, 1), in_epoch(7, 2))),
        (Code::EvidenceForeign, report(chain, 201, by_engine("raft", 1), by_engine("raft", 2))),
        (Code::EvidenceSignature, tampered(swap)),
        (Code::EvidenceSignature, tampered(flip_one)),
        (Code::EvidenceSignature, tampered(flip_two)),
        (Code::EvidenceSignature, tampered(blame)),
        (Code::EvidenceSignature, tampered(invent)),
        (Code::EvidenceSignature, domains),
        (Code::EvidenceSignature, report(&ChainId(Hash([1; 32])), 201, one(), vote(5, 2))),
    ]
}

pub(crate) fn forgeries(suite: HashSuite) -> Seen {
    let parameters = ParametersV1 { evidence_max_age: 60, ..ParametersV1::default() };
    let mut world = World::governed(suite, parameters, &[1, 1, 1, 1]);
    let chain = world.chain;
    for (code, operation) in forged(&chain) {
        world.fails(code, 5, operation);
    }
    // The real one, once; in the other order it is the same.
    let events = world.done(5, report(&chain, 201, vote(5, 1), vote(5, 2)));
    let [Event::EvidenceRecorded { evidence, validator, action: Action::Alarmed }] = events.as_slice() else {
        panic!("{events:?}")
    };
    assert_eq!(validator, "v1");
    let record: EvidenceRecord = world.system_cell(&key::evidence(evidence)).unwrap();
    let EvidenceRecord::V1 { member, height, phase, digest_one, reporter, recorded, .. } = record;
    let expected = (public(201), 5, 3, Hash([1; 32]), world.address(5), world.height - 1);
    assert_eq!((member, height, phase, digest_one, reporter, recorded), expected);
    world.fails(Code::EvidenceKnown, 6, report(&chain, 201, vote(5, 2), vote(5, 1)));
    world.fails(Code::EvidenceKnown, 6, report(&chain, 201, vote(5, 2), vote(5, 7)));
    // Each slot and each member by itself.
    world.done(6, report(&chain, 201, vote(6, 2), vote(6, 1)));
    world.done(6, report(&chain, 202, vote(5, 2), vote(5, 1)));
    world.done(6, report(&chain, 201, commit(5, 1, 1), commit(5, 2, 1)));
    // A block checks so many reports, also bad ones.
    let bad = |world: &mut World, round: u64| {
        let VoteStatement::V1 { epoch, engine, height, phase, digest, .. } = vote(9, 1);
        let one = VoteStatement::V1 { epoch, engine: engine.clone(), height, round, phase, digest };
        let two = VoteStatement::V1 { epoch, engine, height, round, phase, digest: Hash([2; 32]) };
        let body = world.body(7, vec![report(&ChainId(Hash::ZERO), 201, one, two)]);
        world.signed(body, &[7])
    };
    let mut reports: Vec<_> = (0..16).map(|round| bad(&mut world, round)).collect();
    let body = world.body(7, vec![report(&chain, 203, vote(9, 1), vote(9, 2))]);
    reports.push(world.signed(body, &[7]));
    let codes = world.block(&reports).codes;
    assert_eq!((codes[15], codes[16]), (Code::EvidenceSignature, Code::EvidenceFull));
    // Whoever fills them keeps no validator from reporting; each has some of its own.
    let own = |world: &mut World, by: u8, height: u64| {
        let body = world.body(by, vec![report(&chain, 203, vote(height, 1), vote(height, 2))]);
        world.signed(body, &[by])
    };
    let mut reports: Vec<_> = (16..32).map(|round| bad(&mut world, round)).collect();
    reports.extend((20..25).map(|height| own(&mut world, 201, height)));
    reports.push(own(&mut world, 202, 30));
    let codes = world.block(&reports).codes;
    assert_eq!(codes[16..], [Code::Final, Code::Final, Code::Final, Code::Final, Code::EvidenceFull, Code::Final]);
    world.done(7, report(&chain, 203, vote(9, 1), vote(9, 2)));
    // Too old is too old.
    while world.height < 65 {
        world.block(&[]);
    }
    world.done(5, report(&chain, 204, vote(5, 1), vote(5, 2)));
    world.fails(Code::EvidenceOld, 5, report(&chain, 203, vote(5, 1), vote(5, 2)));
    world.seen
}

fn action(events: &[Event]) -> Action {
    match events.last() {
        Some(Event::EvidenceRecorded { action, .. }) => *action,
        other => panic!("{other:?}"),
    }
}

fn with_policy(suite: HashSuite, evidence_policy: u32, weights: &[u32]) -> World {
    World::governed(suite, ParametersV1 { evidence_policy, ..ParametersV1::default() }, weights)
}

pub(crate) fn policies(suite: HashSuite) -> Seen {
    let mut world = with_policy(suite, 0, &[1; 5]);
    let chain = world.chain;
    let found = world.done(6, report(&chain, 201, vote(5, 1), vote(5, 2)));
    assert_eq!(action(&found), Action::Ignored);
    suspension(suite);
    exclusion(suite);
    // With four, nobody can go: no fault would be tolerated any more.
    for policy in [2, 3] {
        let mut world = with_policy(suite, policy, &[1; 4]);
        let chain = world.chain;
        let found = world.done(6, report(&chain, 201, vote(5, 1), vote(5, 2)));
        assert_eq!((action(&found), world.members().len()), (Action::Kept, 4));
    }
    world.seen
}

/// Policy 2.
fn suspension(suite: HashSuite) {
    let mut world = with_policy(suite, 2, &[1; 5]);
    let chain = world.chain;
    let found = world.done(6, report(&chain, 205, vote(5, 1), vote(5, 2)));
    let Action::Proposed(id) = action(&found) else { panic!("{found:?}") };
    let proposal = world.proposal(&id);
    assert_eq!((proposal.proposer, proposal.evidence.is_some()), (None, true));
    assert_eq!(proposal.changes, [Change::RemoveValidator { name: "v5".into() }]);
    // More evidence against the same member adds nothing.
    let found = world.done(6, report(&chain, 205, vote(6, 1), vote(6, 2)));
    assert_eq!(action(&found), Action::Proposed(id));
    world.fails(Code::NotPermitted, 1, Op::WithdrawProposal { proposal: id });
    world.votes(id, &[1, 2, 3, 4], true);
    world.ready(id, &[1, 2, 3]);
    world.until_activation();
    assert_eq!(world.members(), ["v1", "v2", "v3", "v4"]);
    let found = world.done(6, report(&chain, 205, vote(7, 1), vote(7, 2)));
    assert_eq!(action(&found), Action::Gone, "of the old epoch, but nobody to remove");
}

/// Policy 3.
fn exclusion(suite: HashSuite) {
    let mut world = with_policy(suite, 3, &[1; 7]);
    let chain = world.chain;
    let found = world.done(6, report(&chain, 207, vote(5, 1), vote(5, 2)));
    let Action::Scheduled(id) = action(&found) else { panic!("{found:?}") };
    assert_eq!(world.status(&id), ProposalStatus::Approved);
    for member in [206, 207, 206, 205, 204] {
        let height = world.height;
        let found = world.done(6, report(&chain, member, vote(height, 1), vote(height, 2)));
        assert_eq!(action(&found), Action::Queued);
    }
    // 207 stands in the queue once more: it is gone when its turn comes.
    assert_eq!(world.governance().exclusions.len(), 4);
    world.ready(id, &[1, 2, 3, 4, 5]);
    world.until_activation();
    assert_eq!(world.members().len(), 6);
    for (gone, left) in [(6, 5), (5, 4)] {
        world.block(&[]);
        let pending = world.governance().pending.unwrap();
        assert!(pending.members.iter().all(|member| member.name != format!("v{gone}")));
        world.ready(pending.proposal, &[1, 2, 3]);
        if world.governance().pending.unwrap().activation.is_none() {
            world.ready(pending.proposal, &[4]);
        }
        world.until_activation();
        assert_eq!(world.members().len(), left);
    }
    // Nobody else can go: what waits is dropped.
    world.block(&[]);
    assert_eq!((world.governance().exclusions.len(), world.governance().pending), (0, None));
    assert_eq!(world.members(), ["v1", "v2", "v3", "v4"]);
}

#[test]
fn forged_evidence_convicts_nobody() {
    assert!(forged(&ChainId(Hash::ZERO)).len() >= 10);
    for suite in [HashSuite::Standard, HashSuite::National] {
        forgeries(suite);
    }
}

#[test]
fn what_follows_from_evidence_is_a_parameter() {
    for suite in [HashSuite::Standard, HashSuite::National] {
        policies(suite);
    }
}
