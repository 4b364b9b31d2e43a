//! Plays DSK: how it answers an attempt, after how long, and whether it stores the event.

use std::time::Duration;

use hyper::StatusCode;

use super::chance::{millis, one_in};
use super::faults::{Misfit, Trouble};
use super::plan::{Kind, Plan};
use crate::remedy::{Failure, Outcome};

/// How long an attempt may take.
const ATTEMPT_TIME: Duration = Duration::from_secs(10);

/// What becomes of an attempt.
#[derive(Debug)]
pub(super) struct Reply {
    /// `None`: it panics.
    pub(super) outcome: Option<Outcome>,
    pub(super) takes: Duration,
    /// DSK has the event.
    pub(super) is_stored: bool,
}

impl Reply {
    fn answered(status: u16, retry_after: Option<u64>) -> Self {
        let status = StatusCode::from_u16(status).expect("it is a status");
        let outcome = Outcome::of_answer(status, retry_after.map(Duration::from_secs), String::new());
        let is_stored = matches!(outcome, Outcome::Delivered { .. });
        Self { outcome: Some(outcome), takes: soon(), is_stored }
    }

    fn failed(failure: Failure, takes: Duration) -> Self {
        Self { outcome: Some(Outcome::Failed(failure)), takes, is_stored: false }
    }
}

/// What becomes of an attempt of this event that DSK receives at this time.
pub(super) fn reply(plan: &Plan, event: usize, time: Duration) -> Reply {
    let lane = plan.events[event].lane;
    let misfit = plan.misfit(plan.lanes[lane].channel, time);
    if misfit == Some(Misfit::Unopenable) {
        return Reply::failed(Failure::Unopenable, Duration::ZERO);
    }
    if let Some(reply) = plan.trouble(plan.customer_of(lane), time).and_then(failing) {
        return reply;
    }
    if matches!(misfit, Some(Misfit::Refused | Misfit::RefusedForAWhile)) {
        return Reply::answered(401, None);
    }
    match plan.events[event].kind {
        Kind::Rejected => Reply::answered(400, None),
        Kind::Indigestible => Reply::answered(500, None),
        Kind::Panicking => Reply { outcome: None, takes: soon(), is_stored: false },
        Kind::Plain | Kind::Unrecognized | Kind::Undecodable => well(),
    }
}

fn well() -> Reply {
    Reply::answered(if one_in(30) { 409 } else { 200 }, None)
}

/// How a trouble shows in one attempt, if it does.
fn failing(trouble: Trouble) -> Option<Reply> {
    let reply = match trouble {
        Trouble::Refuses => Reply::failed(Failure::Unreachable, soon()),
        Trouble::Hangs { is_stored } => Reply { is_stored, ..Reply::failed(Failure::TimedOut, ATTEMPT_TIME) },
        Trouble::Unavailable => Reply::answered(503, None),
        Trouble::Throttles(retry_after) => Reply::answered(429, retry_after),
        Trouble::Postpones(retry_after) => Reply::answered(503, Some(retry_after)),
        Trouble::Slow => Reply { takes: millis(7_000..9_900), ..well() },
        Trouble::Flaky if fastrand::bool() => Reply::answered(503, None),
        Trouble::Flaky => return None,
    };
    Some(reply)
}

fn soon() -> Duration {
    millis(if one_in(20) { 200..2_000 } else { 5..100 })
}
