//! Draws what a seed decides, from this thread's generator.

use std::ops::Range;
use std::time::Duration;

pub(super) fn one_in(many: u32) -> bool {
    fastrand::u32(0..many) == 0
}

pub(super) fn millis(range: Range<u64>) -> Duration {
    Duration::from_millis(fastrand::u64(range))
}

pub(super) fn pick<T: Copy>(all: &[T]) -> T {
    all[fastrand::usize(0..all.len())]
}
