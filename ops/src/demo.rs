//! `ops demo`: the whole service in one process and a folder of its own, with Meta and DSK played, and the ids
//! reconciled at the end.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::channels::{ChannelStore, ChannelsSettings, KeyRing, KeyRingSettings, NewChannel, new_key};
use chassis::{Admin, Clock, Secret, Shutdown, TelemetrySettings, start_telemetry};
use clap::{Args, Parser as _};
use dispatcher::Dispatcher;
use event::Address;
use hyper::{StatusCode, Uri};
use ingest::Ingest;
use prometheus::Registry;
use queue::{Queue, QueueSettings};

use crate::cli::Failed;
use crate::dsk::{Behaviour, Dsk};
use crate::samples;
use crate::webhook::Meta;

/// Shows the whole service at work: keys and channels made, signed notifications sent, events delivered and counted.
#[derive(Args, Clone, Debug)]
pub(crate) struct Demo {
    /// Notifications to send.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    count: u64,
    /// Notifications a second.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// Keeps queue, channels and keys in this folder; without it they are in a temporary one and removed at the end.
    #[arg(long)]
    keep: Option<PathBuf>,
    #[command(flatten)]
    telemetry: TelemetrySettings,
}

/// Any free port of this machine.
const FREE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
/// How long the last events may take to arrive after the last notification was sent.
const ARRIVE_TIME: Duration = Duration::from_mins(1);
/// How often progress is shown.
const PROGRESS_PERIOD: Duration = Duration::from_secs(1);

/// The service at work, and those it works for.
struct Stage {
    meta: Meta,
    dsk: Dsk,
    admin: SocketAddr,
    shutdown: Shutdown,
}

/// What was sent and what was answered.
#[derive(Debug, Default)]
struct Sent {
    notifications: u64,
    accepted: u64,
    /// Ids of every event sent, as Meta's own books would have them.
    ids: BTreeSet<String>,
    accepted_ids: BTreeSet<String>,
}

impl Demo {
    pub(crate) async fn run(self) -> Result<(), Failed> {
        start_telemetry(&self.telemetry).map_err(Failed::wrong)?;
        let temporary = tempfile::Builder::new().prefix("meta-demo-").tempdir()?;
        let folder = self.keep.clone().unwrap_or_else(|| temporary.path().to_owned());
        let shutdown = Shutdown::on_signals()?;
        let stage = set_the_stage(&folder, &self.telemetry, &shutdown).await?;
        println!("Folder {} holds queue.db, channels.db and key-ring", folder.display());
        println!("Ingest and dispatcher run; see http://{}/metrics while this lasts", stage.admin);

        let sent = self.send(&stage).await;
        let delivered = arrive(&stage, &sent).await;
        shutdown.request();
        shutdown.drain(Duration::from_secs(30)).await;
        reconcile(&sent, &delivered)
    }

    /// Sends every sample at the given rate, as Meta would: again, where the answer is not 200.
    async fn send(&self, stage: &Stage) -> Sent {
        let mut sent = Sent::default();
        let mut due = tokio::time::interval(Duration::from_secs(1) / self.rate);
        let mut shown = Instant::now();
        for serial in 0..self.count {
            tokio::select! {
                _ = due.tick() => {}
                () = stage.shutdown.requested() => break,
            }
            let now = Clock.now();
            let body = samples::notification(serial, now);
            let ids: Vec<String> = event::split(&body, now).iter().map(|event| event.id.to_string()).collect();
            sent.notifications += 1;
            sent.ids.extend(ids.iter().cloned());
            match stage.meta.post(body).await {
                Ok(StatusCode::OK) => {
                    sent.accepted += 1;
                    sent.accepted_ids.extend(ids);
                }
                Ok(status) => println!("A notification was answered {status}"),
                Err(error) => println!("A notification was not answered: {error}"),
            }
            if shown.elapsed() >= PROGRESS_PERIOD {
                shown = Instant::now();
                show(&sent, stage);
            }
        }
        sent
    }
}

fn show(sent: &Sent, stage: &Stage) {
    let (accepted, delivered) = (sent.accepted_ids.len(), stage.dsk.ids().len());
    println!("sent {} notifications, accepted {accepted} events, delivered {delivered}", sent.notifications);
}

/// Waits until DSK has every accepted event, or too long.
async fn arrive(stage: &Stage, sent: &Sent) -> BTreeSet<String> {
    let deadline = Instant::now() + ARRIVE_TIME;
    let mut shown = Instant::now();
    loop {
        let delivered = stage.dsk.ids();
        if delivered.is_superset(&sent.accepted_ids) || Instant::now() > deadline {
            return delivered;
        }
        if shown.elapsed() >= PROGRESS_PERIOD {
            shown = Instant::now();
            show(sent, stage);
        }
        if !stage.shutdown.pause(Duration::from_millis(20)).await {
            return delivered;
        }
    }
}

/// Says whether every event arrived, once in effect and without any that was never sent.
fn reconcile(sent: &Sent, delivered: &BTreeSet<String>) -> Result<(), Failed> {
    let lost = sent.accepted_ids.difference(delivered).count();
    let unknown = delivered.difference(&sent.ids).count();
    println!(
        "sent {} notifications with {} events; accepted {} with {}; delivered {}; lost {lost}",
        sent.notifications,
        sent.ids.len(),
        sent.accepted,
        sent.accepted_ids.len(),
        delivered.len(),
    );
    if lost > 0 || unknown > 0 || sent.accepted < sent.notifications {
        let refused = sent.notifications - sent.accepted;
        return Err(Failed::tried(format!(
            "{lost} accepted events did not arrive, {refused} notifications were not accepted, {unknown} events came \
             that were never sent; try again with --log debug --keep DIR"
        )));
    }
    Ok(())
}

async fn set_the_stage(folder: &Path, telemetry: &TelemetrySettings, shutdown: &Shutdown) -> Result<Stage, Failed> {
    let (app_secret, signing_secret) = (random_secret("")?, random_secret("whsec_")?);
    let dsk_token = random_secret("dsk-")?;
    let behaviour = Behaviour {
        token: Some(dsk_token.clone()),
        signing_secret: Some(signing_secret.clone()),
        ..Behaviour::default()
    };
    let dsk = Dsk::start(FREE, behaviour, shutdown).await.map_err(Failed::wrong)?;

    let registry = Registry::new();
    let queue = Queue::open(&QueueSettings::embedded(folder), queue::Metrics::register(&registry)?, shutdown).await?;
    let channel_metrics = ::channels::Metrics::register(&registry)?;
    let key_ring_file = key_ring_file(folder)?;
    let key_ring = KeyRing::load(&KeyRingSettings::file(&key_ring_file), &channel_metrics).map_err(Failed::wrong)?;
    let store =
        ChannelStore::open(&ChannelsSettings::embedded(folder), channel_metrics, shutdown).map_err(Failed::wrong)?;
    for address in samples::ADDRESSES {
        let channel = NewChannel::new(Address::new(address), "demo", key_ring.seal(&dsk_token));
        store.add(&channel, Clock.now()).await?;
    }

    let ingest = ingest_settings(&app_secret, telemetry);
    let ingest = Ingest::start(&ingest, queue.publisher(), ingest::Metrics::register(&registry)?, shutdown)
        .await
        .map_err(Failed::wrong)?;
    let settings = dispatcher_settings(&dsk, &signing_secret, telemetry);
    let metrics = dispatcher::Metrics::register(&registry)?;
    Dispatcher::start(&settings, (&queue, store), (key_ring, metrics), shutdown).map_err(Failed::wrong)?;
    let admin = Admin { registry, readiness: Arc::new(Vec::new) }.start(FREE, shutdown).await.map_err(Failed::wrong)?;
    let to: Uri = format!("http://{}/webhook", ingest.address).parse().map_err(Failed::wrong)?;
    Ok(Stage { meta: Meta::new(to, app_secret), dsk, admin, shutdown: shutdown.clone() })
}

/// The key stays apart from the data: a file of its own, readable by its owner only.
fn key_ring_file(folder: &Path) -> Result<PathBuf, Failed> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let path = folder.join("key-ring");
    if !path.exists() {
        let mut file = std::fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(&path)?;
        writeln!(file, "{}", new_key().expose())?;
    }
    Ok(path)
}

/// 24 random bytes in base64.
fn random_secret(prefix: &str) -> Result<Secret, Failed> {
    use base64::Engine as _;
    let mut bytes = [0; 24];
    getrandom::fill(&mut bytes).map_err(Failed::tried)?;
    Ok(Secret::new(format!("{prefix}{}", base64::engine::general_purpose::STANDARD.encode(bytes))))
}

/// The same settings as the processes have, with everything that the demonstration does not set at its default.
fn ingest_settings(app_secret: &Secret, telemetry: &TelemetrySettings) -> ingest::Settings {
    let mut settings = ingest::Settings::parse_from(["ingest"]);
    settings.ingest_listen = FREE;
    settings.meta_app_secrets = Some(app_secret.clone());
    settings.meta_app_secrets_file = None;
    settings.meta_verify_tokens = Some(Secret::new("demo"));
    settings.meta_verify_tokens_file = None;
    settings.telemetry = telemetry.clone();
    settings
}

fn dispatcher_settings(dsk: &Dsk, signing_secret: &Secret, telemetry: &TelemetrySettings) -> dispatcher::Settings {
    let mut settings = dispatcher::Settings::parse_from(["dispatcher"]);
    settings.dsk_url = Some(dsk.url());
    settings.dsk_signing_secret = Some(signing_secret.clone());
    settings.dsk_signing_secret_file = None;
    settings.telemetry = telemetry.clone();
    settings
}
