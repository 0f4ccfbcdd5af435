//! Who leads which round (`spec/consensus/schedule.md`): computed from what proposals record of the rounds of their parents.
//! S1 to S15 are the points of that page.

use crate::{
    cells::{system_key, Defect, Scratch},
    execution::Context,
    tree::View,
};
use bubi_codec::{
    decode,
    state::{key, FormerSchedule, Schedule, ScheduleV1, Strike},
};
use std::{collections::BTreeMap, sync::Arc};

/// Most turns that a member is passed over for one failure (S9).
const SKIP_MAX: u32 = 64;
/// The level at which the turns to pass over no longer grow (S2).
const LEVEL_MAX: u8 = 7;
/// Of the rounds before the one that decided, so many are looked at: a bound on the work that one header can ask for (S7).
const JUDGED_ROUNDS_MAX: u64 = 1_024;

/// A schedule on its way through the rounds (S3).
struct Walk {
    members: u32,
    round: u64,
    leader: u32,
    /// Members visited since the walk began. Once all others were, nobody is passed over any more (S13): a network that has not
    /// decided for that long must not wait for those with the fewest failures again and again.
    visited: u32,
    /// By validator: level, turns to pass over.
    strikes: BTreeMap<u32, (u8, u32)>,
}

impl Walk {
    fn new(round: u64, leader: u32, strikes: &[Strike], members: u32) -> Self {
        let strikes = strikes.iter().map(|strike| (strike.validator, (strike.level, strike.skip)));
        let members = members.max(1);
        Self { members, round, leader: leader % members, visited: 0, strikes: strikes.collect() }
    }

    /// By this schedule.
    fn by(schedule: &ScheduleV1, members: u32) -> Self {
        Self::new(schedule.round, schedule.leader, &schedule.strikes, members)
    }

    /// By the schedule that this one replaced.
    fn by_former(schedule: &ScheduleV1, members: u32) -> Self {
        let former = &schedule.former;
        Self::new(former.round, former.leader, &former.strikes, members)
    }

    /// To the next round.
    fn step(&mut self) {
        self.round = self.round.saturating_add(1);
        let mut place = self.leader;
        while self.is_choosing() {
            place = (place + 1) % self.members;
            self.visited += 1;
            match self.strikes.get_mut(&place) {
                Some((_, skip)) if *skip > 0 => *skip -= 1,
                _ => {
                    self.leader = place;
                    return;
                }
            }
        }
        self.leader = (self.leader + 1) % self.members;
    }

    /// Whether members are passed over.
    fn is_choosing(&self) -> bool {
        self.visited + 1 < self.members
    }

    fn advance(&mut self, round: u64) {
        while self.round < round {
            if self.is_choosing() {
                self.step();
                continue;
            }
            // From here on the members follow one another.
            let members = u64::from(self.members);
            let place = (u64::from(self.leader) + (round - self.round) % members) % members;
            self.leader = u32::try_from(place).unwrap_or(0);
            self.round = round;
        }
    }

    /// A member failed (S9).
    fn strike(&mut self, validator: u32) {
        let (level, skip) = self.strikes.entry(validator).or_default();
        *skip = (1_u32 << (*level).min(LEVEL_MAX - 1)).min(SKIP_MAX);
        *level = level.saturating_add(1).min(LEVEL_MAX);
    }

    /// Leaders of the rounds up to a later one, which it reaches.
    fn pass(&mut self, round: u64) -> Vec<u32> {
        let mut led = Vec::new();
        while self.round < round {
            led.push(self.leader);
            self.step();
        }
        led
    }

    fn strikes(self) -> Vec<Strike> {
        let strikes = self.strikes.into_iter();
        strikes.map(|(validator, (level, skip))| Strike { validator, level, skip }).collect()
    }
}

/// Where a block stands.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Its height.
    pub height: u64,
    /// First height of its epoch.
    pub epoch_start: u64,
}

/// The schedule after the block at this place, whose header records `parent_round`. The first block of an epoch records a round
/// of the epoch before, which counts for nothing (S5).
pub fn fold(before: &ScheduleV1, members: u32, turn_blocks: u32, place: Place, parent_round: u64) -> ScheduleV1 {
    // Heights of this epoch below the parent, whose round is recorded here.
    let Some(below) = place.height.saturating_sub(place.epoch_start).checked_sub(1) else { return before.clone() };
    let turn_ended = below > 0 && below.is_multiple_of(u64::from(turn_blocks.max(1)));
    let expected = before.round.saturating_add(u64::from(turn_ended));
    // S6.
    if parent_round < expected || parent_round == before.round {
        return before.clone();
    }
    // The parent wrote this schedule: it was itself decided under the one before, and so was its leader's failure (S7, S14, S15).
    let replaced = before.changed.saturating_add(1) == place.height;
    let mut decided = if replaced { Walk::by_former(before, members) } else { Walk::by(before, members) };
    decided.advance(expected.max(parent_round.saturating_sub(JUDGED_ROUNDS_MAX)));
    let failed = decided.pass(parent_round);
    let mut walk = Walk::by(before, members);
    walk.advance(parent_round);
    // S8.
    if turn_ended {
        walk.strikes.remove(if replaced { &before.decider } else { &before.leader });
    }
    for validator in failed {
        walk.strike(validator);
    }
    // S10, S11: the rounds up to the parent's keep the leaders that they have here.
    ScheduleV1 {
        round: walk.round,
        leader: walk.leader,
        changed: place.height,
        strikes: walk.strikes(),
        decider: decided.leader,
        former: FormerSchedule { round: before.round, leader: before.leader, strikes: before.strikes.clone() },
    }
}

/// Leaders of the round that a schedule counts from and of those after it (S4).
pub fn leaders(schedule: &ScheduleV1, members: u32, count: usize) -> Vec<u32> {
    let mut walk = Walk::by(schedule, members);
    (0..count)
        .map(|_| {
            let leader = walk.leader;
            walk.step();
            leader
        })
        .collect()
}

/// The schedule of a state (S1).
///
/// # Errors
/// Its cell cannot be read.
pub fn read(view: &View<'_>) -> Result<ScheduleV1, Defect> {
    let Some(bytes) = view.get(&system_key(), key::SCHEDULE) else { return Ok(ScheduleV1::default()) };
    let Schedule::V1(schedule) = decode(bytes).map_err(|_| Defect("the leader schedule cannot be read"))?;
    Ok(schedule)
}

/// Folds the round that the header records into the schedule's cell, which is written only if it changes.
pub(crate) fn record(cells: &mut Scratch<'_>, context: &Context) -> Result<(), Defect> {
    if context.parent_round == 0 {
        // Round 0 is never later than what the schedule counts from.
        return Ok(());
    }
    let system = cells.system();
    let cell = cells.cell(system, key::SCHEDULE);
    let before = cells.read::<Arc<ScheduleV1>>(cell)?.cloned().unwrap_or_default();
    let turn_blocks = context.parameters.turn_blocks;
    let place = Place { height: context.height, epoch_start: context.epoch_start };
    let after = fold(&before, context.members(), turn_blocks, place, context.parent_round);
    if after != *before {
        cells.write(cell, Arc::new(after));
    }
    Ok(())
}
