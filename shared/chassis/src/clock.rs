//! Time and randomness. Only this file gets them from the machine; logic takes them as arguments.

use jiff::Timestamp;

/// The time now, in UTC.
#[expect(clippy::disallowed_methods, reason = "this is the clock that the ban points to")]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// Random bytes that nobody can guess, for keys, ids and links.
///
/// # Panics
///
/// If the system has no source of randomness. Linux has one as soon as it has booted, and a process must not go on
/// without one: anybody could guess the secrets that it makes.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system has a source of randomness");
    bytes
}

/// A random number in `[0, 1)`, for jitter.
pub fn dice() -> f64 {
    const U32_VALUES: f64 = 4_294_967_296.0;
    f64::from(u32::from_le_bytes(random())) / U32_VALUES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dice_lie_between_zero_and_one_and_differ() {
        let rolls: Vec<f64> = (0..100).map(|_| dice()).collect();

        assert!(rolls.iter().all(|roll| (0.0..1.0).contains(roll)), "{rolls:?}");
        assert!(rolls.iter().any(|roll| *roll > 0.5) && rolls.iter().any(|roll| *roll < 0.5), "{rolls:?}");
    }
}
