//! `ops doctor`: tries everything that the service stands on, and ends each finding with the next step.

use std::time::Duration;

use ::channels::{ChannelStore, ChannelsSettings, KeyRing, KeyRingSettings, StoreError};
use chassis::{Shutdown, TelemetrySettings, now, start_telemetry};
use clap::Args;
use dispatcher::{Allowance, Endpoint};
use event::Class;
use jiff::Timestamp;
use prometheus::Registry;
use queue::{Broker, OpenError, Place, Queue, QueueSettings};

use crate::cli::Failed;
use crate::open;

/// A signature's time may be five minutes off at DSK; half a minute is a clock that nobody keeps.
const CLOCK_OFF_MAX: Duration = Duration::from_secs(30);

/// Tries settings, keys, queue, channels, DSK and clock with the settings that the dispatcher has. Nothing is changed,
/// nothing is sent. Exit code 1 if something is wrong.
#[derive(Args, Debug)]
pub(crate) struct Doctor {
    /// Where DSK takes events: it is asked whether anybody is there, without a token.
    #[arg(long, env)]
    dsk_url: Option<String>,
    /// Allows http to other machines.
    #[arg(long, env)]
    dsk_allow_http: bool,
    #[command(flatten)]
    key_ring: KeyRingSettings,
    #[command(flatten)]
    queue: QueueSettings,
    #[command(flatten)]
    channels: ChannelsSettings,
    #[command(flatten)]
    telemetry: TelemetrySettings,
}

/// What was found about one thing.
struct Finding {
    what: &'static str,
    text: String,
    /// What is wrong ends with what to do.
    next_step: Option<String>,
}

fn well(what: &'static str, text: impl Into<String>) {
    Finding { what, text: text.into(), next_step: None }.show();
}

/// What was wrong so far; each finding is shown at once.
#[derive(Default)]
struct Findings {
    wrong: usize,
}

impl Findings {
    fn wrong(&mut self, what: &'static str, text: impl Into<String>, next_step: impl Into<String>) {
        self.wrong += 1;
        Finding { what, text: text.into(), next_step: Some(next_step.into()) }.show();
    }
}

impl Finding {
    fn show(&self) {
        let mark = if self.next_step.is_some() { "WRONG" } else { "ok" };
        println!("{mark:<6} {:<9} {}", self.what, self.text);
        if let Some(next_step) = &self.next_step {
            println!("{:<16} next: {next_step}", "");
        }
    }
}

impl Doctor {
    pub(crate) async fn run(self) -> Result<(), Failed> {
        start_telemetry(&self.telemetry).map_err(Failed::wrong)?;
        let (shutdown, mut findings) = (Shutdown::default(), Findings::default());
        let key_ring = self.keys(&mut findings);
        self.broker(&mut findings).await;
        self.queue(&mut findings, &shutdown).await?;
        let store_time = self.channels(&mut findings, (key_ring.as_ref(), &shutdown)).await?;
        let dsk_time = self.dsk(&mut findings).await;
        clock(&mut findings, [("DSK", dsk_time), ("Redis", store_time)]);
        open::finish(&shutdown).await;
        match findings.wrong {
            0 => Ok(()),
            1 => Err(Failed::tried("one thing is wrong, see above")),
            wrong => Err(Failed::tried(format!("{wrong} things are wrong, see above"))),
        }
    }

    fn keys(&self, findings: &mut Findings) -> Option<KeyRing> {
        let metrics = ::channels::Metrics::register(&Registry::new()).ok()?;
        match KeyRing::load(&self.key_ring, &metrics) {
            Ok(key_ring) => {
                well("keys", format!("{} in the key ring", key_ring.len()));
                if let Some(mode) = self.key_ring.readable_by_others() {
                    let next_step = "chmod 600, and let only the processes' user own it";
                    findings.wrong("keys", format!("the file is readable by others (mode {mode:o})"), next_step);
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

    /// Asked first: one that is too old may refuse the queues, and then that is why.
    async fn broker(&self, findings: &mut Findings) {
        // In files; or it can't be asked, which is said by whoever asks next.
        let Ok(Some(broker)) = Broker::ask(&self.queue).await else { return };
        let name = format!("{} {}", broker.product, broker.version);
        match broker.trouble() {
            None => well("queue", format!("{name} is reached")),
            Some(trouble) => {
                let next_step = "upgrade it (runbook, \"Upgrading RabbitMQ\"), or give QUEUE_URL a newer one";
                findings.wrong("queue", format!("{name}: {trouble}"), next_step);
            }
        }
    }

    async fn queue(&self, findings: &mut Findings, shutdown: &Shutdown) -> Result<(), Failed> {
        let metrics = queue::Metrics::register(&Registry::new())?;
        let queue = match Queue::open(&self.queue, metrics, shutdown).await {
            Ok(queue) => queue,
            Err(error) => {
                let is_mismatch = matches!(error, OpenError::Mismatch { .. });
                let next_step = if is_mismatch { "do that, in that order" } else { "correct QUEUE_URL" };
                findings.wrong("queue", error.to_string(), next_step);
                return Ok(());
            }
        };
        if let Some(trouble) = queue.trouble() {
            findings.wrong("queue", trouble, "start RabbitMQ, free its memory or disk, or correct QUEUE_URL");
            return Ok(());
        }
        let depths = queue.depths().await?;
        well("queue", format!("reached, all {} queues are as this version declares them", depths.len()));
        for (class, takers) in queue.takers().await? {
            let waiting = depth(&depths, Place::Class(class));
            if takers == 0 {
                let text = format!("no dispatcher takes {} ({waiting} wait)", class.as_str());
                findings.wrong("queue", text, "start a dispatcher; `ops status` shows those at work");
            }
        }
        let dead = depth(&depths, Place::Dead);
        if dead > 0 {
            let next_step = "`ops dead-letters list` shows them, `ops dead-letters show ID` explains one";
            findings.wrong("queue", format!("{dead} dead letters wait for a person"), next_step);
        }
        let waiting: u64 = Class::ALL.map(|class| depth(&depths, Place::Class(class))).iter().sum();
        well("queue", format!("{waiting} envelopes wait"));
        Ok(())
    }

    async fn channels(
        &self,
        findings: &mut Findings,
        (key_ring, shutdown): (Option<&KeyRing>, &Shutdown),
    ) -> Result<Option<Timestamp>, Failed> {
        let metrics = ::channels::Metrics::register(&Registry::new())?;
        let store = match ChannelStore::open(&self.channels, metrics, shutdown) {
            Ok(store) => store,
            Err(problem) => {
                findings.wrong("channels", problem.to_string(), "correct CHANNELS_URL");
                return Ok(None);
            }
        };
        let time = redis(findings, &store).await;
        match store.is_initialised().await {
            Ok(true) => {}
            Ok(false) => {
                let next_step = "restore its backup, or add the first channel with `ops channels add`";
                findings.wrong("channels", "the store holds no channel and never did", next_step);
                return Ok(time);
            }
            Err(error) => {
                findings.wrong("channels", error.to_string(), "start Redis, or correct CHANNELS_URL");
                return Ok(None);
            }
        }
        let Some(key_ring) = key_ring else { return Ok(time) };
        let found = store.key_use(key_ring).await?;
        let tokens: usize = found.by_key.iter().sum();
        well("channels", format!("{} records, {tokens} sealed tokens open", found.records));
        for address in &found.unopenable {
            let next_step = "add the key that sealed it to KEY_RING, or store it anew with `ops channels add`";
            findings.wrong("channels", format!("a token of {address} opens with no key"), next_step);
        }
        Ok(time)
    }

    async fn dsk(&self, findings: &mut Findings) -> Option<Timestamp> {
        let Some(url) = &self.dsk_url else {
            well("dsk", "DSK_URL is not set: every channel needs a dsk_url of its own");
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
                well("dsk", format!("somebody is there (HEAD was answered {})", reached.status));
                reached.date
            }
            Err(error) => {
                findings.wrong(
                    "dsk",
                    error.to_string(),
                    "see whether DSK runs, and whether name, route and TLS lead there",
                );
                None
            }
        }
    }
}

async fn redis(findings: &mut Findings, store: &ChannelStore) -> Option<Timestamp> {
    let server = match store.server().await {
        Ok(Some(server)) => server,
        Ok(None) => {
            well("channels", "in files on this machine");
            return None;
        }
        Err(StoreError::Refused(code)) => {
            well("channels", format!("Redis does not let us ask how it is kept ({code}): allow INFO and TIME"));
            return None;
        }
        // Said by whoever asks next.
        Err(_) => return None,
    };
    well("channels", format!("Redis {} is reached", server.version));
    if server.maxmemory_policy != "noeviction" {
        let text = format!("Redis forgets tokens when memory is short (maxmemory-policy {})", server.maxmemory_policy);
        findings.wrong("channels", text, "set maxmemory-policy noeviction in redis.conf");
    }
    if !server.is_durable {
        let next_step = "set appendonly yes in redis.conf: it is the only copy of the tokens";
        findings.wrong("channels", "Redis forgets everything when it restarts", next_step);
    }
    Some(server.now)
}

fn clock(findings: &mut Findings, others: [(&str, Option<Timestamp>); 2]) {
    let now = now();
    for (whose, time) in others {
        let Some(time) = time else { continue };
        let off = now.duration_since(time).unsigned_abs();
        if off > CLOCK_OFF_MAX {
            let next_step = "keep both clocks by NTP: DSK refuses signatures whose time is off";
            findings.wrong("clock", format!("{} s off the clock of {whose}", off.as_secs()), next_step);
        } else {
            well("clock", format!("agrees with the clock of {whose}"));
        }
    }
}

fn depth(depths: &[(Place, u64)], place: Place) -> u64 {
    depths.iter().find(|(one, _)| *one == place).map_or(0, |(_, waiting)| *waiting)
}
