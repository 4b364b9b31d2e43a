//! The dispatcher's settings, and the relations that must hold between them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use channels::{ChannelsSettings, KeyRingSettings};
use chassis::{Problem, Problems, Secret, SigningSecret, TelemetrySettings, read_secret};
use clap::{Args, Parser};
use event::Class;
use queue::QueueSettings;

/// Takes envelopes from the queue and delivers each event to DSK, once in effect.
#[derive(Clone, Debug, Parser)]
#[command(name = "dispatcher", version)]
pub struct Settings {
    /// Where `/metrics`, `/live` and `/ready` are served.
    #[arg(long, env, default_value = "127.0.0.1:9402")]
    pub admin_listen: SocketAddr,
    /// How events are delivered.
    #[command(flatten)]
    pub dispatcher: DispatcherSettings,
    /// Where the queue is.
    #[command(flatten)]
    pub queue: QueueSettings,
    /// Where the channels are.
    #[command(flatten)]
    pub channels: ChannelsSettings,
    /// What opens their tokens.
    #[command(flatten)]
    pub key_ring: KeyRingSettings,
    /// What is logged.
    #[command(flatten)]
    pub telemetry: TelemetrySettings,
}

/// How events are delivered.
#[derive(Args, Clone, Debug)]
pub struct DispatcherSettings {
    /// Where DSK takes events, unless a channel has a URL of its own.
    #[arg(long, env)]
    pub dsk_url: Option<String>,
    /// Secret (`whsec_…`) that signs what DSK gets, unless a channel has one of its own.
    #[arg(long, env, hide = true, hide_env_values = true)]
    pub dsk_signing_secret: Option<Secret>,
    /// A file that holds `DSK_SIGNING_SECRET`.
    #[arg(long, env)]
    pub dsk_signing_secret_file: Option<PathBuf>,
    /// Allows http to other machines. Tokens and messages then travel in clear.
    #[arg(long, env)]
    pub dsk_allow_http: bool,
    /// Allows addresses of private networks as a channel's own URL. `DSK_URL` may always be one.
    #[arg(long, env)]
    pub dsk_allow_private: bool,
    /// Longest time of one attempt, from connect to the status of the answer. Reading its body ends then, too, but a body
    /// that does not end changes nothing.
    #[arg(long, env, default_value = "10s", value_parser = humantime::parse_duration)]
    pub attempt_timeout: Duration,
    /// Attempts under way at once for events of class `messages`. Up to 4,096 envelopes of a class are in flight besides.
    #[arg(long, env, default_value_t = 192, value_parser = clap::value_parser!(u16).range(1..=2000))]
    pub messages_window: u16,
    /// The same for events of class `updates`.
    #[arg(long, env, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=2000))]
    pub updates_window: u16,
    /// Longest time an envelope is held while it waits; then it is given back and taken again in its order. RabbitMQ
    /// closes the AMQP channel of a consumer that holds a message for 30 minutes (its `consumer_timeout`).
    #[arg(long, env, default_value = "25m", value_parser = humantime::parse_duration)]
    pub hold_time: Duration,
}

impl Settings {
    /// Shorter than the 30 s after which Kubernetes kills the process.
    pub const GRACE: Duration = Duration::from_secs(28);
}

impl DispatcherSettings {
    /// How long attempts under way may go on after a stop: longer than one attempt takes, so that it can finish.
    pub(crate) const DRAIN: Duration = Duration::from_secs(25);
    /// An attempt that takes longer than this could not finish in [`Self::DRAIN`].
    const ATTEMPT_TIMEOUT_MAX: Duration = Duration::from_secs(20);

    /// Finds everything that is wrong, not only the first of it.
    pub fn check(&self) -> Result<(), Problems> {
        let mut problems = Problems::default();
        problems.collect(self.check_times());
        problems.collect(self.signing_secret());
        problems.finish()
    }

    /// How many attempts of a class are under way at once.
    pub(crate) fn window(&self, class: Class) -> u16 {
        match class {
            Class::Messages => self.messages_window,
            Class::Updates => self.updates_window,
        }
    }

    /// `DSK_SIGNING_SECRET`, checked.
    pub(crate) fn signing_secret(&self) -> Result<Option<SigningSecret>, Problem> {
        let file = self.dsk_signing_secret_file.as_deref();
        let given = read_secret("DSK_SIGNING_SECRET", self.dsk_signing_secret.as_ref(), file)?;
        let parsed = given.as_ref().map(SigningSecret::parse).transpose();
        parsed
            .map_err(|error| Problem::new("DSK_SIGNING_SECRET", "is not a Standard Webhooks secret", error.to_string()))
    }

    /// Refuses an attempt that a stop could not wait for.
    pub(crate) fn check_times(&self) -> Result<(), Problem> {
        if self.attempt_timeout.is_zero() || self.attempt_timeout > Self::ATTEMPT_TIMEOUT_MAX {
            return Err(Problem::new(
                "ATTEMPT_TIMEOUT",
                format!("is {:?}", self.attempt_timeout),
                format!("give more than 0 and at most {:?}, so that a stop can wait for it", Self::ATTEMPT_TIMEOUT_MAX),
            ));
        }
        Ok(())
    }
}
