//! Leaders: who fails is passed over longer and longer, and nobody else loses a turn.

use super::world::World;
use crate::schedule::{fold, leaders, Place};
use crate::tree::{OwnerKey, View};
use bubi_codec::{
    decode,
    state::{key, FormerSchedule, ParametersV1, Schedule, ScheduleV1, Strike},
};
use bubi_crypto::HashSuite;
use proptest::prelude::*;
use std::collections::BTreeMap;

const TURN: u32 = 4;

/// A place in epoch 0.
fn at(height: u64) -> Place {
    Place { height, epoch_start: 1 }
}

fn struck(validator: u32, level: u8, skip: u32) -> Strike {
    Strike { validator, level, skip }
}

/// What replaces a schedule at this height, where the leader is who decided.
fn follows(before: &ScheduleV1, changed: u64, round: u64, leader: u32, strikes: Vec<Strike>) -> ScheduleV1 {
    let former = FormerSchedule { round: before.round, leader: before.leader, strikes: before.strikes.clone() };
    ScheduleV1 { round, leader, changed, strikes, decider: leader, former }
}

/// Decides heights as correct members would, while those in `down` never lead one; who led each, and the schedule then.
fn run(members: u32, heights: u64, down: &[u32]) -> (Vec<u32>, ScheduleV1) {
    let mut schedule = ScheduleV1::default();
    let (mut round, mut led) = (0, Vec::new());
    for height in 1..=heights {
        let parent_round = if height == 1 { 0 } else { round };
        // What a node at this height knows is the schedule after the block below.
        let mut now = parent_round + u64::from(height > 1 && (height - 1).is_multiple_of(u64::from(TURN)));
        let known = leaders(&schedule, members, 400);
        let leader = |round: u64| known[usize::try_from(round - schedule.round).unwrap()];
        while down.contains(&leader(now)) {
            now += 1;
        }
        led.push(leader(now));
        schedule = fold(&schedule, members, TURN, at(height), parent_round);
        round = now;
    }
    (led, schedule)
}

/// S12.
#[test]
fn every_member_leads_if_nobody_fails() {
    let (led, schedule) = run(5, 40, &[]);
    let expected: Vec<u32> = (0..40).map(|height| height / TURN % 5).collect();
    assert_eq!(led, expected);
    assert!(schedule.strikes.is_empty());
}

#[test]
fn a_member_that_fails_is_passed_over_longer_and_longer() {
    // Each entry of member 1 among the strikes, at every change of its level.
    let mut schedule = ScheduleV1::default();
    let (mut round, mut turns, mut waits) = (0, 0_u32, Vec::new());
    for height in 1..4_000_u64 {
        let parent_round = round;
        let turn_ended = height > 1 && (height - 1).is_multiple_of(u64::from(TURN));
        round += u64::from(turn_ended);
        let known = leaders(&schedule, 4, 200);
        let place = usize::try_from(round - schedule.round).unwrap();
        if known[place] == 1 {
            round += 1;
            waits.push(turns);
            turns = 0;
        } else if turn_ended && known[place] == 0 {
            turns += 1;
        }
        schedule = fold(&schedule, 4, TURN, at(height), parent_round);
    }
    // Round trips between its turns: 1 more than the times it was passed over.
    assert_eq!(waits.first(), Some(&0), "{waits:?}");
    let passed: Vec<u32> = waits.iter().skip(1).map(|turns| turns.saturating_sub(1)).collect();
    assert_eq!(passed.get(..7), Some([1, 2, 4, 8, 16, 32, 64].as_slice()), "{passed:?}");
    assert!(passed.iter().skip(7).all(|turns| *turns == 64), "{passed:?}");
    assert_eq!(schedule.strikes.iter().map(|strike| strike.validator).collect::<Vec<_>>(), [1]);
}

#[test]
fn a_clean_turn_clears_the_record() {
    let before =
        ScheduleV1 { round: 9, leader: 2, changed: 4, strikes: vec![struck(2, 3, 0)], ..ScheduleV1::default() };
    let inside = fold(&before, 4, TURN, at(7), 9);
    assert_eq!(inside, before, "a turn that goes on changes nothing");
    let ended = fold(&before, 4, TURN, at(6), 10);
    assert_eq!(ended, follows(&before, 6, 10, 3, Vec::new()));
    let failed = fold(&before, 4, TURN, at(7), 10);
    assert_eq!(failed, follows(&before, 7, 10, 3, vec![struck(2, 4, 8)]));
}

#[test]
fn turns_are_counted_from_the_first_height_of_the_epoch() {
    let before = ScheduleV1 { round: 9, leader: 2, ..ScheduleV1::default() };
    for epoch_start in [1, 2, 3, 4, 5, 77] {
        for below in 1..20 {
            let place = Place { height: epoch_start + below + 1, epoch_start };
            let strikes = if below.is_multiple_of(u64::from(TURN)) { Vec::new() } else { vec![struck(2, 1, 1)] };
            let expected = follows(&before, place.height, 10, 3, strikes);
            assert_eq!(fold(&before, 4, TURN, place, 10), expected);
        }
    }
}

/// Five members, of which 0 failed in round 9 and 1 was passed over, so that 2 decided; written at this height.
fn after_a_failure(height: u64) -> ScheduleV1 {
    let before = ScheduleV1 { round: 9, strikes: vec![struck(1, 1, 1)], ..ScheduleV1::default() };
    let after = fold(&before, 5, TURN, at(height), 10);
    assert_eq!(after, follows(&before, height, 10, 2, vec![struck(0, 1, 1), struck(1, 1, 0)]));
    after
}

#[test]
fn a_failure_right_after_another_is_that_of_the_leader_in_force() {
    let first = after_a_failure(7);
    // Block 7 was decided before that failure was known: 2, 3, 4 and 0 failed in rounds 10 to 13, and 1 decided.
    let second = fold(&first, 5, TURN, at(8), 14);
    assert_eq!((second.leader, second.decider), (2, 1));
    let once = [struck(1, 1, 0), struck(2, 1, 1), struck(3, 1, 1), struck(4, 1, 1)];
    assert_eq!(second.strikes, [[struck(0, 2, 2)].as_slice(), once.as_slice()].concat());
    // Block 8 was decided under what block 7 wrote, by which 2 failed in round 14: the round before it.
    assert_eq!(leaders(&first, 5, 6), [2, 3, 4, 1, 2, 3]);
    let third = fold(&second, 5, TURN, at(9), 15);
    assert_eq!((third.decider, third.strikes.get(2)), (3, Some(&struck(2, 2, 2))));
}

#[test]
fn a_failure_at_the_second_height_of_a_turn_counts() {
    let before = ScheduleV1 { round: 9, leader: 2, changed: 3, ..ScheduleV1::default() };
    let turned = fold(&before, 4, TURN, at(6), 10);
    assert_eq!((turned.leader, turned.strikes.as_slice()), (3, [].as_slice()));
    let failed = fold(&turned, 4, TURN, at(7), 11);
    assert_eq!(failed, follows(&turned, 7, 11, 0, vec![struck(3, 1, 1)]));
}

#[test]
fn a_clean_turn_is_that_of_the_member_that_decided_its_last_block() {
    // Block 4, the last of its turn, was decided by 0 in round 13; now that its failure at block 3 is known, 1 leads that round.
    let second = fold(&after_a_failure(4), 5, TURN, at(5), 13);
    assert_eq!((second.leader, second.decider), (1, 0));
    let ended = fold(&second, 5, TURN, at(6), 14);
    let others = vec![struck(1, 1, 0), struck(2, 1, 0), struck(3, 1, 0), struck(4, 1, 0)];
    assert_eq!((ended.leader, ended.strikes), (0, others));
}

#[test]
fn rounds_that_lie_behind_and_the_first_heights_change_nothing() {
    let before = ScheduleV1 { round: 9, leader: 2, changed: 4, ..ScheduleV1::default() };
    for (height, parent_round) in [(1, 50), (6, 9), (6, 0), (7, 8), (7, 9)] {
        assert_eq!(fold(&before, 4, TURN, at(height), parent_round), before);
    }
    assert_eq!(fold(&ScheduleV1::default(), 1, TURN, at(6), 0), ScheduleV1::default(), "an engine without rounds");
}

#[test]
fn a_round_that_no_engine_reaches_costs_no_time() {
    let strikes = (0..256).map(|validator| Strike { validator, level: 7, skip: 64 }).collect();
    let before = ScheduleV1 { round: 3, leader: 255, changed: 2, strikes, ..ScheduleV1::default() };
    let after = fold(&before, 256, TURN, at(7), u64::MAX);
    assert_eq!(after.round, u64::MAX);
    assert!(after.strikes.len() == 256 && after.strikes.iter().all(|strike| strike.skip == 64));
}

#[test]
fn the_cell_is_written_only_when_it_changes() {
    let mut world = World::with(HashSuite::Standard, ParametersV1 { turn_blocks: TURN, ..ParametersV1::default() });
    let system = OwnerKey::new(OwnerKey::SYSTEM, [0; 32]);
    let mut block = |round: u64| {
        world.height += 1;
        world.time += 1;
        let view = View::new(&world.state, &[]).unwrap();
        let context = crate::Context { parent_round: round, ..world.context() };
        let done = crate::execute(&view, world.ids.view(&[]), &context, &[]).unwrap().finish(&view);
        world.ids.merge(done.ids);
        world.state.merge(done.overlay).unwrap();
        world.state.get(&system, key::SCHEDULE).map(|bytes| decode::<Schedule>(bytes).unwrap())
    };
    assert_eq!(block(0), None);
    assert_eq!(block(0), None);
    let after = follows(&ScheduleV1::default(), 4, 2, 0, vec![struck(0, 2, 2)]);
    let expected = Schedule::V1(after);
    assert_eq!(block(2), Some(expected.clone()), "the only member failed twice");
    assert_eq!(block(1), Some(expected));
}

fn any_schedule(members: u32) -> impl Strategy<Value = ScheduleV1> {
    let strikes = proptest::collection::btree_map(0..members, (0_u8..8, 0_u32..65), 0..=members as usize);
    (0_u64..1_000, 0..members, strikes).prop_map(|(round, leader, strikes): (u64, u32, BTreeMap<u32, (u8, u32)>)| {
        let strikes = strikes.into_iter().map(|(validator, (level, skip))| Strike { validator, level, skip });
        ScheduleV1 { round, leader, changed: 1, strikes: strikes.collect(), ..ScheduleV1::default() }
    })
}

proptest! {
    #[test]
    fn the_walk_agrees_before_and_after_the_fold_at_its_base(
        (members, schedule) in (1_u32..9).prop_flat_map(|members| (Just(members), any_schedule(members))),
        height in 2_u64..200,
        steps in 0_u64..300,
    ) {
        let round = schedule.round + steps;
        let after = fold(&schedule, members, TURN, at(height), round);
        prop_assert_eq!(&after, &fold(&schedule, members, TURN, at(height), round));
        let place = usize::try_from(after.round - schedule.round).unwrap();
        prop_assert_eq!(leaders(&schedule, members, place + 1)[place], after.leader);
        prop_assert!(after.strikes.windows(2).all(|pair| pair[0].validator < pair[1].validator));
        prop_assert!(after.strikes.iter().all(|strike| strike.level <= 7 && strike.skip <= 64));
        prop_assert!(after.round == round || after == schedule);
    }

    /// S13: a network whose members all failed while it was cut apart must not wait for the one that is dead now.
    #[test]
    fn every_member_leads_soon_and_nobody_twice_in_a_row(
        (members, schedule) in (2_u32..14).prop_flat_map(|members| (Just(members), any_schedule(members))),
    ) {
        let led = leaders(&schedule, members, 2 * members as usize + 40);
        let soon = led.get(1..2 * members as usize).unwrap();
        prop_assert!((0..members).all(|member| soon.contains(&member)), "{:?}", led);
        prop_assert!(led.windows(2).all(|pair| pair[0] != pair[1]), "{:?}", led);
    }

    #[test]
    fn whoever_works_goes_on_leading(members in 2_u32..8, broken in proptest::collection::btree_set(0_u32..8, 0..3)) {
        let down: Vec<u32> = broken.into_iter().filter(|member| *member + 1 < members).collect();
        let heights = u64::from(members * TURN) * 6;
        let (led, _) = run(members, heights, &down);
        for member in (0..members).filter(|member| !down.contains(member)) {
            let turns = led.iter().filter(|leader| **leader == member).count();
            prop_assert!(turns >= TURN as usize, "member {} led {} heights of {}", member, turns, heights);
        }
    }
}
