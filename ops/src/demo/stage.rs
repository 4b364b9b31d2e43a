//! The service, Meta and DSK as the demonstration needs them, with their own keys, secrets and files.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use ::channels::{ChannelsSettings, KeyRing, KeyRingSettings, NewChannel, new_key};
use chassis::{Secret, Shutdown, SigningSecret, now, random};
use clap::builder::Resettable;
use clap::{CommandFactory as _, FromArgMatches as _, Parser};
use event::Address;
use hyper::Uri;
use prometheus::Registry;
use queue::{Queue, QueueName, QueueSettings};

use crate::dsk::{Behaviour, Dsk, Keeps};
use crate::failure::Failure;
use crate::samples;
use crate::standalone::Standalone;
use crate::webhook::Meta;

/// Any free port on this machine.
const FREE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// The running service with its stand-ins. It holds a handle to the queue, whose writer runs as long.
pub(super) struct Stage {
    pub(super) meta: Meta,
    pub(super) dsk: Dsk,
    pub(super) admin: SocketAddr,
    /// Opens the console, once, if it is served.
    pub(super) console: Option<Secret>,
    pub(super) folder: PathBuf,
    ingest: SocketAddr,
    queue: Queue,
    /// Dead letters of earlier demonstrations in a folder that was kept.
    parked_before: usize,
    app_secret: Secret,
}

/// The settings of `ops standalone`, each at its default.
#[derive(Parser)]
struct Defaults {
    #[command(flatten)]
    standalone: Standalone,
}

impl Defaults {
    /// Reads no environment: an operator's shell may hold the settings of a real service.
    fn parse_nothing() -> Result<Self, Failure> {
        let command = Self::command().mut_args(|argument| argument.env(Resettable::Reset));
        Ok(Self::from_arg_matches(&command.try_get_matches_from(["demo"])?)?)
    }
}

impl Stage {
    pub(super) async fn build(
        folder: PathBuf,
        console: Option<SocketAddr>,
        shutdown: &Shutdown,
    ) -> Result<Self, Failure> {
        let app_secret = random_secret();
        let signing_secret = SigningSecret::generate();
        let dsk_token = random_secret();
        let behaviour = Behaviour {
            token: Some(dsk_token.clone()),
            signing_secret: Some(SigningSecret::parse(&signing_secret).map_err(Failure::usage)?),
            keeps: Keeps::Ids,
            ..Behaviour::default()
        };
        let dsk = Dsk::start(FREE, behaviour, shutdown).await.map_err(Failure::usage)?;
        let mut settings = settings(&folder, &dsk, &app_secret, &signing_secret)?;
        settings.console_listen = console;
        let service = settings.start(shutdown).await.map_err(Failure::usage)?;

        let metrics = ::channels::Metrics::register(&Registry::new())?;
        let key_ring = KeyRing::load(&settings.key_ring, &metrics).map_err(Failure::usage)?;
        for address in samples::ADDRESSES {
            let channel = NewChannel::new(Address::new(address), "demo", key_ring.seal(&dsk_token));
            service.store.add(&channel, now()).await?;
        }
        let to: Uri = format!("http://{}/webhook", service.ingest).parse().map_err(Failure::usage)?;
        let mut stage = Self {
            meta: Meta::new(to, app_secret.clone()),
            dsk,
            admin: service.admin,
            console: service.console,
            folder,
            ingest: service.ingest,
            queue: service.queue,
            parked_before: 0,
            app_secret,
        };
        stage.parked_before = stage.parked().await;
        Ok(stage)
    }

    /// How many events were parked so far.
    pub(super) async fn parked(&self) -> usize {
        let depths = self.queue.depths().await.unwrap_or_default();
        let parked = depths.into_iter().find(|(place, _)| *place == QueueName::Dead).map(|(_, count)| count);
        parked.and_then(|count| usize::try_from(count).ok()).unwrap_or_default().saturating_sub(self.parked_before)
    }

    /// The command that posts a signed notification, whose body it writes into the folder.
    pub(super) fn curl(&self) -> Result<String, Failure> {
        let file = self.folder.join("notification.json");
        let body = samples::notification(1_000_000_000, now());
        std::fs::write(&file, &body)?;
        let signature = Meta::signature(&body, &self.app_secret);
        let ingest = self.ingest;
        let file = file.display();
        Ok(format!("curl -i -H 'x-hub-signature-256: {signature}' --data-binary @{file} http://{ingest}/webhook"))
    }
}

/// The settings of `ops standalone`, with everything that the demonstration does not set at its default.
fn settings(folder: &Path, dsk: &Dsk, app_secret: &Secret, signing_secret: &Secret) -> Result<Standalone, Failure> {
    let mut settings = Defaults::parse_nothing()?.standalone;
    settings.ingest.ingest_listen = FREE;
    settings.ingest.meta_app_secrets = Some(app_secret.clone());
    settings.ingest.meta_verify_tokens = Some(Secret::new("demo"));
    settings.dispatcher.dsk_url = Some(dsk.url());
    settings.dispatcher.dsk_signing_secret = Some(signing_secret.clone());
    settings.admin_listen = FREE;
    settings.queue = QueueSettings::embedded(folder);
    settings.channels = ChannelsSettings::embedded(folder);
    settings.key_ring = KeyRingSettings::file(&key_ring_file(folder)?);
    Ok(settings)
}

/// Writes a key ring into its own file, which only the owner can read.
fn key_ring_file(folder: &Path) -> Result<PathBuf, Failure> {
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

fn random_secret() -> Secret {
    Secret::new(hex::encode(random::<24>()))
}
