//! Chooses a backend by weight and an endpoint by load.
//!
//! Pure: the caller gives the counter. Weights are met by a Weyl sequence (multiples
//! of the golden ratio modulo 1), which keeps every run of n choices within about
//! log(n) of the exact share, needs no lock, and shows no pattern to a client.

/// 2^64 divided by the golden ratio.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// The index of the weight that the n-th request falls to; `None` if all are zero.
pub(crate) fn weighted(weights: impl Iterator<Item = u32> + Clone, n: u64) -> Option<usize> {
    let total: u64 = weights.clone().map(u64::from).sum();
    if total == 0 {
        return None;
    }
    let mut left = scale(n.wrapping_mul(GOLDEN), total);
    for (index, weight) in weights.enumerate() {
        match left.checked_sub(u64::from(weight)) {
            Some(rest) => left = rest,
            None => return Some(index),
        }
    }
    None
}

/// Whether the n-th request belongs to a share of `part` in `whole`.
pub(crate) fn in_share(part: u32, whole: u32, n: u64) -> bool {
    scale(n.wrapping_mul(GOLDEN), u64::from(whole)) < u64::from(part)
}

/// `point / 2^64 * range`, rounded down.
fn scale(point: u64, range: u64) -> u64 {
    u64::try_from((u128::from(point) * u128::from(range)) >> 64).unwrap_or(0)
}

/// Takes turns, but prefers the next endpoint when it is less busy; skips the unfit.
///
/// `busy(i)` gives the requests in flight, `None` for one that must not be used.
pub(crate) fn endpoint(
    count: usize,
    turn: usize,
    busy: impl Fn(usize) -> Option<usize>,
) -> Option<usize> {
    let mut fit = (0..count)
        .map(|step| turn.wrapping_add(step).checked_rem(count).unwrap_or(0))
        .filter_map(|index| busy(index).map(|load| (index, load)));
    let (first, load) = fit.next()?;
    match fit.next() {
        Some((second, less)) if less < load => Some(second),
        Some(_) | None => Some(first),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_choices_meet_every_weight() {
        for start in [0, 7, u64::MAX - 500, 123_456_789] {
            for percent in 0..=100_u32 {
                let weights = [100 - percent, percent];
                let hits = (0..1000_u64)
                    .filter(|n| weighted(weights.into_iter(), start.wrapping_add(*n)) == Some(1))
                    .count();
                let wanted = usize::try_from(percent).unwrap() * 10;
                assert!(
                    hits.abs_diff(wanted) <= 5,
                    "{percent} % from {start}: {hits}"
                );
            }
        }
    }

    #[test]
    fn zero_weights_are_never_chosen() {
        assert_eq!(weighted([0, 0].into_iter(), 1), None);
        assert_eq!(weighted(std::iter::empty(), 1), None);
        assert!((0..1000).all(|n| weighted([0, 1, 0].into_iter(), n) == Some(1)));
        assert!((0..1000).all(|n| in_share(100, 100, n) && !in_share(0, 100, n)));
    }

    #[test]
    fn endpoints_take_turns_unless_busy_or_unfit() {
        let turns = |turn| endpoint(3, turn, |_| Some(0));
        assert_eq!([turns(0), turns(1), turns(5)], [Some(0), Some(1), Some(2)]);
        assert_eq!(endpoint(3, 0, |i| Some([5, 1, 0][i])), Some(1));
        assert_eq!(endpoint(3, 0, |i| (i == 2).then_some(9)), Some(2));
        assert_eq!(endpoint(2, 0, |_| None), None);
        assert_eq!(endpoint(0, 4, |_| Some(0)), None);
    }
}
