//! What happens when in a drill. Pure: the same seed makes the same plan.

use std::time::Duration;

use super::fault::{Fault, Ground, Part};

/// The service runs undisturbed for this long before each group of faults, beside what the faults before it may take.
pub(crate) const CALM: Duration = Duration::from_secs(20);
/// How long a fault lasts.
const SECONDS: std::ops::RangeInclusive<u64> = 4..=18;

/// Faults that begin together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    /// The time before it without any fault.
    pub(crate) calm: Duration,
    pub(crate) faults: Vec<Planned>,
}

/// A fault and how long it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Planned {
    pub(crate) fault: Fault,
    pub(crate) lasts: Duration,
}

/// The plan of a seed: groups of one or two faults that fit into `time`, with calm before and after each.
pub(crate) fn plan(seed: u64, time: Duration, ground: Ground) -> Vec<Group> {
    let mut random = fastrand::Rng::with_seed(seed);
    let faults = Fault::all(ground);
    let mut groups: Vec<Group> = Vec::new();
    let mut used = Duration::ZERO;
    loop {
        let group = Group { calm: calm_after(groups.last()), faults: choose(&faults, &mut random) };
        used += group.calm + group.length();
        let is_first = groups.is_empty();
        let fits = used + calm_after(Some(&group)) <= time;
        if !fits && !is_first {
            return groups;
        }
        groups.push(group);
        if !fits {
            return groups;
        }
    }
}

fn calm_after(group: Option<&Group>) -> Duration {
    let allowances = group.into_iter().flat_map(|group| &group.faults).map(|planned| planned.fault.allowance());
    CALM + allowances.max().unwrap_or_default()
}

/// Each part is as likely as any other, however many faults it has.
fn choose(faults: &[Fault], random: &mut fastrand::Rng) -> Vec<Planned> {
    let mut parts: Vec<Part> = Vec::new();
    for fault in faults {
        if !parts.contains(&fault.part()) {
            parts.push(fault.part());
        }
    }
    random.shuffle(&mut parts);
    parts.truncate(random.usize(1..=2));
    let one_of = |part: Part| {
        let of_part: Vec<Fault> = faults.iter().copied().filter(|fault| fault.part() == part).collect();
        let fault = of_part[random.usize(..of_part.len())];
        let lasts = Duration::from_secs(random.u64(SECONDS));
        Planned { fault, lasts: if fault.is_moment() { Duration::ZERO } else { lasts } }
    };
    parts.into_iter().map(one_of).collect()
}

impl Group {
    fn length(&self) -> Duration {
        self.faults.iter().map(|planned| planned.lasts).max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUNDS: [Ground; 3] = [Ground::Rabbitmq, Ground::Cluster, Ground::Embedded];

    #[test]
    fn a_seed_always_makes_the_same_plan_and_another_seed_another_one() {
        for ground in GROUNDS {
            let of = |seed| plan(seed, Duration::from_mins(10), ground);

            assert_eq!(of(7), of(7));
            assert_ne!(of(7), of(8));
        }
    }

    #[test]
    fn faults_and_the_calm_around_them_fit_into_the_time() {
        for seed in 0..200 {
            let groups = plan(seed, Duration::from_mins(5), Ground::Rabbitmq);
            let used: Duration = groups.iter().map(|group| group.calm + group.length()).sum();

            assert!(groups.len() >= 2 && used + calm_after(groups.last()) <= Duration::from_mins(5), "{groups:?}");
        }
        assert_eq!(plan(1, Duration::from_secs(1), Ground::Embedded).len(), 1, "there is always one");
    }

    #[test]
    fn what_happens_at_once_concerns_different_parts_and_every_fault_happens_some_time() {
        for ground in GROUNDS {
            let mut missing = Fault::all(ground);
            for seed in 0..300 {
                for group in plan(seed, Duration::from_mins(10), ground) {
                    let parts: Vec<_> = group.faults.iter().map(|planned| planned.fault.part()).collect();
                    assert!(parts.len() == 1 || parts.len() == 2 && parts[0] != parts[1], "{group:?}");
                    missing.retain(|fault| group.faults.iter().all(|planned| planned.fault != *fault));
                }
            }
            assert!(missing.is_empty(), "{missing:?}");
        }
    }
}
