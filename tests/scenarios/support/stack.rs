//! The whole service for one test: the real processes on a virtual host and a key prefix of their own, with cables to
//! cut, and Meta and DSK played.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use channels::{ChannelStore, ChannelsSettings, KeyRing, KeyRingSettings, NewChannel, new_key};
use chassis::{Secret, Shutdown, SigningSecret, now};
use event::{Address, Class};
use ops::dsk::{Behaviour, Dsk};
use ops::webhook::Meta;
use prometheus::Registry;
use queue::{Queue, QueueSettings};
use tempfile::TempDir;
use testkit::{Link, Process, RabbitMq, Redis, eventually};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::documents::dsk_contract;
use crate::support::bodies::ADDRESS;

/// What DSK wants as bearer token.
pub(crate) const DSK_TOKEN: &str = "dsk-token-4f1b2c";
/// What signs Meta's notifications.
pub(crate) const APP_SECRET: &str = "app-secret-92ce01";
/// A second app's secret.
pub(crate) const OTHER_APP_SECRET: &str = "app-secret-of-another-app";
/// The secret of the signature vector that is checked against ingest.
pub(crate) const VECTOR_SECRET: &str = "test_app_secret_0123456789abcdef";
/// What signs what DSK gets.
pub(crate) const SIGNING_SECRET: &str = "whsec_c2lnbmluZy1zZWNyZXQtZm9yLXRlc3Rz";
const VERIFY_TOKEN: &str = "verify-token-77aa";

/// Where the processes' queue and channels are.
pub(crate) struct Place {
    pub(crate) queue_url: String,
    pub(crate) channels_url: String,
    pub(crate) key_prefix: String,
}

/// The service at work.
pub(crate) struct Stack {
    pub(crate) broker_link: Link,
    pub(crate) redis_link: Link,
    pub(crate) processes: Processes,
    pub(crate) direct: Place,
}

/// The processes, and those they work for.
pub(crate) struct Processes {
    place: Place,
    folder: TempDir,
    key: Secret,
    pub(crate) dsk: Dsk,
    pub(crate) meta: Meta,
    pub(crate) ingest_address: SocketAddr,
    pub(crate) ingest: Process,
    pub(crate) dispatchers: Vec<Process>,
    /// What dispatchers are told from now on, beside the rest.
    pub(crate) extra_settings: Vec<(&'static str, String)>,
}

impl Stack {
    /// Ingest and one dispatcher, on the servers that all tests share.
    pub(crate) async fn start() -> Self {
        let broker = RabbitMq::shared().await;
        Self::on(broker, broker.vhost().url()).await
    }

    /// The same on a broker of one's own.
    pub(crate) async fn on(broker: &RabbitMq, queue_url: String) -> Self {
        let redis = Redis::shared().await;
        let (broker_link, redis_link) = (Link::to(broker.address()).await, Link::to(redis.address()).await);
        let through = queue_url.replace(&broker.address().to_string(), &broker_link.address().to_string());
        let key_prefix = redis.prefix();
        let channels_url = redis.url_through(&redis_link);
        let direct = Place { queue_url, channels_url: redis.url(), key_prefix: key_prefix.clone() };
        let place = Place { queue_url: through, channels_url, key_prefix };
        let processes = Processes::start(place, &direct, 1).await;
        Self { broker_link, redis_link, processes, direct }
    }

    /// Envelopes that wait in the queue of a class.
    pub(crate) async fn waiting(&self, class: Class) -> Option<u64> {
        self.depth(queue::QueueName::Class(class)).await
    }

    /// Envelopes that wait in a queue, in nobody's hand.
    pub(crate) async fn depth(&self, place: queue::QueueName) -> Option<u64> {
        let shutdown = Shutdown::default();
        let depths = self.queue(&shutdown).await.depths().await.ok()?;
        shutdown.request();
        depths.into_iter().find(|(of, _)| *of == place).map(|(_, depth)| depth)
    }

    /// The queue, without the cable.
    pub(crate) async fn queue(&self, shutdown: &Shutdown) -> Queue {
        let metrics = queue::Metrics::register(&Registry::new()).expect("metrics register once");
        Queue::open(&QueueSettings::at(&self.direct.queue_url), metrics, shutdown).await.expect("the queue opens")
    }

    /// Empties the channel store as a Redis without its file is after a restart, and gives what was in it.
    pub(crate) async fn forget_everything(&self) -> Vec<(String, Vec<String>)> {
        let redis = Redis::shared().await;
        let mut records = Vec::new();
        for key in ["channels:initialised".to_owned(), format!("channel:{ADDRESS}")] {
            let key = format!("{}{key}", self.direct.key_prefix);
            let answer = redis.command(&["HGETALL", &key]).await;
            let words = answer.split("\r\n").filter(|word| !word.is_empty() && !word.starts_with(['*', '$']));
            records.push((key.clone(), words.map(str::to_owned).collect()));
            redis.command(&["DEL", &key]).await;
        }
        records
    }

    /// Restores what was in it.
    pub(crate) async fn remember(&self, records: Vec<(String, Vec<String>)>) {
        for (key, fields) in &records {
            let words: Vec<&str> = ["HSET", key].into_iter().chain(fields.iter().map(String::as_str)).collect();
            Redis::shared().await.command(&words).await;
        }
    }

    /// The channel store, without the cable.
    pub(crate) fn store(&self) -> ChannelStore {
        open_store(&self.direct)
    }
}

fn open_store(place: &Place) -> ChannelStore {
    let settings = ChannelsSettings::at(&place.channels_url, &place.key_prefix);
    let metrics = channels::Metrics::register(&Registry::new()).expect("metrics register once");
    ChannelStore::open(&settings, metrics, &Shutdown::default()).expect("the store opens")
}

/// A ring of these keys.
pub(crate) fn key_ring(keys: &[&Secret]) -> KeyRing {
    let text = keys.iter().map(|key| key.expose()).collect::<Vec<_>>().join("\n");
    let settings = KeyRingSettings { key_ring: Some(Secret::new(text)), key_ring_file: None };
    let metrics = channels::Metrics::register(&Registry::new()).expect("metrics register once");
    KeyRing::load(&settings, &metrics).expect("the ring is good")
}

/// Where cargo put the binaries, beside the tests.
pub(crate) fn program(name: &str) -> PathBuf {
    let tests = std::env::current_exe().expect("a test has a path");
    let program = tests.parent().and_then(|deps| deps.parent()).expect("it lies in target/*/deps").join(name);
    assert!(program.exists(), "{} is not built: cargo build --workspace --bins", program.display());
    program
}

impl Processes {
    /// Starts them at `place`; the channel is stored at `direct`, which is the same without cables.
    pub(crate) async fn start(place: Place, direct: &Place, dispatchers: usize) -> Self {
        let playing = Shutdown::default();
        let behaviour = Behaviour {
            token: Some(Secret::new(DSK_TOKEN)),
            signing_secret: Some(SigningSecret::parse(&Secret::new(SIGNING_SECRET)).expect("it is one")),
            ..Behaviour::default()
        };
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let dsk = Dsk::start(any_port, behaviour, &playing).await.expect("a free port");
        let (folder, key) = (tempfile::tempdir().expect("a temporary folder"), new_key());
        std::fs::write(folder.path().join("key-ring"), key.expose()).expect("the folder is ours");
        add_channel(direct, ADDRESS, &key_ring(&[&key])).await;

        let settings = settings(&place, &folder, &dsk);
        let mut ingest = start_program("ingest", &settings);
        let address = ingest.says("Notifications are taken at http://").await;
        let ingest_address: SocketAddr = address.trim_end_matches("/webhook").parse().expect("an address");
        let to = format!("http://{ingest_address}/webhook").parse().expect("an address");
        let meta = Meta::new(to, Secret::new(APP_SECRET));
        let (wanted, dispatchers, extra_settings) = (dispatchers, Vec::new(), Vec::new());
        let mut processes = Self { place, folder, key, dsk, meta, ingest_address, ingest, dispatchers, extra_settings };
        for _ in 0..wanted {
            processes.add_dispatcher().await;
        }
        processes
    }

    /// One more dispatcher.
    pub(crate) async fn add_dispatcher(&mut self) {
        let mut settings = settings(&self.place, &self.folder, &self.dsk);
        settings.extend(self.extra_settings.iter().cloned());
        let mut dispatcher = start_program("dispatcher", &settings);
        dispatcher.says("Taking from the queue").await;
        self.dispatchers.push(dispatcher);
    }

    /// One more dispatcher, that may not start.
    pub(crate) fn start_second_dispatcher(&self) -> Process {
        start_program("dispatcher", &settings(&self.place, &self.folder, &self.dsk))
    }

    /// Posts a signed notification and gives the status, 0 for no answer.
    pub(crate) async fn post(&self, body: Bytes) -> u16 {
        self.meta.post(body).await.map_or(0, |status| status.as_u16())
    }

    /// Posts until it is accepted, as Meta does.
    pub(crate) async fn post_until_accepted(&self, body: Bytes) {
        eventually("a notification is accepted", async || (self.post(body.clone()).await == 200).then_some(())).await;
    }

    /// Waits until DSK has so many events.
    pub(crate) async fn delivered(&self, count: usize) -> BTreeSet<String> {
        eventually(&format!("DSK has {count} events"), async || {
            let ids = self.dsk.ids();
            assert!(ids.len() <= count, "{} events came, {count} were sent", ids.len());
            (ids.len() == count).then_some(ids)
        })
        .await
    }

    /// A metric of the first dispatcher.
    pub(crate) async fn dispatcher_metric(&mut self, name: &str) -> f64 {
        let address = self.dispatchers[0].says("Admin port listens on ").await;
        let (_, text) = get(&address, "/metrics").await;
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name} in\n{text}"));
        line.rsplit(' ').next().and_then(|value| value.parse().ok()).expect("a number")
    }

    /// Writes these keys as the key ring.
    pub(crate) fn write_keys(&self, keys: &[&Secret]) {
        let text = keys.iter().map(|key| key.expose()).collect::<Vec<_>>().join("\n");
        std::fs::write(self.folder.path().join("key-ring"), text).expect("the folder is ours");
    }

    /// The key that sealed the channel's token.
    pub(crate) fn key(&self) -> Secret {
        self.key.clone()
    }

    /// What every process has said so far.
    pub(crate) fn said(&self) -> String {
        let dispatchers = self.dispatchers.iter().map(Process::said);
        dispatchers.chain([self.ingest.said()]).collect::<Vec<_>>().join("\n")
    }
}

/// A test that fails shows what the processes had to say; what DSK got in one that does not kept the contract.
impl Drop for Processes {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.said());
        } else {
            dsk_contract::check(&self.dsk.seen());
        }
    }
}

async fn add_channel(place: &Place, address: &str, ring: &KeyRing) {
    let channel = NewChannel::new(Address::new(address), "tenant", ring.seal(&Secret::new(DSK_TOKEN)));
    let store = open_store(place);
    eventually("the channel is stored", async || store.add(&channel, now()).await.ok()).await;
}

/// What both processes are told, at the most talkative level.
pub(crate) fn settings(place: &Place, folder: &TempDir, dsk: &Dsk) -> Vec<(&'static str, String)> {
    vec![
        ("QUEUE_URL", place.queue_url.clone()),
        ("CHANNELS_URL", place.channels_url.clone()),
        ("CHANNELS_KEY_PREFIX", place.key_prefix.clone()),
        ("KEY_RING_FILE", folder.path().join("key-ring").display().to_string()),
        ("DSK_URL", dsk.url()),
        ("DSK_ALLOW_PRIVATE", "true".to_owned()),
        ("DSK_SIGNING_SECRET", SIGNING_SECRET.to_owned()),
        ("META_APP_SECRETS", format!("{OTHER_APP_SECRET},{APP_SECRET}\n{VECTOR_SECRET}")),
        ("META_VERIFY_TOKENS", VERIFY_TOKEN.to_owned()),
        ("INGEST_LISTEN", "127.0.0.1:0".to_owned()),
        ("TRUSTED_PROXIES", "127.0.0.0/8".to_owned()),
        ("ADMIN_LISTEN", "127.0.0.1:0".to_owned()),
        ("LOG", "trace".to_owned()),
    ]
}

/// Starts one of our programs.
pub(crate) fn start_program(name: &str, settings: &[(&'static str, String)]) -> Process {
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Process::start(&program(name), &[], &settings)
}

/// The verify token that ingest knows.
pub(crate) fn verify_token() -> &'static str {
    VERIFY_TOKEN
}

/// One GET, and its answer: status and body.
pub(crate) async fn get(address: &str, path: &str) -> (u16, String) {
    raw(address, format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").as_bytes()).await
}

/// Sends these bytes and reads the answer to its end.
pub(crate) async fn raw(address: &str, request: &[u8]) -> (u16, String) {
    let exchange = async {
        let mut connection = TcpStream::connect(address).await.expect("it listens");
        connection.write_all(request).await.expect("it reads");
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).await.expect("it answers");
        String::from_utf8_lossy(&answer).into_owned()
    };
    let answer = tokio::time::timeout(Duration::from_secs(20), exchange).await.expect("an answer in 20 s");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    (status, body.to_owned())
}
