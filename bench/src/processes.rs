//! The processes that are measured, ours and the bare ones, in their release builds.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use channels::{ChannelStore, ChannelsSettings, KeyRing, KeyRingSettings, NewChannel, new_key};
use chassis::{Secret, Shutdown, now};
use clap::Parser as _;
use event::Address;
use prometheus::Registry;
use tempfile::TempDir;
use testkit::Redis;

use crate::markdown::{BARE, OURS};
use crate::notifications::{SECRET, address};
use crate::rig;
use crate::usage::Usage;

const LISTENS: &str = "Notifications are taken at http://";
/// The secret that signs what DSK gets.
pub(crate) const SIGNING_SECRET: &str = "whsec_c2lnbmluZy1zZWNyZXQtZm9yLXRlc3Rz";

/// Whose processes are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Bare,
    Ours,
}

impl Side {
    /// Both, in the order in which they are measured.
    pub(crate) const BOTH: [Self; 2] = [Self::Bare, Self::Ours];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bare => BARE,
            Self::Ours => OURS,
        }
    }

    fn program(self, ours: &str) -> String {
        match self {
            Self::Bare => format!("bare-{ours}"),
            Self::Ours => ours.to_owned(),
        }
    }

    /// Starts an ingest that publishes to the queue at `url`.
    pub(crate) async fn ingest(self, url: &str, folder: &TempDir) -> Measured {
        let settings = [
            ("QUEUE_URL", url.to_owned()),
            ("META_APP_SECRETS", SECRET.to_owned()),
            ("META_VERIFY_TOKENS", "verify".to_owned()),
            ("INGEST_LISTEN", "127.0.0.1:0".to_owned()),
            ("ADMIN_LISTEN", "127.0.0.1:0".to_owned()),
        ];
        Measured::start(&self.program("ingest"), &settings, folder.path(), LISTENS).await
    }

    /// Starts a dispatcher.
    pub(crate) async fn dispatcher(self, way: &Way, folder: &TempDir) -> Measured {
        Measured::start(&self.program("dispatcher"), &way.settings(), folder.path(), "Taking from the queue").await
    }
}

/// The channels that are stored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Channels {
    pub(crate) count: usize,
    /// Tenants, and with them destinations, that they belong to.
    pub(crate) tenants: usize,
}

impl Channels {
    pub(crate) const ONE: Self = Self { count: 1, tenants: 1 };
}

/// From where to where a dispatcher carries events, and what it needs to know for that.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    queue_url: String,
    channels_url: String,
    prefix: String,
    key_ring_file: String,
    dsk_url: String,
    window: u16,
}

impl Way {
    /// The way of the events of these channels, which are stored.
    pub(crate) async fn new(queue_url: &str, dsk_url: String, channels: Channels, folder: &TempDir) -> Self {
        let redis = Redis::shared().await;
        let key = new_key();
        let prefix = redis.prefix();
        let key_ring_file = rig::write(folder.path(), &format!("key-ring-{prefix}"), key.expose());
        store_channels(&redis.url(), &prefix, key, channels).await;
        let queue_url = queue_url.to_owned();
        Self { queue_url, channels_url: redis.url(), prefix, key_ring_file, dsk_url, window: default_window() }
    }

    pub(crate) fn with_window(self, window: Option<u16>) -> Self {
        Self { window: window.unwrap_or(self.window), ..self }
    }

    fn settings(&self) -> [(&'static str, String); 8] {
        [
            ("QUEUE_URL", self.queue_url.clone()),
            ("CHANNELS_URL", self.channels_url.clone()),
            ("CHANNELS_KEY_PREFIX", self.prefix.clone()),
            ("KEY_RING_FILE", self.key_ring_file.clone()),
            ("DSK_URL", self.dsk_url.clone()),
            ("DSK_SIGNING_SECRET", SIGNING_SECRET.to_owned()),
            ("ADMIN_LISTEN", "127.0.0.1:0".to_owned()),
            ("MESSAGES_WINDOW", self.window.to_string()),
        ]
    }
}

/// Most requests under way at once.
pub(crate) fn default_window() -> u16 {
    dispatcher::Settings::parse_from(["dispatcher"]).dispatcher.messages_window
}

async fn store_channels(url: &str, prefix: &str, key: Secret, channels: Channels) {
    let shutdown = Shutdown::default();
    let metrics = channels::Metrics::register(&Registry::new()).expect("metrics register once");
    let settings = KeyRingSettings { key_ring: Some(key), key_ring_file: None };
    let ring = KeyRing::load(&settings, &metrics).expect("the ring is good");
    let store = ChannelStore::open(&ChannelsSettings::at(url, prefix), metrics, &shutdown).expect("the store opens");
    let store = store.with_key_ring(&ring);
    for channel in 0..channels.count {
        let tenant = format!("tenant-{}", channel % channels.tenants);
        let channel =
            NewChannel::new(Address::new(address(channel)), tenant.as_str(), ring.seal(&Secret::new("dsk-token")));
        store.add(&channel, now()).await.expect("Redis is up");
    }
    shutdown.request();
}

/// A process with a log file of its own.
#[derive(Debug)]
pub(crate) struct Measured {
    child: Child,
    log: PathBuf,
}

impl Measured {
    async fn start(name: &str, settings: &[(&str, String)], folder: &Path, ready: &str) -> Self {
        let program = std::env::current_exe().expect("this program has a path").with_file_name(name);
        let log = folder.join(format!("{name}-{}.log", now().as_nanosecond()));
        let file = File::create(&log).expect("the folder is ours");
        let mut command = Command::new(program);
        command.env_clear().envs(settings.iter().map(|(name, value)| (name, value.as_str())));
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file).spawn().expect("it is built");
        let measured = Self { child, log };
        testkit::eventually(&format!("{name} logs {ready:?}"), async || measured.logged(ready).map(drop)).await;
        measured
    }

    /// Where this ingest listens.
    pub(crate) fn listens(&self) -> String {
        let address = self.logged(LISTENS).expect("it has logged its address");
        address.trim_end_matches("/webhook").to_owned()
    }

    /// The word behind a text in its log, once the log has it.
    fn logged(&self, text: &str) -> Option<String> {
        let log = std::fs::read_to_string(&self.log).ok()?;
        let behind = log.lines().find_map(|line| line.split_once(text))?.1;
        Some(behind.split_whitespace().next().unwrap_or_default().to_owned())
    }

    /// What it has used.
    pub(crate) fn usage(&self) -> Usage {
        Usage::of(self.child.id())
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
