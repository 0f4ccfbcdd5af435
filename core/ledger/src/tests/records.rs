use super::world::{Seen, World};
use bubi_codec::{
    block::Event,
    identity::NamespaceId,
    operation::{Content, Digest, DigestAlgorithm, OperationBody as Op, RecordReference, Writers},
    state::{key, RecordHead, RecordVersion},
    transaction::Precondition,
    ResultCode as Code,
};
use bubi_crypto::{Hash, HashSuite};

fn put(namespace: NamespaceId, key: &str, parents: Vec<RecordReference>, expected_version: Option<u32>) -> Op {
    let digest = Digest { algorithm: DigestAlgorithm::Sha256, bytes: Hash([5; 32]) };
    Op::PutRecord { namespace, key: key.into(), digest, content: Content::Plain(vec![1, 2]), parents, expected_version }
}

pub(crate) fn records(suite: HashSuite) -> Seen {
    let mut world = World::new(suite);
    let namespace = world.namespace("docs");
    let (one, two) = (world.address(1), world.address(2));
    let create = |writers| Op::CreateNamespace { name: "docs".into(), writers, shared: false };
    world.fails(Code::NamespaceMissing, 1, put(namespace, "a", vec![], None));
    assert_eq!(world.done(1, create(Writers::Listed(vec![two]))), [Event::NamespaceCreated { namespace, owner: one }]);
    world.fails(Code::NamespaceExists, 2, create(Writers::Everyone));
    let event = |key: &str, version, writer| vec![Event::RecordPut { namespace, key: key.into(), version, writer }];
    world.fails(Code::NotWriter, 3, put(namespace, "a", vec![], None));
    world.fails(Code::RecordVersionMismatch, 1, put(namespace, "a", vec![], Some(1)));
    let time = world.time;
    assert_eq!(world.done(1, put(namespace, "a", vec![], Some(0))), event("a", 1, one));
    world.fails(Code::NotWriter, 2, put(namespace, "a", vec![], None));
    assert_eq!(world.done(2, put(namespace, "b", vec![], None)), event("b", 1, two));
    world.fails(Code::NotWriter, 1, put(namespace, "b", vec![], None));
    world.fails(Code::RecordVersionMismatch, 1, put(namespace, "a", vec![], Some(2)));
    let parent = |key: &str, version| RecordReference { namespace, key: key.into(), version };
    world.fails(Code::ParentMissing, 1, put(namespace, "a", vec![parent("a", 2)], None));
    let parents = vec![parent("a", 1), parent("b", 1)];
    assert_eq!(world.done(1, put(namespace, "a", parents.clone(), Some(1))), event("a", 2, one));
    let cells = |key: &[u8]| {
        world.state.get(&crate::tree::OwnerKey::new(crate::tree::OwnerKey::NAMESPACE, *namespace.bytes()), key)
    };
    let head: RecordHead = bubi_codec::decode(cells(&key::record_head("a")).unwrap()).unwrap();
    assert_eq!(head, RecordHead::V1 { author: one, version: 2 });
    let first: RecordVersion = bubi_codec::decode(cells(&key::record_version("a", 1)).unwrap()).unwrap();
    let RecordVersion::V1 { writer, time: written, content, parents: none, .. } = first;
    assert_eq!((writer, written, content, none), (one, time, Content::Plain(vec![1, 2]), vec![]));
    let second: RecordVersion = bubi_codec::decode(cells(&key::record_version("a", 2)).unwrap()).unwrap();
    assert!(matches!(second, RecordVersion::V1 { parents: listed, .. } if listed == parents));
    world.precondition(true, Precondition::RecordVersion { namespace, key: "a".into(), version: 2 });
    world.precondition(false, Precondition::RecordVersion { namespace, key: "a".into(), version: 1 });
    world.precondition(true, Precondition::RecordVersion { namespace, key: "z".into(), version: 0 });
    // Ownership moves, writers and sharing change.
    let set = |owner, writers, shared| Op::SetNamespace { namespace, owner, writers, shared };
    let missing = world.namespace("other");
    world.fails(
        Code::NamespaceMissing,
        1,
        Op::SetNamespace { namespace: missing, owner: one, writers: Writers::Everyone, shared: true },
    );
    world.fails(Code::NotPermitted, 2, set(two, Writers::Everyone, true));
    let nobody = world.address(99);
    world.fails(Code::AccountMissing, 1, set(nobody, Writers::Everyone, true));
    assert_eq!(world.done(1, set(two, Writers::Everyone, true)), [Event::NamespaceChanged { namespace, owner: two }]);
    world.fails(Code::NotPermitted, 1, set(one, Writers::Everyone, true));
    assert_eq!(world.done(3, put(namespace, "a", vec![], None)), event("a", 3, world.address(3)));
    world.seen
}

#[test]
fn records_are_appended_to() {
    records(HashSuite::Standard);
}
