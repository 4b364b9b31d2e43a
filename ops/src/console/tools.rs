//! What the page of channels does beside reading them: it asks Meta about them, and makes connect links. Each needs settings
//! that a console may lack.

use std::path::PathBuf;
use std::time::Duration;

use ::channels::{ChannelStore, KeyRing};
use chassis::Secret;
use clap::Args;
use connect::{Links, Maintenance, MetaSettings};
use prometheus::Registry;
use url::Url;

use crate::failure::Failure;

/// The settings of `ops channels check` and `ops connect-link`. Without them, the page says which is missing.
#[derive(Args, Clone, Debug)]
pub(crate) struct ToolSettings {
    #[command(flatten)]
    pub(crate) meta: MetaSettings,
    /// The URL at which browsers reach the connection pages.
    #[arg(long, env)]
    pub(crate) connect_url: Option<Url>,
    /// The secret that signs the links; `connect` needs the same one.
    #[arg(long, env, hide = true, hide_env_values = true)]
    pub(crate) connect_secret: Option<Secret>,
    /// A file with the value of `CONNECT_SECRET`.
    #[arg(long, env)]
    pub(crate) connect_secret_file: Option<PathBuf>,
    /// How long a link can be used.
    #[arg(long, env, default_value = "1h", value_parser = humantime::parse_duration)]
    pub(crate) ticket_time: Duration,
}

/// What can be done, or why it can't.
pub(crate) struct Tools {
    maintenance: Result<Maintenance, String>,
    links: Result<Links, String>,
    pub(crate) ticket_time: Duration,
}

impl Tools {
    pub(crate) fn new(settings: &ToolSettings, store: &ChannelStore, key_ring: Option<&KeyRing>) -> Self {
        Self {
            maintenance: maintenance(&settings.meta, store, key_ring),
            links: links(settings),
            ticket_time: settings.ticket_time,
        }
    }

    /// What asks Meta about channels.
    pub(crate) fn maintenance(&self) -> Result<&Maintenance, Failure> {
        self.maintenance.as_ref().map_err(Failure::usage)
    }

    /// What makes connect links.
    pub(crate) fn links(&self) -> Result<&Links, Failure> {
        self.links.as_ref().map_err(Failure::usage)
    }
}

/// What needs the key ring says so.
pub(crate) fn no_key_ring() -> Failure {
    Failure::usage("KEY_RING is missing: start the console with the key ring that the processes have")
}

fn maintenance(meta: &MetaSettings, store: &ChannelStore, key_ring: Option<&KeyRing>) -> Result<Maintenance, String> {
    let ring = key_ring.ok_or_else(|| no_key_ring().text().unwrap_or_default().to_owned())?;
    let metrics = connect::Metrics::register(&Registry::new()).map_err(|error| error.to_string())?;
    Maintenance::new(meta, store.clone(), ring.clone(), metrics).map_err(|problems| problems.to_string())
}

fn links(settings: &ToolSettings) -> Result<Links, String> {
    let url = settings
        .connect_url
        .clone()
        .ok_or("CONNECT_URL is missing: it is where browsers reach the connection pages")?;
    let secret = settings.connect_secret.as_ref();
    let secret_file = settings.connect_secret_file.as_deref();
    Links::new(url, secret, secret_file, settings.ticket_time).map_err(|problem| problem.to_string())
}
