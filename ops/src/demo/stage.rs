//! What the demonstration is played on: the service in files, Meta and DSK, with keys and secrets of its own.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use ::channels::{ChannelsSettings, KeyRing, KeyRingSettings, NewChannel, new_key};
use chassis::{Secret, Shutdown, SigningSecret, now, random};
use clap::Parser;
use event::Address;
use hyper::Uri;
use prometheus::Registry;
use queue::{Queue, QueueName, QueueSettings};

use crate::cli::Failed;
use crate::dsk::{Behaviour, Dsk};
use crate::samples;
use crate::standalone::Standalone;
use crate::webhook::Meta;

/// Any free port of this machine.
const FREE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// The service at work, and those it works for.
pub(super) struct Stage {
    pub(super) meta: Meta,
    pub(super) dsk: Dsk,
    pub(super) admin: SocketAddr,
    pub(super) shutdown: Shutdown,
    ingest: SocketAddr,
    queue: Queue,
    /// Of earlier demonstrations in a folder that was kept.
    parked_before: usize,
    app_secret: Secret,
}

/// The settings with everything at its default, as without any environment.
#[derive(Parser)]
struct Defaults {
    #[command(flatten)]
    standalone: Standalone,
}

impl Stage {
    pub(super) async fn set(folder: &Path, shutdown: &Shutdown) -> Result<Self, Failed> {
        let app_secret = random_secret();
        let signing_secret = SigningSecret::generate();
        let dsk_token = random_secret();
        let behaviour = Behaviour {
            token: Some(dsk_token.clone()),
            signing_secret: Some(SigningSecret::parse(&signing_secret).map_err(Failed::wrong)?),
            ..Behaviour::default()
        };
        let dsk = Dsk::start(FREE, behaviour, shutdown).await.map_err(Failed::wrong)?;
        let settings = settings(folder, &dsk, (&app_secret, &signing_secret))?;
        let running = settings.start(shutdown).await.map_err(Failed::wrong)?;

        let metrics = ::channels::Metrics::register(&Registry::new())?;
        let key_ring = KeyRing::load(&settings.key_ring, &metrics).map_err(Failed::wrong)?;
        for address in samples::ADDRESSES {
            let channel = NewChannel::new(Address::new(address), "demo", key_ring.seal(&dsk_token));
            running.store.add(&channel, now()).await?;
        }
        let to: Uri = format!("http://{}/webhook", running.ingest).parse().map_err(Failed::wrong)?;
        let mut stage = Self {
            meta: Meta::new(to, app_secret.clone()),
            dsk,
            admin: running.admin,
            shutdown: shutdown.clone(),
            ingest: running.ingest,
            queue: running.queue,
            parked_before: 0,
            app_secret,
        };
        stage.parked_before = stage.parked().await;
        Ok(stage)
    }

    /// Dead letters so far.
    pub(super) async fn parked(&self) -> usize {
        let depths = self.queue.depths().await.unwrap_or_default();
        let parked = depths.into_iter().find(|(place, _)| *place == QueueName::Dead).map(|(_, count)| count);
        parked.and_then(|count| usize::try_from(count).ok()).unwrap_or_default().saturating_sub(self.parked_before)
    }

    /// Posts a signed notification, whose body it writes into the folder.
    pub(super) fn curl(&self, folder: &Path) -> Result<String, Failed> {
        let file = folder.join("notification.json");
        let body = samples::notification(1_000_000_000, now());
        std::fs::write(&file, &body)?;
        let signature = Meta::signature(&body, &self.app_secret);
        let (file, ingest) = (file.display(), self.ingest);
        Ok(format!("curl -i -H 'x-hub-signature-256: {signature}' --data-binary @{file} http://{ingest}/webhook"))
    }
}

/// The same settings as anyone has, with everything that the demonstration does not set at its default.
fn settings(folder: &Path, dsk: &Dsk, (app_secret, signing_secret): (&Secret, &Secret)) -> Result<Standalone, Failed> {
    let mut settings = Defaults::parse_from(["demo"]).standalone;
    settings.ingest.ingest_listen = FREE;
    settings.ingest.meta_app_secrets = Some(app_secret.clone());
    settings.ingest.meta_app_secrets_file = None;
    settings.ingest.meta_verify_tokens = Some(Secret::new("demo"));
    settings.ingest.meta_verify_tokens_file = None;
    settings.dispatcher.dsk_url = Some(dsk.url());
    settings.dispatcher.dsk_signing_secret = Some(signing_secret.clone());
    settings.dispatcher.dsk_signing_secret_file = None;
    settings.admin_listen = FREE;
    settings.queue = QueueSettings::embedded(folder);
    settings.channels = ChannelsSettings::embedded(folder);
    settings.key_ring = KeyRingSettings::file(&key_ring_file(folder)?);
    Ok(settings)
}

/// The key stays apart from the data: a file of its own, readable by its owner only.
fn key_ring_file(folder: &Path) -> Result<PathBuf, Failed> {
    use std::io::Write as _;
    use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let path = folder.join("key-ring");
    if !path.exists() {
        let mut file = std::fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(&path)?;
        writeln!(file, "{}", new_key().expose())?;
    }
    Ok(path)
}

/// A secret that nobody can guess.
fn random_secret() -> Secret {
    Secret::new(hex::encode(random::<24>()))
}
