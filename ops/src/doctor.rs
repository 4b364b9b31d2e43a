//! `ops doctor`: checks everything that the service depends on, and ends each complaint with the next step.

mod broker;
mod endpoints;
mod findings;
mod key_file;
mod redis;
mod setting;

use std::time::Duration;

use ::channels::{Allowance, ChannelStore, ChannelsSettings, KeyRing, KeyRingSettings};
use chassis::{Shutdown, now};
use clap::builder::Resettable;
use clap::{Args, Command, FromArgMatches as _};
use connect::PrivacySettings;
use dispatcher::Endpoint;
use event::Class;
use jiff::Timestamp;
use prometheus::Registry;
use queue::{Queue, QueueError, QueueName, QueueSettings};
use url::Url;

use crate::failure::Failure;
use crate::keys::{RECOGNISE_AGAIN, unrecognised};
use crate::logging::CommandLogging;
use crate::open;
use crate::output::counted;
use findings::Findings;
pub(crate) use setting::Setting;

/// DSK accepts a signature whose time is five minutes off. A clock that is off by half a minute is not synchronised.
const CLOCK_OFF_MAX: Duration = Duration::from_secs(30);

/// Checks settings, keys, queue, channels, DSK and clock with the dispatcher's settings. It changes nothing and sends no
/// events. The exit code is 1 if something is wrong.
#[derive(Args, Debug)]
pub(crate) struct Doctor {
    /// Where DSK takes events. The check sends a HEAD request without a token.
    #[arg(long, env)]
    dsk_url: Option<String>,
    /// Allows http to other machines.
    #[arg(long, env)]
    dsk_allow_http: bool,
    /// Allows channels to have a URL of their own in a private network.
    #[arg(long, env)]
    dsk_allow_private: bool,
    /// Where browsers reach the pages, if connect runs. The check looks at what its privacy policy must name.
    #[arg(long, env)]
    connect_url: Option<Url>,
    #[command(flatten)]
    privacy: PrivacySettings,
    #[command(flatten)]
    key_ring: KeyRingSettings,
    #[command(flatten)]
    queue: QueueSettings,
    #[command(flatten)]
    channels: ChannelsSettings,
    #[command(flatten)]
    logging: CommandLogging,
}

impl Doctor {
    /// The check of these settings, whatever the environment says. Settings that it does not look at are left out.
    pub(crate) fn with(settings: &[Setting]) -> Result<Self, Failure> {
        let command = Self::augment_args(Command::new("doctor").no_binary_name(true));
        let options: Vec<String> = settings.iter().filter_map(|setting| setting.option(&command)).collect();
        let command = command.mut_args(|argument| argument.env(Resettable::Reset));
        let matches = command.try_get_matches_from(options).map_err(Failure::usage)?;
        Self::from_arg_matches(&matches).map_err(Failure::usage)
    }

    pub(crate) async fn run(self) -> Result<(), Failure> {
        self.logging.start()?;
        let shutdown = Shutdown::default();
        let mut findings = Findings::default();
        let key_ring = self.keys(&mut findings);
        self.privacy(&mut findings);
        broker::check(&self.queue, &mut findings).await;
        self.queue(&mut findings, &shutdown).await?;
        let store_time = self.channels(&mut findings, key_ring.as_ref(), &shutdown).await?;
        let dsk_time = self.dsk(&mut findings).await;
        clock(&mut findings, "DSK", dsk_time);
        clock(&mut findings, "Redis", store_time);
        open::finish(&shutdown).await;
        findings.result()
    }

    fn keys(&self, findings: &mut Findings) -> Option<KeyRing> {
        let metrics = ::channels::Metrics::register(&Registry::new()).ok()?;
        match KeyRing::load(&self.key_ring, &metrics) {
            Ok(key_ring) => {
                findings.ok("keys", format!("{} in the key ring", counted(key_ring.len(), "key")));
                if let Some(mode) = self.key_ring.key_ring_file.as_deref().and_then(key_file::exposing_mode) {
                    let text = format!("every user of this machine can read the file (mode {mode:o})");
                    findings.wrong("keys", text, "give it to the user that runs the processes, then chmod 600 it");
                }
                for key in key_ring.unmarked_keys() {
                    let text = format!("key {key} opens a token wherever in the channel store it was copied to");
                    findings.wrong("keys", text, "`ops keys rotate`, then write `bound:` before the key, as it says");
                }
                Some(key_ring)
            }
            Err(problem) => {
                findings.wrong(
                    "keys",
                    problem.to_string(),
                    "`ops keys new` prints a key; every process needs the ring",
                );
                None
            }
        }
    }

    /// Who connects a channel must read who is responsible for their data.
    fn privacy(&self, findings: &mut Findings) {
        let Some(url) = &self.connect_url else { return };
        if let Err(problem) = self.privacy.check(url) {
            findings.wrong("privacy", problem.to_string(), "docs/data-protection.md says what else to fill in");
            return;
        }
        match self.privacy.general_words().as_slice() {
            [] => findings.ok("privacy", "the operator has filled in what only the operator can say"),
            general => {
                let text = format!("the policy uses general words in place of {}", general.join(", "));
                findings.ok("privacy", text);
            }
        }
    }

    async fn queue(&self, findings: &mut Findings, shutdown: &Shutdown) -> Result<(), Failure> {
        let metrics = queue::Metrics::register(&Registry::new())?;
        let queue = match Queue::open(&self.queue, metrics, shutdown).await {
            Ok(queue) => queue,
            Err(error) => {
                let next_step = match error {
                    QueueError::Mismatch { .. } => "do that in this order",
                    QueueError::TooFewChannels { .. } => "do that, and start the processes again",
                    QueueError::Settings(_)
                    | QueueError::Undeclared { .. }
                    | QueueError::Away(_)
                    | QueueError::Locked { .. }
                    | QueueError::ScanLocked { .. }
                    | QueueError::Files(_) => "correct QUEUE_URL",
                };
                findings.wrong("queue", error.to_string(), next_step);
                return Ok(());
            }
        };
        if let Some(trouble) = queue.trouble() {
            findings.wrong("queue", trouble, "start RabbitMQ, free its memory or disk, or correct QUEUE_URL");
            return Ok(());
        }
        let depths = queue.depths().await?;
        findings.ok("queue", format!("reached, all {} queues are as this version declares them", depths.len()));
        for (class, takers) in queue.takers().await? {
            let waiting = depth(&depths, QueueName::Class(class));
            if takers == 0 {
                let text = format!("no dispatcher takes {} ({waiting} waiting)", class.as_str());
                findings.wrong("queue", text, "start a dispatcher; `ops status` shows those that run");
            }
        }
        let dead = depth(&depths, QueueName::Dead);
        if dead > 0 {
            let next_step = "`ops dead-letters list` shows them, `ops dead-letters show ID` explains one";
            findings.wrong("queue", format!("{} for a person to look at", counted(dead, "dead letter")), next_step);
        }
        let waiting: u64 = Class::ALL.map(|class| depth(&depths, QueueName::Class(class))).iter().sum();
        findings.ok("queue", format!("{} waiting", counted(waiting, "envelope")));
        Ok(())
    }

    async fn channels(
        &self,
        findings: &mut Findings,
        key_ring: Option<&KeyRing>,
        shutdown: &Shutdown,
    ) -> Result<Option<Timestamp>, Failure> {
        let metrics = ::channels::Metrics::register(&Registry::new())?;
        let store = match ChannelStore::open(&self.channels, metrics, shutdown) {
            Ok(store) => store,
            Err(problem) => {
                findings.wrong("channels", problem.to_string(), "correct CHANNELS_URL");
                return Ok(None);
            }
        };
        let time = redis::check(findings, &store).await;
        match store.is_initialised().await {
            Ok(true) => {}
            Ok(false) => {
                let next_step = "restore its backup, or add the first channel with `ops channels add`";
                findings.wrong("channels", "the store holds no channel, and never held one", next_step);
                return Ok(time);
            }
            Err(error) => {
                findings.wrong("channels", error.to_string(), "start Redis, or correct CHANNELS_URL");
                return Ok(None);
            }
        }
        if let Some(trouble) = store.trouble() {
            findings.wrong(
                "channels",
                trouble.to_string(),
                "see what Redis says of this error, and free its memory or disk",
            );
        }
        let allowance = Allowance { http: self.dsk_allow_http, private: self.dsk_allow_private };
        endpoints::check(findings, &store, allowance).await?;
        let Some(key_ring) = key_ring else { return Ok(time) };
        let key_use = store.key_use(key_ring).await?;
        let tokens = counted(key_use.by_key.iter().sum::<usize>(), "sealed token");
        findings.ok("channels", format!("{}; the key ring opens {tokens}", counted(key_use.records, "record")));
        if let Some(complaint) = unrecognised(&key_use) {
            findings.wrong("channels", complaint, RECOGNISE_AGAIN);
        }
        for address in &key_use.unopenable {
            let next_step = "add the key that sealed it to KEY_RING, or store a new one with `ops channels add`";
            findings.wrong("channels", format!("no key opens a token of {address}"), next_step);
        }
        Ok(time)
    }

    async fn dsk(&self, findings: &mut Findings) -> Option<Timestamp> {
        let Some(url) = &self.dsk_url else {
            findings.ok("dsk", "DSK_URL is not set: every channel needs its own dsk_url");
            return None;
        };
        let allowance = Allowance { http: self.dsk_allow_http, private: true };
        let endpoint = match Endpoint::parse(url, allowance) {
            Ok(endpoint) => endpoint,
            Err(problem) => {
                findings.wrong("dsk", problem.to_string(), "correct DSK_URL");
                return None;
            }
        };
        match dispatcher::reach(&endpoint).await {
            Ok(reached) => {
                findings.ok("dsk", format!("reached (HEAD was answered {})", reached.status));
                reached.date
            }
            Err(error) => {
                findings.wrong(
                    "dsk",
                    error.to_string(),
                    "see whether DSK runs, and whether name, route and certificate are right",
                );
                None
            }
        }
    }
}

fn clock(findings: &mut Findings, other: &str, time: Option<Timestamp>) {
    let Some(time) = time else { return };
    let difference = now().duration_since(time).unsigned_abs();
    if difference > CLOCK_OFF_MAX {
        let next_step = "synchronise both clocks by NTP: DSK refuses signatures whose time is off";
        findings.wrong("clock", format!("{} s off the clock of {other}", difference.as_secs()), next_step);
    } else {
        findings.ok("clock", format!("agrees with the clock of {other}"));
    }
}

fn depth(depths: &[(QueueName, u64)], place: QueueName) -> u64 {
    depths.iter().find(|(one, _)| *one == place).map_or(0, |(_, waiting)| *waiting)
}
