//! How an attempt ended, and what follows from a failure: one total table.

use std::time::Duration;

use hyper::StatusCode;

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// DSK has the event.
    Delivered {
        /// The status of its answer.
        status: StatusCode,
    },
    /// DSK does not have the event, as far as we know.
    Failed(Failure),
}

/// Why an attempt did not deliver, or why none could be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// DSK answered, and its answer does not mean "delivered".
    #[error("DSK answered {status}")]
    Answered {
        /// The status.
        status: StatusCode,
        /// What the status and `Retry-After` mean.
        remedy: Remedy,
        /// The first bytes of the answer.
        answer: String,
    },
    /// There was no connection: the name, TCP or TLS failed.
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
    /// The store has no channel for the address.
    #[error("no channel is stored for the address")]
    UnknownChannel,
}

/// What becomes of an event whose attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// DSK is unavailable: retry soon, then less and less often.
    Retry,
    /// DSK asks for a pause of the destination.
    Wait(Option<Duration>),
    /// Our side is at fault, not the event: pause the channel until a person has corrected its record.
    Mend,
    /// The channel may be about to be stored: retry for a while.
    Await,
    /// The event is at fault: park it.
    DeadLetter(Reason),
}

/// Why an event was parked, as written on the dead letter and as a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// DSK refused the event.
    Rejected,
    /// The event could not be delivered in 24 hours of trying.
    Expired,
    /// No channel was stored for the event's address for 10 minutes.
    UnknownChannel,
    /// Meta signed something that is not a notification.
    Unrecognized,
    /// The message in the queue was not an envelope.
    Undecodable,
    /// Delivering the event made the dispatcher panic.
    Panicked,
    /// A person whom it concerns is held: they asked for a restriction of processing.
    Held,
}

impl Reason {
    /// Every reason, for metrics that read 0 from the start.
    pub const ALL: [Self; 7] = [
        Self::Rejected,
        Self::Expired,
        Self::UnknownChannel,
        Self::Unrecognized,
        Self::Undecodable,
        Self::Panicked,
        Self::Held,
    ];

    /// The reason as written on a dead letter.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::UnknownChannel => "unknown_channel",
            Self::Unrecognized => "unrecognized",
            Self::Undecodable => "undecodable",
            Self::Panicked => "panicked",
            Self::Held => "held",
        }
    }
}

impl Outcome {
    /// The outcome of an attempt that DSK answered.
    pub fn of_answer(status: StatusCode, retry_after: Option<Duration>, answer: String) -> Self {
        match answer_remedy(status, retry_after) {
            None => Self::Delivered { status },
            Some(remedy) => Self::Failed(Failure::Answered { status, remedy, answer }),
        }
    }

    /// The remedy; `None` if there is nothing to remedy.
    pub fn remedy(&self) -> Option<Remedy> {
        match self {
            Self::Delivered { .. } => None,
            Self::Failed(failure) => Some(failure.remedy()),
        }
    }

    /// Whether a request was made.
    pub(crate) fn is_attempt(&self) -> bool {
        match self {
            Self::Delivered { .. } => true,
            Self::Failed(failure) => failure.is_attempt(),
        }
    }
}

impl Failure {
    /// The remedy. There is no `_` arm: a new failure does not compile until someone has decided.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Answered { remedy, .. } => *remedy,
            Self::Unreachable | Self::TimedOut => Remedy::Retry,
            Self::Unopenable | Self::Damaged(_) => Remedy::Mend,
            Self::UnknownChannel => Remedy::Await,
        }
    }

    /// Whether a request was made.
    pub(crate) fn is_attempt(&self) -> bool {
        match self {
            Self::Answered { .. } | Self::Unreachable | Self::TimedOut => true,
            Self::Unopenable | Self::Damaged(_) | Self::UnknownChannel => false,
        }
    }
}

/// What an answer means; `None` is "delivered". Any answer with `Retry-After` asks for a pause, unless DSK has the event
/// or refuses it for good.
fn answer_remedy(status: StatusCode, retry_after: Option<Duration>) -> Option<Remedy> {
    let remedy = match (status.as_u16(), retry_after) {
        (200..=299 | 409, _) => return None,
        (429, pause) => Remedy::Wait(pause),
        (408 | 425 | 500..=599, Some(pause)) => Remedy::Wait(Some(pause)),
        (408 | 425 | 500..=599, None) => Remedy::Retry,
        (300..=399 | 401 | 403 | 404 | 410, _) => Remedy::Mend,
        // 1xx never ends an exchange, and above 599 nothing is defined: both are a broken server, not a broken event.
        (..=199 | 600.., _) => Remedy::Retry,
        (400..=499, Some(pause)) => Remedy::Wait(Some(pause)),
        (400..=499, None) => Remedy::DeadLetter(Reason::Rejected),
    };
    Some(remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remedy(status: u16, retry_after: Option<u64>) -> Option<Remedy> {
        let status = StatusCode::from_u16(status).unwrap();
        Outcome::of_answer(status, retry_after.map(Duration::from_secs), String::new()).remedy()
    }

    #[test]
    fn each_answer_has_the_remedy_that_the_contract_names() {
        let rejected = Remedy::DeadLetter(Reason::Rejected);
        for (statuses, expected) in [
            (&[200, 201, 202, 204, 409][..], None),
            (&[408, 425, 500, 502, 503, 504, 599], Some(Remedy::Retry)),
            (&[429], Some(Remedy::Wait(None))),
            (&[301, 302, 307, 401, 403, 404, 410], Some(Remedy::Mend)),
            (&[400, 405, 413, 415, 422, 451], Some(rejected)),
        ] {
            for status in statuses {
                assert_eq!(remedy(*status, None), expected, "{status}");
            }
        }
    }

    /// Log lines and errors are made of it.
    #[test]
    fn what_dsk_answers_stands_in_no_text_of_a_failure() {
        let answer = "{\"error\":\"no customer Ada Sample\"}";
        let outcome = Outcome::of_answer(StatusCode::UNPROCESSABLE_ENTITY, None, answer.to_owned());

        let Outcome::Failed(failure) = outcome else { panic!("{outcome:?}") };
        assert_eq!(failure.to_string(), "DSK answered 422 Unprocessable Entity");
    }

    #[test]
    fn retry_after_is_honoured_with_any_answer_that_is_not_final() {
        let pause = Remedy::Wait(Some(Duration::from_secs(7)));

        for status in [408, 422, 429, 500, 503] {
            assert_eq!(remedy(status, Some(7)), Some(pause), "{status}");
        }
        assert_eq!(remedy(200, Some(7)), None, "the event is delivered");
    }
}
