//! The whole service for one test: the real processes on their own virtual host and key prefix, with cables to cut,
//! and stand-ins for Meta and DSK.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use channels::{ChannelStore, ChannelsSettings, KeyRing, KeyRingSettings, NewChannel, new_key};
use chassis::{Secret, Shutdown, now};
use event::{Address, Class};
use ops::dsk::Dsk;
use ops::webhook::Meta;
use prometheus::Registry;
use queue::{Queue, QueueSettings};
use tempfile::TempDir;
use testkit::{Link, Process, RabbitMq, Redis, eventually, with_rights};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::bodies::ADDRESS;
use crate::support::dsk::{DSK_TOKEN, SIGNING_SECRET, check_contract, start_dsk};
use crate::support::metrics_page::figure;

/// The app secret that signs Meta's notifications.
pub(crate) const APP_SECRET: &str = "app-secret-92ce01";
/// The secret of a second app.
pub(crate) const OTHER_APP_SECRET: &str = "app-secret-of-another-app";
/// The secret of the signature that is checked against ingest byte by byte.
pub(crate) const VECTOR_SECRET: &str = "test_app_secret_0123456789abcdef";
const VERIFY_TOKEN: &str = "verify-token-77aa";

/// The queue and the channel store that processes use.
pub(crate) struct Backends {
    pub(crate) queue_url: String,
    pub(crate) channels_url: String,
    pub(crate) key_prefix: String,
}

/// The service, with a cable to each server.
pub(crate) struct Stack {
    pub(crate) broker_link: Link,
    pub(crate) redis_link: Link,
    pub(crate) processes: Processes,
    /// The same servers, reached without the cables.
    pub(crate) direct: Backends,
}

/// The processes, with Meta and DSK on either side.
pub(crate) struct Processes {
    backends: Backends,
    folder: TempDir,
    key: Secret,
    pub(crate) dsk: Dsk,
    pub(crate) meta: Meta,
    pub(crate) ingest_address: SocketAddr,
    pub(crate) ingest: Process,
    pub(crate) dispatchers: Vec<Process>,
    /// Further settings of the dispatchers that start from now on.
    pub(crate) extra_settings: Vec<(&'static str, String)>,
}

/// Another ingest beside that of the processes.
pub(crate) struct SecondIngest {
    pub(crate) process: Process,
    pub(crate) meta: Meta,
}

impl Stack {
    /// Starts ingest and one dispatcher on the servers that all tests share.
    pub(crate) async fn start() -> Self {
        let broker = RabbitMq::shared().await;
        Self::on(broker, broker.vhost().url()).await
    }

    /// Starts them on a broker that the test chose.
    pub(crate) async fn on(broker: &RabbitMq, queue_url: String) -> Self {
        let redis = Redis::shared().await;
        let broker_link = Link::to(broker.address()).await;
        let redis_link = Link::to(redis.address()).await;
        let through = queue_url.replace(&broker.address().to_string(), &broker_link.address().to_string());
        let key_prefix = redis.prefix();
        let channels_url = redis.url_through(&redis_link);
        let direct = Backends { queue_url, channels_url: redis.url(), key_prefix: key_prefix.clone() };
        let backends = Backends { queue_url: through, channels_url, key_prefix };
        let processes = Processes::start(backends, &direct, 1).await;
        Self { broker_link, redis_link, processes, direct }
    }

    /// How many envelopes wait in the queue of a class.
    pub(crate) async fn waiting(&self, class: Class) -> Option<u64> {
        self.depth(queue::QueueName::Class(class)).await
    }

    /// How many envelopes wait in a queue and are not in flight.
    pub(crate) async fn depth(&self, place: queue::QueueName) -> Option<u64> {
        let shutdown = Shutdown::default();
        let depths = self.queue(&shutdown).await.depths().await.ok()?;
        shutdown.request();
        depths.into_iter().find(|(of, _)| *of == place).map(|(_, depth)| depth)
    }

    /// Opens the queue without the cable.
    pub(crate) async fn queue(&self, shutdown: &Shutdown) -> Queue {
        let metrics = queue::Metrics::register(&Registry::new()).expect("metrics register once");
        Queue::open(&QueueSettings::at(&self.direct.queue_url), metrics, shutdown).await.expect("the queue opens")
    }

    /// Empties the channel store, as a Redis without its file is after a restart, and returns what was in it.
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

    /// Puts the records back.
    pub(crate) async fn remember(&self, records: Vec<(String, Vec<String>)>) {
        for (key, fields) in &records {
            let words: Vec<&str> = ["HSET", key].into_iter().chain(fields.iter().map(String::as_str)).collect();
            Redis::shared().await.command(&words).await;
        }
    }

    /// Opens the channel store without the cable.
    pub(crate) fn store(&self) -> ChannelStore {
        open_store(&self.direct, &self.processes.key_ring())
    }
}

fn open_store(backends: &Backends, ring: &KeyRing) -> ChannelStore {
    let settings = ChannelsSettings::at(&backends.channels_url, &backends.key_prefix);
    let metrics = channels::Metrics::register(&Registry::new()).expect("metrics register once");
    let store = ChannelStore::open(&settings, metrics, &Shutdown::default()).expect("the store opens");
    store.with_key_ring(ring)
}

/// A key ring of these keys, the newest first.
pub(crate) fn key_ring(keys: &[&Secret]) -> KeyRing {
    let text = keys.iter().map(|key| key.expose()).collect::<Vec<_>>().join("\n");
    let settings = KeyRingSettings { key_ring: Some(Secret::new(text)), key_ring_file: None };
    let metrics = channels::Metrics::register(&Registry::new()).expect("metrics register once");
    KeyRing::load(&settings, &metrics).expect("the keys are Fernet keys")
}

/// The path of one of our programs: cargo puts them beside the tests.
pub(crate) fn program(name: &str) -> PathBuf {
    let tests = std::env::current_exe().expect("a test has a path");
    let program = tests.parent().and_then(|deps| deps.parent()).expect("it lies in target/*/deps").join(name);
    assert!(program.exists(), "{} is not built: cargo build --workspace --bins", program.display());
    program
}

impl Processes {
    /// Starts them on these backends. The channel is stored at `direct`, which is the same servers without cables.
    pub(crate) async fn start(backends: Backends, direct: &Backends, dispatchers: usize) -> Self {
        let dsk = start_dsk(DSK_TOKEN, SIGNING_SECRET, &Shutdown::default()).await;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let key = new_key();
        std::fs::write(folder.path().join("key-ring"), key.expose()).expect("the folder is ours");
        add_channel(direct, ADDRESS, &key_ring(&[&key])).await;

        let settings = settings(&backends, &folder, &dsk);
        let mut ingest = start_program("ingest", &settings);
        let address = ingest.logs("Notifications are taken at http://").await;
        let ingest_address: SocketAddr = address.trim_end_matches("/webhook").parse().expect("an address");
        let to = format!("http://{ingest_address}/webhook").parse().expect("an address");
        let meta = Meta::new(to, Secret::new(APP_SECRET));
        let mut processes = Self {
            backends,
            folder,
            key,
            dsk,
            meta,
            ingest_address,
            ingest,
            dispatchers: Vec::new(),
            extra_settings: Vec::new(),
        };
        for _ in 0..dispatchers {
            processes.add_dispatcher().await;
        }
        processes
    }

    /// Starts one more dispatcher and waits until it takes envelopes.
    pub(crate) async fn add_dispatcher(&mut self) {
        let mut settings = settings(&self.backends, &self.folder, &self.dsk);
        settings.extend(self.extra_settings.iter().cloned());
        let mut dispatcher = start_program("dispatcher", &settings);
        dispatcher.logs("Taking from the queue").await;
        self.dispatchers.push(dispatcher);
    }

    /// Starts one more ingest and returns what plays Meta for it.
    pub(crate) async fn start_second_ingest(&self) -> SecondIngest {
        let mut process = start_program("ingest", &settings(&self.backends, &self.folder, &self.dsk));
        let to = process.logs("Notifications are taken at ").await.parse().expect("an address");
        SecondIngest { process, meta: Meta::new(to, Secret::new(APP_SECRET)) }
    }

    /// Starts one more dispatcher without waiting for it: it may refuse to start.
    pub(crate) fn start_second_dispatcher(&self) -> Process {
        start_program("dispatcher", &settings(&self.backends, &self.folder, &self.dsk))
    }

    /// Posts a signed notification and returns the status of the answer, or 0 if there was none.
    pub(crate) async fn post(&self, body: Bytes) -> u16 {
        self.meta.post(body).await.map_or(0, |status| status.as_u16())
    }

    /// Posts a notification again and again until it is accepted, as Meta does.
    pub(crate) async fn post_until_accepted(&self, body: Bytes) {
        eventually("a notification is accepted", async || (self.post(body.clone()).await == 200).then_some(())).await;
    }

    /// Waits until DSK has that many events.
    pub(crate) async fn delivered(&self, count: usize) -> BTreeSet<String> {
        eventually(&format!("DSK has {count} events"), async || {
            let events = self.dsk.events();
            assert!(events <= count, "{events} events arrived, and only {count} were sent");
            (events == count).then(|| self.dsk.ids())
        })
        .await
    }

    /// The value of a series that the first dispatcher shows.
    pub(crate) async fn dispatcher_metric(&mut self, name: &str) -> f64 {
        let address = self.dispatchers[0].logs("Admin port listens on ").await;
        let (_, page) = get(&address, "/metrics").await;
        figure(&page, name)
    }

    /// Replaces the key ring by these keys.
    pub(crate) fn write_keys(&self, keys: &[&Secret]) {
        let text = keys.iter().map(|key| key.expose()).collect::<Vec<_>>().join("\n");
        std::fs::write(self.folder.path().join("key-ring"), text).expect("the folder is ours");
    }

    /// The key ring of the processes, as it is now.
    fn key_ring(&self) -> KeyRing {
        let metrics = channels::Metrics::register(&Registry::new()).expect("metrics register once");
        let settings = KeyRingSettings::file(&self.key_ring_file());
        KeyRing::load(&settings, &metrics).expect("the keys are Fernet keys")
    }

    /// Opens the channel store as the processes reach it.
    #[cfg(feature = "long")]
    pub(crate) fn store(&self) -> ChannelStore {
        open_store(&self.backends, &self.key_ring())
    }

    /// The file that holds it.
    pub(crate) fn key_ring_file(&self) -> PathBuf {
        self.folder.path().join("key-ring")
    }

    /// The key that sealed the channel's token.
    pub(crate) fn key(&self) -> Secret {
        self.key.clone()
    }

    /// The output of every process so far.
    pub(crate) fn logged(&self) -> String {
        let dispatchers = self.dispatchers.iter().map(Process::logged);
        dispatchers.chain([self.ingest.logged()]).collect::<Vec<_>>().join("\n")
    }
}

/// A test that fails shows the output of the processes; one that passes checks what DSK received against the contract.
impl Drop for Processes {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.logged());
        } else {
            check_contract(&self.dsk.seen());
        }
    }
}

async fn add_channel(backends: &Backends, address: &str, ring: &KeyRing) {
    let channel = NewChannel::new(Address::new(address), "tenant", ring.seal(&Secret::new(DSK_TOKEN)));
    let store = open_store(backends, ring);
    eventually("the channel is stored", async || store.add(&channel, now()).await.ok()).await;
}

/// The settings of both processes, with the most detailed log.
pub(crate) fn settings(backends: &Backends, folder: &TempDir, dsk: &Dsk) -> Vec<(&'static str, String)> {
    vec![
        ("QUEUE_URL", backends.queue_url.clone()),
        ("CHANNELS_URL", backends.channels_url.clone()),
        ("CHANNELS_KEY_PREFIX", backends.key_prefix.clone()),
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

/// Starts one of our programs, with the rights of its own users in RabbitMQ and Redis.
pub(crate) fn start_program(name: &str, settings: &[(&'static str, String)]) -> Process {
    let settings = with_rights(name, settings);
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Process::start(&program(name), &[], &settings)
}

/// The verify token that ingest knows.
pub(crate) fn verify_token() -> &'static str {
    VERIFY_TOKEN
}

/// Sends one GET and returns the status and body of the answer.
pub(crate) async fn get(address: &str, path: &str) -> (u16, String) {
    raw(address, format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").as_bytes()).await
}

/// Sends these bytes, reads the answer to its end, and returns its status and body.
pub(crate) async fn raw(address: &str, request: &[u8]) -> (u16, String) {
    let exchange = async {
        let mut connection = TcpStream::connect(address).await.expect("it listens");
        connection.write_all(request).await.expect("it reads");
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).await.expect("it answers");
        String::from_utf8_lossy(&answer).into_owned()
    };
    let answer = tokio::time::timeout(Duration::from_secs(20), exchange).await.expect("the answer arrives within 20 s");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    (status, body.to_owned())
}
