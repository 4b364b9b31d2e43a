//! Why an attempt did not deliver, and what follows: one total table.

use std::time::Duration;

use hyper::StatusCode;

/// Why an event is not delivered yet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// DSK answered something else than "delivered".
    #[error("DSK answered {status}")]
    Answered {
        /// The status.
        status: StatusCode,
        /// What `Retry-After` asks for.
        retry_after: Option<Duration>,
        /// The first bytes of the answer.
        answer: String,
    },
    /// No connection: name, TCP or TLS.
    #[error("DSK can't be reached")]
    Unreachable,
    /// The whole attempt took too long.
    #[error("DSK did not answer in time")]
    TimedOut,
    /// A token or signing secret opens with no key of the ring.
    #[error("a sealed secret of the channel opens with no key of KEY_RING")]
    Unopenable,
    /// The channel's record can't be used as it is.
    #[error("the channel's record can't be used: {0}")]
    Damaged(String),
    /// There is no such channel.
    #[error("no channel is stored for the address")]
    UnknownChannel,
}

/// What becomes of an event that is not delivered yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// It was delivered after all.
    Delivered,
    /// DSK is away: again soon, then ever later.
    Retry,
    /// DSK asks for a pause of its destination.
    Wait(Option<Duration>),
    /// Our side is at fault, not the event: its channel is paused until a person has mended that.
    Mend,
    /// The channel may be on its way: again for a while.
    Await,
    /// The event is at fault.
    DeadLetter(Reason),
}

/// Why an event was parked, as written on the dead letter and as a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// DSK refused it.
    Rejected,
    /// It could not be delivered in 24 hours of trying.
    Expired,
    /// No channel was stored for its address for 10 minutes.
    UnknownChannel,
    /// Meta signed something that is no notification.
    Unrecognized,
    /// What was in the queue was no envelope.
    Undecodable,
    /// Delivering it made the dispatcher panic.
    Panicked,
}

impl Reason {
    /// All, for metrics that read 0 from the start.
    pub const ALL: [Self; 6] =
        [Self::Rejected, Self::Expired, Self::UnknownChannel, Self::Unrecognized, Self::Undecodable, Self::Panicked];

    /// As written on a dead letter.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::UnknownChannel => "unknown_channel",
            Self::Unrecognized => "unrecognized",
            Self::Undecodable => "undecodable",
            Self::Panicked => "panicked",
        }
    }
}

impl Cause {
    /// The remedy. No `_` arm: a new cause does not compile until someone has decided.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Answered { status, retry_after, .. } => answer_remedy(*status, *retry_after),
            Self::Unreachable | Self::TimedOut => Remedy::Retry,
            Self::Unopenable | Self::Damaged(_) => Remedy::Mend,
            Self::UnknownChannel => Remedy::Await,
        }
    }

    /// As a metric label.
    pub fn outcome(&self) -> &'static str {
        match (self, self.remedy()) {
            (Self::UnknownChannel, _) => "unknown_channel",
            (Self::TimedOut, _) => "timed_out",
            (Self::Unopenable, _) => "unopenable",
            (_, Remedy::Delivered) => "delivered",
            (_, Remedy::Retry) => "unavailable",
            (_, Remedy::Wait(_)) => "throttled",
            (_, Remedy::Mend | Remedy::Await) => "misconfigured",
            (_, Remedy::DeadLetter(_)) => "rejected",
        }
    }

    /// Every label that [`Self::outcome`] gives.
    pub const OUTCOMES: [&str; 8] = [
        "delivered",
        "unavailable",
        "timed_out",
        "throttled",
        "misconfigured",
        "unopenable",
        "unknown_channel",
        "rejected",
    ];

    /// Whether a request was made.
    pub fn is_attempt(&self) -> bool {
        match self {
            Self::Answered { .. } | Self::Unreachable | Self::TimedOut => true,
            Self::Unopenable | Self::Damaged(_) | Self::UnknownChannel => false,
        }
    }

    /// What DSK answered, for the dead letter.
    pub fn answer(&self) -> (Option<u16>, &str) {
        match self {
            Self::Answered { status, answer, .. } => (Some(status.as_u16()), answer),
            Self::Unreachable | Self::TimedOut | Self::Unopenable | Self::Damaged(_) | Self::UnknownChannel => {
                (None, "")
            }
        }
    }
}

/// Any answer with `Retry-After` asks for a pause, unless the event got there or is refused for good.
fn answer_remedy(status: StatusCode, retry_after: Option<Duration>) -> Remedy {
    match (status.as_u16(), retry_after) {
        (200..=299 | 409, _) => Remedy::Delivered,
        (429, pause) => Remedy::Wait(pause),
        (408 | 425 | 500..=599, Some(pause)) => Remedy::Wait(Some(pause)),
        (408 | 425 | 500..=599, None) => Remedy::Retry,
        (300..=399 | 401 | 403 | 404 | 410, _) => Remedy::Mend,
        // 1xx never ends an exchange, and above 599 nothing is defined: both are a broken server, not a broken event.
        (..=199 | 600.., _) => Remedy::Retry,
        (400..=499, Some(pause)) => Remedy::Wait(Some(pause)),
        (400..=499, None) => Remedy::DeadLetter(Reason::Rejected),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remedy(status: u16, retry_after: Option<u64>) -> Remedy {
        let status = StatusCode::from_u16(status).unwrap();
        Cause::Answered { status, retry_after: retry_after.map(Duration::from_secs), answer: String::new() }.remedy()
    }

    #[test]
    fn each_answer_has_the_remedy_that_the_contract_names() {
        let rejected = Remedy::DeadLetter(Reason::Rejected);
        for (statuses, expected) in [
            (&[200, 201, 202, 204, 409][..], Remedy::Delivered),
            (&[408, 425, 500, 502, 503, 504, 599], Remedy::Retry),
            (&[429], Remedy::Wait(None)),
            (&[301, 302, 307, 401, 403, 404, 410], Remedy::Mend),
            (&[400, 405, 413, 415, 422, 451], rejected),
        ] {
            for status in statuses {
                assert_eq!(remedy(*status, None), expected, "{status}");
            }
        }
    }

    #[test]
    fn retry_after_is_honoured_with_any_answer_that_is_not_final() {
        let pause = Remedy::Wait(Some(Duration::from_secs(7)));

        for status in [408, 422, 429, 500, 503] {
            assert_eq!(remedy(status, Some(7)), pause, "{status}");
        }
        assert_eq!(remedy(200, Some(7)), Remedy::Delivered);
    }
}
