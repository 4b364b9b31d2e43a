//! Judges a drill by what was accepted, what DSK took, what was parked and what happened. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::evidence::{Evidence, Happened, Place, Taken};
use super::fault::Fault;

/// The longest that the service may pause after a fault has ended, beside what its design allows for that fault.
const PAUSE_MAX: Duration = Duration::from_secs(15);
/// The longest that an event may wait beside faults for its first attempt: the one before it in its conversation may be
/// retried in place for 30 s.
const WAIT_MAX: Duration = Duration::from_secs(45);
/// How long after its end a fault may still explain a repeat: an attempt that began during it may last so long.
const LINGERS: Duration = Duration::from_secs(12);

/// What is made of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) events: usize,
    /// Accepted, and neither delivered nor parked.
    pub(crate) lost: Vec<Place>,
    /// Delivered only after the processes were restarted at the end.
    pub(crate) stuck: Vec<Place>,
    /// Accepted before a queue was deleted, and probably in it.
    pub(crate) deleted: Vec<Place>,
    /// Dead letters by reason.
    pub(crate) parked: BTreeMap<String, usize>,
    /// Repeats by the fault that explains them.
    pub(crate) explained: BTreeMap<String, usize>,
    /// Repeats that nothing explains.
    pub(crate) unexplained: Vec<Taken>,
    /// Overtaken after a retry or after it was parked, which the contract allows.
    pub(crate) overtaken: usize,
    /// Overtaken without one.
    pub(crate) disorder: Vec<Taken>,
    pub(crate) pauses: Vec<Pause>,
    /// The longest that an event waited while no fault was there, and its attempts.
    pub(crate) longest_wait: Option<Wait>,
    /// Events that waited for too long for their first attempt.
    pub(crate) neglected: Vec<Wait>,
}

/// The longest time without a sign of life from one side after faults had ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pause {
    pub(crate) of: String,
    pub(crate) after: Vec<String>,
    pub(crate) lasted: Duration,
    pub(crate) allowed: Duration,
}

/// How long an event waited outside of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wait {
    pub(crate) lasted: Duration,
    pub(crate) place: Place,
    pub(crate) attempt: u32,
}

impl Evidence {
    pub(crate) fn judge(&self) -> Verdict {
        let mut verdict = Verdict { pauses: self.pauses(), ..Verdict::default() };
        for parked in &self.parked {
            *verdict.parked.entry(parked.reason.clone()).or_default() += 1;
        }
        self.find_missing(&mut verdict);
        self.find_repeats(&mut verdict);
        let waits = self.waits();
        let allowed = self.happened.iter().map(|happened| happened.fault.allowance()).max().unwrap_or_default();
        let is_neglected = |wait: &&Wait| wait.attempt <= 1 && wait.lasted > WAIT_MAX + allowed;
        verdict.neglected = waits.iter().filter(is_neglected).copied().collect();
        verdict.longest_wait = waits.into_iter().max_by_key(|wait| wait.lasted);
        verdict
    }

    fn find_missing(&self, verdict: &mut Verdict) {
        let posted: BTreeMap<Place, Duration> =
            self.accepted.iter().rev().map(|accepted| (accepted.place, accepted.posted)).collect();
        verdict.events = posted.len();
        let is_deletion = |happened: &&Happened| matches!(happened.fault, Fault::DeleteQueue(_));
        let deletions: Vec<&Happened> = self.happened.iter().filter(is_deletion).collect();
        for place in self.missing() {
            let is_deleted = !place.is_update() && deletions.iter().any(|deletion| posted[&place] <= deletion.ended);
            let list = if is_deleted { &mut verdict.deleted } else { &mut verdict.lost };
            list.push(place);
        }
    }

    fn find_repeats(&self, verdict: &mut Verdict) {
        let mut first: BTreeMap<Place, Duration> = BTreeMap::new();
        let mut latest: BTreeMap<usize, usize> = BTreeMap::new();
        let parked = self.parked_places();
        for taken in &self.taken {
            if let Some(before) = first.get(&taken.place) {
                match self.explanation(*before, taken.at) {
                    Some(fault) => *verdict.explained.entry(fault.to_string()).or_default() += 1,
                    None => verdict.unexplained.push(*taken),
                }
                continue;
            }
            first.insert(taken.place, taken.at);
            if self.restarted.is_some_and(|restarted| taken.at > restarted) {
                verdict.stuck.push(taken.place);
            }
            let latest = latest.entry(taken.place.conversation).or_insert(taken.place.turn);
            let may_be_late = taken.attempt > 1 || parked.contains(&taken.place);
            if taken.place.turn < *latest && may_be_late {
                verdict.overtaken += 1;
            } else if taken.place.turn < *latest {
                verdict.disorder.push(*taken);
            }
            *latest = taken.place.turn.max(*latest);
        }
    }

    /// The events that DSK has refused. If Meta repeats one, DSK gets it then, in whichever place.
    fn parked_places(&self) -> BTreeSet<Place> {
        self.parked.iter().map(|parked| parked.place).collect()
    }

    /// A fault between the two times at which DSK took the same event.
    fn explanation(&self, first: Duration, again: Duration) -> Option<Fault> {
        let explains = |happened: &&Happened| {
            happened.fault.explains_repeats() && happened.began <= again && first <= happened.ended + LINGERS
        };
        self.happened.iter().rev().find(explains).map(|happened| happened.fault)
    }

    /// For each group of faults, how long each side showed no sign of life after it, until the next one began.
    fn pauses(&self) -> Vec<Pause> {
        let streams = self.streams();
        let mut pauses = Vec::new();
        for group in self.groups() {
            let from = group.iter().map(|happened| happened.ended).max().unwrap_or_default();
            let began = self.happened.iter().map(|happened| happened.began);
            let until = began.filter(|began| *began > from).chain([self.load_ended]).min().unwrap_or_default();
            let allowed = group.iter().map(|happened| happened.fault.allowance()).max().unwrap_or_default();
            let after: Vec<String> = group.iter().map(|happened| happened.fault.to_string()).collect();
            for (of, moments) in &streams {
                let lasted = longest_gap(moments, from, until);
                pauses.push(Pause { of: of.clone(), after: after.clone(), lasted, allowed: PAUSE_MAX + allowed });
            }
        }
        pauses
    }

    /// The signs of life: a 200 from each ingest, and an event at the DSK of each tenant.
    fn streams(&self) -> BTreeMap<String, Vec<Duration>> {
        let mut streams: BTreeMap<String, Vec<Duration>> = BTreeMap::new();
        for accepted in &self.accepted {
            streams.entry(format!("accepting by ingest {}", accepted.ingest)).or_default().push(accepted.at);
        }
        for taken in &self.taken {
            streams.entry(format!("delivering to tenant {}", taken.place.tenant())).or_default().push(taken.at);
        }
        streams
    }

    /// How long each event that was delivered had waited beside faults.
    fn waits(&self) -> Vec<Wait> {
        let mut accepted: BTreeMap<Place, Duration> = BTreeMap::new();
        for event in &self.accepted {
            accepted.entry(event.place).or_insert(event.at);
        }
        let mut seen = self.parked_places();
        let first = self.taken.iter().filter(|taken| seen.insert(taken.place));
        let wait = |taken: &Taken| {
            let waited_from = *accepted.get(&taken.place)?;
            let lasted = taken.at.saturating_sub(waited_from).saturating_sub(self.disturbed(waited_from, taken.at));
            Some(Wait { lasted, place: taken.place, attempt: taken.attempt })
        };
        first.filter_map(wait).collect()
    }

    /// How much of a time was disturbed by a fault.
    fn disturbed(&self, from: Duration, until: Duration) -> Duration {
        let within = |group: Vec<Happened>| {
            let began = group.iter().map(|happened| happened.began).min().unwrap_or_default();
            let ended = group.iter().map(|happened| happened.ended).max().unwrap_or_default();
            ended.min(until).saturating_sub(began.max(from))
        };
        self.groups().into_iter().map(within).sum()
    }
}

impl Verdict {
    /// What must not be, in words; nothing if the service did well.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        let mut complain = |what: &str, count: usize, first: String| {
            if count > 0 {
                complaints.push(format!("{count} {what}: {first}"));
            }
        };
        complain("events lost", self.lost.len(), format!("{:?}", first(&self.lost)));
        complain("events stuck until a restart", self.stuck.len(), format!("{:?}", first(&self.stuck)));
        complain("events neglected", self.neglected.len(), format!("{:?}", first(&self.neglected)));
        complain("repeats without an explanation", self.unexplained.len(), format!("{:?}", first(&self.unexplained)));
        complain("events out of order", self.disorder.len(), format!("{:?}", first(&self.disorder)));
        for pause in self.pauses.iter().filter(|pause| pause.lasted > pause.allowed) {
            complain("pause too long", 1, pause.to_string());
        }
        complaints
    }

    pub(crate) fn worst_pause(&self) -> Duration {
        self.pauses.iter().map(|pause| pause.lasted).max().unwrap_or_default()
    }

    pub(crate) fn repeats(&self) -> usize {
        self.explained.values().sum::<usize>() + self.unexplained.len()
    }
}

impl std::fmt::Display for Pause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { of, after, lasted, allowed } = self;
        write!(f, "{of} paused for {lasted:.1?} ({allowed:.0?} allowed) after {}", after.join(" and "))
    }
}

fn first<T>(list: &[T]) -> &[T] {
    &list[..list.len().min(10)]
}

/// The longest time between `from` and `until` without any of the moments.
fn longest_gap(moments: &[Duration], from: Duration, until: Duration) -> Duration {
    let mut within: Vec<Duration> = moments.iter().copied().filter(|at| (from..=until).contains(at)).collect();
    within.sort_unstable();
    let after = within.iter().copied().chain([until]);
    std::iter::once(from)
        .chain(within.iter().copied())
        .zip(after)
        .map(|(from, to)| to.saturating_sub(from))
        .max()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
