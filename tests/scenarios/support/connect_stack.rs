//! `connect` for one test: the real process on the shared Redis, with a stand-in for Meta.

use std::net::SocketAddr;

use channels::{ChannelStore, ChannelsSettings, KeyRing, SealedSecret, new_key};
use chassis::{Secret, Shutdown};
use ops::graph::{ACCOUNT, Graph, INSTAGRAM_APP, INSTAGRAM_USER, NUMBER};
use prometheus::Registry;
use tempfile::TempDir;
use testkit::{Process, Redis, eventually, free_port, with_rights};

use crate::support::browser::{Browser, Page};
use crate::support::dsk::DSK_TOKEN;
use crate::support::metrics_page::figure;
use crate::support::stack::{get, key_ring, program, raw, start_program};

/// The key with which DSK asks for tickets.
pub(crate) const API_KEY: &str = "dsk-api-key-0123456789abcdef0123456789abcdef";
const SECRET: &str = "connect-secret-0123456789abcdef0123456789abcdef";

/// The process, and what is around it.
pub(crate) struct ConnectStack {
    pub(crate) graph: Graph,
    pub(crate) store: ChannelStore,
    pub(crate) ring: KeyRing,
    pub(crate) address: String,
    /// The address of its admin port.
    pub(crate) admin: String,
    pub(crate) process: Process,
    settings: Vec<(&'static str, String)>,
    folder: TempDir,
}

impl ConnectStack {
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts it with further settings.
    pub(crate) async fn start_with(extra: &[(&'static str, &str)]) -> Self {
        let redis = Redis::shared().await;
        Self::on(&redis.url(), &redis.prefix(), &new_key(), extra).await
    }

    /// Starts it on a store and a key ring that other processes use, too.
    pub(crate) async fn on(channels_url: &str, key_prefix: &str, key: &Secret, extra: &[(&'static str, &str)]) -> Self {
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let graph = Graph::start(any_port, &Shutdown::default()).await.expect("a free port");
        // The address is part of the settings, so the port must be known before the process starts.
        let address = format!("127.0.0.1:{}", free_port());
        let mut settings = graph.settings();
        settings.extend([
            ("CHANNELS_URL", channels_url.to_owned()),
            ("CHANNELS_KEY_PREFIX", key_prefix.to_owned()),
            ("KEY_RING", key.expose().to_owned()),
            ("CONNECT_LISTEN", address.clone()),
            ("CONNECT_URL", format!("http://{address}")),
            ("CONNECT_SECRET", SECRET.to_owned()),
            ("CONNECT_API_KEYS", API_KEY.to_owned()),
            ("ADMIN_LISTEN", "127.0.0.1:0".to_owned()),
            ("LOG", "trace".to_owned()),
        ]);
        settings.extend(extra.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let mut process = start_program("connect", &settings);
        let admin = process.logs("Admin port listens on ").await;
        let metrics = channels::Metrics::register(&Registry::new()).expect("metrics register once");
        let folder = TempDir::new().expect("a temporary folder");
        let store = ChannelsSettings::at(channels_url, key_prefix);
        let store = ChannelStore::open(&store, metrics, &Shutdown::default()).expect("the store opens");
        let ring = key_ring(&[key]);
        let store = store.with_key_ring(&ring);
        Self { graph, store, ring, address, admin, process, settings, folder }
    }

    /// Asks for a ticket as DSK does, and returns the status and body of the answer.
    pub(crate) async fn api(&self, key: &str, body: &str) -> (u16, String) {
        let request = format!(
            "POST /api/tickets HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {key}\r\ncontent-type: \
             application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        raw(&self.address, request.as_bytes()).await
    }

    /// Asks for a tenant's link and returns its path.
    pub(crate) async fn link(&self, tenant: &str) -> String {
        let body = format!(r#"{{"tenant":"{tenant}","dsk_token":"{DSK_TOKEN}"}}"#);
        let (status, answer) = self.api(API_KEY, &body).await;
        assert_eq!(status, 201, "{answer}");
        let answer: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
        let url = answer["url"].as_str().expect("a url");
        url.strip_prefix(&format!("http://{}", self.address)).expect("the link leads to this process").to_owned()
    }

    /// Makes a tenant's link with `ops connect-link` and returns its path.
    pub(crate) async fn operators_link(&self, tenant: &str) -> String {
        let token = self.folder.path().join("dsk-token");
        std::fs::write(&token, DSK_TOKEN).expect("the folder is ours");
        let token = token.to_str().expect("a path in letters");
        let (succeeded, output) = self.ops(&["connect-link", "--tenant", tenant, "--dsk-token-file", token]).await;
        assert!(succeeded, "{output}");
        let url = output.lines().find(|line| line.starts_with("http")).expect("a link");
        url.strip_prefix(&format!("http://{}", self.address)).expect("the link leads to this process").to_owned()
    }

    /// Stores an account at Instagram that the person of this id has connected with the Instagram app.
    pub(crate) async fn add_instagram_account(&self, person: &str) -> (bool, String) {
        let token = self.folder.path().join("dsk-token");
        std::fs::write(&token, DSK_TOKEN).expect("the folder is ours");
        let token = token.to_str().expect("a path in letters");
        let address = format!("instagram:{INSTAGRAM_USER}");
        let add = ["channels", "add", &address, "--tenant", "acme", "--dsk-token-file", token];
        self.ops(&[&add[..], &["--app-user-id", person, "--app-id", INSTAGRAM_APP.0]].concat()).await
    }

    /// Runs `ops` with the settings of the process, and returns whether it succeeded and its output.
    pub(crate) async fn ops(&self, arguments: &[&str]) -> (bool, String) {
        let mut command = tokio::process::Command::new(program("ops"));
        let settings = with_rights("ops", &self.settings);
        command.env_clear().envs(settings.into_iter().filter(|(name, _)| *name != "LOG"));
        let output = command.args(arguments).output().await.expect("it can be run");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout) + text(&output.stderr).as_str())
    }

    /// The settings of the process with another value of one of them, for a second process beside it.
    pub(crate) fn settings_with(&self, name: &'static str, value: &str) -> Vec<(&'static str, String)> {
        let is_kept = |other: &&(&str, String)| other.0 != name && other.0 != "CONNECT_LISTEN";
        let changed = [(name, value.to_owned()), ("CONNECT_LISTEN", "127.0.0.1:0".to_owned())];
        self.settings.iter().filter(is_kept).cloned().chain(changed).collect()
    }

    /// A browser with a session: it has used a link.
    pub(crate) async fn begin(&self, tenant: &str) -> Browser {
        let link = self.link(tenant).await;
        let mut browser = Browser::new(&self.address);
        let page = browser.post(&link, &[]).await;
        assert_eq!(page.status, 303, "{page:?}");
        browser
    }

    /// Completes Embedded Signup with the account and number that Meta has.
    pub(crate) async fn sign_up(&self, browser: &mut Browser) -> Page {
        self.sign_up_as(browser, "FINISH", NUMBER).await
    }

    /// Sends what the browser reports at the end of Embedded Signup: an outcome and a number.
    pub(crate) async fn sign_up_as(&self, browser: &mut Browser, outcome: &str, number: &str) -> Page {
        let code = self.graph.code();
        let fields = [("outcome", outcome), ("code", code.as_str()), ("account_id", ACCOUNT), ("number_id", number)];
        browser.press("/whatsapp", "/whatsapp", &fields).await
    }

    /// Opens a sealed token.
    pub(crate) fn opened(&self, sealed: Option<SealedSecret>) -> String {
        self.ring.open(&sealed.expect("it is stored")).expect("it opens").expose().to_owned()
    }

    /// Writes one field of a channel's record directly into Redis.
    pub(crate) async fn set(&self, address: &str, field: &str, value: &str) {
        let key = format!("{}channel:{address}", self.key_prefix());
        Redis::shared().await.command(&["HSET", &key, field, value]).await;
    }

    /// The URL of Meta's script.
    pub(crate) fn sdk_url(&self) -> String {
        self.setting("META_SDK_URL")
    }

    /// How its keys in Redis begin.
    pub(crate) fn key_prefix(&self) -> String {
        self.setting("CHANNELS_KEY_PREFIX")
    }

    fn setting(&self, sought: &str) -> String {
        self.settings.iter().find(|(name, _)| *name == sought).map(|(_, value)| value.clone()).expect("it is set")
    }

    /// Its page of metrics.
    pub(crate) async fn metrics(&self) -> String {
        get(&self.admin, "/metrics").await.1
    }

    /// The value of a series on that page.
    pub(crate) async fn metric(&self, name: &str) -> u64 {
        figure(&self.metrics().await, name)
    }

    /// The most memory that the process has had at once, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        self.process.peak_memory()
    }

    /// The output of the process so far.
    pub(crate) fn logged(&self) -> String {
        self.process.logged()
    }

    /// The output of the process as soon as it contains this text as often as that: a line may arrive after the answer of
    /// which it tells.
    pub(crate) async fn logged_with(&self, text: &str, times: usize) -> String {
        let is_there = async || Some(self.logged()).filter(|log| log.matches(text).count() >= times);
        eventually(&format!("connect logs {text:?}"), is_there).await
    }

    /// Checks that Meta received no request that it would have refused.
    pub(crate) fn meta_has_no_complaints(&self) {
        assert_eq!(self.graph.complaints(), Vec::<String>::new());
    }
}

/// A test that fails shows the output of the process.
impl Drop for ConnectStack {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.logged());
        }
    }
}
