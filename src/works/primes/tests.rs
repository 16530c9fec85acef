//! Counts against tables, and against a sieve that is too simple to be wrong.

use super::*;
use crate::backend::{self, SessionOptions};

fn count(limit: u64) -> u64 {
    let mut session = backend::find("serial").unwrap().open(&SessionOptions::default()).unwrap();
    let sum = Arc::new(PrimeCount::default());
    session.run(Arc::new(Primes::up_to(limit).unwrap()), sum.clone(), &Stop::new()).unwrap();
    sum.get()
}

#[test]
fn every_small_limit_is_right() {
    let is_prime = |n: u64| n > 1 && (2..).take_while(|d| d * d <= n).all(|d| !n.is_multiple_of(d));
    let mut expected = 0;
    for limit in 0..1000 {
        expected += u64::from(is_prime(limit));
        assert_eq!(count(limit), expected, "up to {limit}");
    }
}

#[test]
fn powers_of_ten_are_those_of_the_tables() {
    // OEIS A006880.
    for (power, primes) in [(3, 168), (4, 1229), (5, 9592), (6, 78_498), (7, 664_579), (8, 5_761_455)] {
        assert_eq!(count(10_u64.pow(power)), primes, "up to 10^{power}");
    }
    // Around squares of base primes, and of the greatest prime of the patterns.
    for (limit, primes) in [(163 * 163 - 1, 2915), (163 * 163, 2915), (167 * 167 - 1, 3043), (167 * 167, 3043)] {
        assert_eq!(count(limit), primes, "up to {limit}");
    }
}

/// Segments far up have multiples of near, medium and far base primes.
#[test]
fn segments_far_up_agree_with_trial_division_by_all_base_primes() {
    let primes = Primes::up_to(3_000_000_000_000).unwrap();
    let (stop, progress) = (Stop::new(), |_| {});
    let prepared = primes.prepare(&Preparing::new(&stop, 1, &progress)).unwrap();
    let base = base::Base::of(&prepared).unwrap();
    assert!(!base.far().is_empty() && !base.medium(3).is_empty() && !base.near(3).is_empty());
    let mut sieve = Box::<Sieve>::default();
    // More bytes than a block, and the last of all.
    let last = primes.bytes();
    for place in [90_000_000_000..90_000_000_000 + BLOCK as u64 + 1000, last - 5000..last] {
        let mut plain = vec![0xff_u8; (place.end - place.start) as usize];
        let mut kinds = vec![base.far()];
        kinds.extend((0..8).flat_map(|bit| [base.near(bit), base.medium(bit)]));
        let small = (7..=wheel::LAST_OF_PATTERNS).filter(|n| (2..*n).all(|d| n % d != 0));
        for prime in kinds.into_iter().flatten().map(|prime| u64::from(*prime)).chain(small) {
            let first = (place.start * TURN).next_multiple_of(prime);
            for multiple in (first..place.end * TURN).step_by(prime as usize) {
                if wheel::bit(multiple) < 8 {
                    plain[(multiple / TURN - place.start) as usize] &= !(1 << wheel::bit(multiple));
                }
            }
        }
        if place.end == last {
            let beyond = wheel::RESIDUES.iter().filter(|residue| **residue > primes.limit() % TURN);
            beyond.for_each(|residue| *plain.last_mut().unwrap() &= !(1 << wheel::bit(*residue)));
        }
        let expected: u64 = plain.iter().map(|byte| u64::from(byte.count_ones())).sum();
        // In two segments of one claim, if there is more than a block.
        sieve.begin(&base, &place);
        let middle = place.end.min(place.start + BLOCK as u64);
        let parts = [place.start..middle, middle..place.end];
        let counts = parts.map(|part| sieve.count(&base, part, primes.limit(), &stop).unwrap());
        assert_eq!(counts.iter().sum::<u64>(), expected, "{place:?}");
    }
}

#[test]
fn segments_cover_all_numbers_once() {
    for limit in [0, 1, 29, 30, 1_000_000, 123_456_789, 10_000_000_000, MAX_LIMIT] {
        let primes = Primes::up_to(limit).unwrap();
        let (last, len) = (primes.len() - 1, primes.len());
        let ends = [0, 1, len / 2, last].map(|index| index.min(last));
        let sum: u64 = if len < 10_000 { (0..len).map(|index| primes.numbers(index)).sum() } else { limit + 1 };
        assert_eq!(sum, limit + 1);
        assert!(ends.iter().all(|index| primes.numbers(*index) > 0), "{limit}");
        let Recipe { kind, bytes } = primes.recipe().unwrap();
        assert_eq!((&*kind, Primes::from_recipe(&bytes).unwrap().len()), (KIND, len));
    }
    let error = Primes::up_to(MAX_LIMIT + 1).unwrap_err().to_string();
    assert!(error.contains("1e15") && !error.contains('\n'), "{error}");
    assert!(Primes::from_recipe(b"7").is_err());
    assert!(Primes::up_to(20).unwrap().describe(0).contains("from 0 to 20"));
}

#[test]
fn a_stop_is_noticed() {
    let (stop, progress) = (Stop::new(), |_| {});
    let primes = Primes::up_to(1 << 40).unwrap();
    let prepared = primes.prepare(&Preparing::new(&stop, 1, &progress)).unwrap();
    stop.set();
    let (mut bytes, mut costs) = ([0; 8], [0]);
    let outcome = primes.compute(&prepared, &mut Claim::new(3..4, &mut bytes, &mut costs, &mut Vec::new()), &stop);
    assert!(matches!(outcome, Err(Error::Stopped)));
    assert!(matches!(primes.prepare(&Preparing::new(&stop, 1, &progress)), Err(Error::Stopped)));
}
