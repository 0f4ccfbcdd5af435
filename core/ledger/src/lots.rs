//! Lots of dated holdings: plain arithmetic on lists that ascend by expiry (`spec/ledger.md` 5). A list without lots is that
//! of a fungible asset, for which all of this does nothing.

use bubi_codec::state::{HoldingV1, Lot};

/// Sum of lots. Lots are parts of a supply, so that it never overflows.
pub(crate) fn sum(lots: &[Lot]) -> u128 {
    lots.iter().map(|lot| lot.amount).sum()
}

/// Sum of the lots that have lapsed at `time` (ms) and are not retired yet.
pub fn lapsed(lots: &[Lot], time: u64) -> u128 {
    lots.iter().filter(|lot| lot.expires <= time).map(|lot| lot.amount).sum()
}

/// What can be spent of a holding at `time` (ms): its balance without lots that have lapsed.
pub fn spendable(holding: &HoldingV1, time: u64) -> u128 {
    holding.balance.saturating_sub(lapsed(&holding.lots, time))
}

/// Splits off what has lapsed at `time`, earliest first.
pub(crate) fn split_lapsed(lots: &mut Vec<Lot>, time: u64) -> Vec<Lot> {
    let live = lots.partition_point(|lot| lot.expires <= time);
    let rest = lots.split_off(live);
    std::mem::replace(lots, rest)
}

/// Takes an amount from the earliest lots on; the lots must hold that much.
pub(crate) fn take(lots: &mut Vec<Lot>, amount: u128) -> Vec<Lot> {
    let mut left = amount;
    let mut taken = Vec::new();
    for lot in lots.iter_mut() {
        let part = lot.amount.min(left);
        if part == 0 {
            break;
        }
        taken.push(Lot { expires: lot.expires, amount: part });
        lot.amount -= part;
        left -= part;
    }
    lots.retain(|lot| lot.amount > 0);
    taken
}

/// Adds lots: to the lot with the same expiry, or as one of their own.
pub(crate) fn add(lots: &mut Vec<Lot>, more: &[Lot]) {
    for lot in more {
        match lots.binary_search_by_key(&lot.expires, |other| other.expires) {
            Ok(position) => lots[position].amount += lot.amount,
            Err(position) => lots.insert(position, *lot),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lots(pairs: &[(u64, u128)]) -> Vec<Lot> {
        pairs.iter().map(|(expires, amount)| Lot { expires: *expires, amount: *amount }).collect()
    }

    #[test]
    fn the_earliest_lots_are_taken_first() {
        let mut list = lots(&[(1, 5), (2, 5), (3, 5)]);
        assert_eq!(take(&mut list, 7), lots(&[(1, 5), (2, 2)]));
        assert_eq!(list, lots(&[(2, 3), (3, 5)]));
        assert_eq!(take(&mut list, 8), lots(&[(2, 3), (3, 5)]));
        assert!(list.is_empty());
    }

    #[test]
    fn added_lots_join_those_of_the_same_expiry() {
        let mut list = lots(&[(2, 1)]);
        add(&mut list, &lots(&[(1, 4), (2, 6), (9, 1)]));
        assert_eq!(list, lots(&[(1, 4), (2, 7), (9, 1)]));
        assert_eq!(sum(&list), 12);
    }

    #[test]
    fn what_has_lapsed_cannot_be_spent() {
        let lots = lots(&[(1, 4), (2, 6), (9, 1)]);
        let holding = HoldingV1 { balance: 11, lots, ..HoldingV1::default() };
        assert_eq!([0, 1, 2, 9].map(|time| lapsed(&holding.lots, time)), [0, 4, 10, 11]);
        assert_eq!([0, 1, 2, 9].map(|time| spendable(&holding, time)), [11, 7, 1, 0]);
    }

    #[test]
    fn a_lot_lapses_at_its_time() {
        let mut list = lots(&[(1, 4), (2, 6), (9, 1)]);
        assert_eq!(split_lapsed(&mut list, 2), lots(&[(1, 4), (2, 6)]));
        assert_eq!(list, lots(&[(9, 1)]));
    }
}
