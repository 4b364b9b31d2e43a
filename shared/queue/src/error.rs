//! Why the queue can't be used.

use chassis::Problem;

/// Why the queue can't be used. A broker that is away when a process starts is no error: the process waits for it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum QueueError {
    /// `QUEUE_URL` is wrong.
    #[error("{0}")]
    Settings(Problem),
    /// A queue exists with other arguments than this version declares.
    #[error(
        "queue {queue} exists with other arguments ({answer}): stop every process, let the queue run empty, delete it \
         and start again; or give QUEUE_URL another vhost"
    )]
    Mismatch {
        /// The queue's name.
        queue: &'static str,
        /// The broker's answer.
        answer: String,
    },
    /// The broker grants fewer AMQP channels than one connection needs.
    #[error(
        "the broker grants too few AMQP channels ({answer}), and {needed} are needed on one connection: raise \
         channel_max in rabbitmq.conf, and the user's limit with `rabbitmqctl set_user_limits USER \
         '{{\"max-channels\": -1}}'`"
    )]
    TooFewChannels {
        /// How many are needed.
        needed: usize,
        /// The broker's answer.
        answer: String,
    },
    /// A queue does not exist, and this user may not declare it.
    #[error(
        "queue {queue} does not exist, and this user may not declare it: start a dispatcher, or run `ops topology`"
    )]
    Undeclared {
        /// The queue's name.
        queue: &'static str,
    },
    /// The broker can't be reached, and the caller can't wait for it.
    #[error("the broker can't be reached ({0}): start it, or correct QUEUE_URL")]
    Away(String),
    /// Another process takes from this embedded queue.
    #[error("{holder} takes from the embedded queue {folder}: stop that process first")]
    Locked {
        /// The queue's folder.
        folder: String,
        /// The process that holds the lock.
        holder: String,
    },
    /// Another process scans the dead letters.
    #[error("{holder} scans the dead letters: wait until it is done, or stop it")]
    ScanLocked {
        /// The process that holds the lock.
        holder: String,
    },
    /// The embedded queue's files can't be used.
    #[error("the embedded queue can't be used: {0}")]
    Files(String),
}

impl QueueError {
    /// Whether a process that meets it at the broker can do nothing but end and say so.
    pub(crate) fn ends_process(&self) -> bool {
        matches!(self, Self::Mismatch { .. } | Self::TooFewChannels { .. })
    }
}

/// For a start that reports all problems with the settings together.
impl From<QueueError> for Problem {
    fn from(error: QueueError) -> Self {
        Self::new("QUEUE_URL", "can't be used", error.to_string())
    }
}

impl From<Problem> for QueueError {
    fn from(problem: Problem) -> Self {
        Self::Settings(problem)
    }
}

impl From<lapin::Error> for QueueError {
    fn from(error: lapin::Error) -> Self {
        Self::Away(error.to_string())
    }
}

impl From<sqlite::WriteError> for QueueError {
    fn from(error: sqlite::WriteError) -> Self {
        Self::Files(error.to_string())
    }
}
