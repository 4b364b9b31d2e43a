//! Where businesses connect their channels, for one test: the real `connect` on the shared Redis, with Meta played.

use std::net::SocketAddr;

use channels::{ChannelStore, ChannelsSettings, KeyRing, SealedSecret, new_key};
use chassis::{Secret, Shutdown};
use ops::graph::{ACCOUNT, Graph, NUMBER};
use prometheus::Registry;
use tempfile::TempDir;
use testkit::{Process, Redis, free_port};

use crate::support::browser::{Browser, Page};
use crate::support::stack::{DSK_TOKEN, get, key_ring, program, raw, start_program};

/// With which DSK asks for tickets.
pub(crate) const API_KEY: &str = "dsk-api-key-0123456789abcdef0123456789abcdef";
const SECRET: &str = "connect-secret-0123456789abcdef0123456789abcdef";

/// The process, and those around it.
pub(crate) struct Desk {
    pub(crate) graph: Graph,
    pub(crate) store: ChannelStore,
    pub(crate) ring: KeyRing,
    pub(crate) address: String,
    /// Where it shows Prometheus what it counts.
    pub(crate) admin: String,
    process: Process,
    settings: Vec<(&'static str, String)>,
    folder: TempDir,
}

impl Desk {
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// With these settings beside the rest.
    pub(crate) async fn start_with(extra: &[(&'static str, &str)]) -> Self {
        let redis = Redis::shared().await;
        Self::on((redis.url(), redis.prefix()), &new_key(), extra).await
    }

    /// On a store and a key ring that others use, too.
    pub(crate) async fn on(
        (channels_url, key_prefix): (String, String),
        key: &Secret,
        extra: &[(&'static str, &str)],
    ) -> Self {
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let graph = Graph::start(any_port, &Shutdown::default()).await.expect("a free port");
        // The address is part of the settings, so the port has to be known before.
        let address = format!("127.0.0.1:{}", free_port());
        let mut settings = graph.settings();
        settings.extend([
            ("CHANNELS_URL", channels_url.clone()),
            ("CHANNELS_KEY_PREFIX", key_prefix.clone()),
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
        let admin = process.says("Admin port listens on ").await;
        let metrics = channels::Metrics::register(&Registry::new()).expect("metrics register once");
        let folder = TempDir::new().expect("a temporary folder");
        let store = ChannelsSettings::at(channels_url, &key_prefix);
        let store = ChannelStore::open(&store, metrics, &Shutdown::default()).expect("the store opens");
        Self { graph, store, ring: key_ring(&[key]), address, admin, process, settings, folder }
    }

    /// What DSK's call for a ticket is answered.
    pub(crate) async fn api(&self, key: &str, body: &str) -> (u16, String) {
        let request = format!(
            "POST /api/tickets HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {key}\r\ncontent-type: \
             application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        raw(&self.address, request.as_bytes()).await
    }

    /// A link for a tenant, as a path.
    pub(crate) async fn link(&self, tenant: &str) -> String {
        let body = format!(r#"{{"tenant":"{tenant}","dsk_token":"{DSK_TOKEN}"}}"#);
        let (status, answer) = self.api(API_KEY, &body).await;
        assert_eq!(status, 201, "{answer}");
        let answer: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
        let url = answer["url"].as_str().expect("a url");
        url.strip_prefix(&format!("http://{}", self.address)).expect("it leads here").to_owned()
    }

    /// A link of `ops connect-link`, as a path.
    pub(crate) async fn operators_link(&self, tenant: &str) -> String {
        let token = self.folder.path().join("dsk-token");
        std::fs::write(&token, DSK_TOKEN).expect("the folder is ours");
        let token = token.to_str().expect("a path in letters");
        let (succeeded, said) = self.ops(&["connect-link", "--tenant", tenant, "--dsk-token-file", token]).await;
        assert!(succeeded, "{said}");
        let url = said.lines().find(|line| line.starts_with("http")).expect("a link");
        url.strip_prefix(&format!("http://{}", self.address)).expect("it leads here").to_owned()
    }

    /// Runs `ops` with the settings of the process: whether it succeeded, and what it said.
    pub(crate) async fn ops(&self, arguments: &[&str]) -> (bool, String) {
        let mut command = tokio::process::Command::new(program("ops"));
        command.env_clear().envs(self.settings.iter().filter(|(name, _)| *name != "LOG").cloned());
        let output = command.args(arguments).output().await.expect("it can be run");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout) + text(&output.stderr).as_str())
    }

    /// What the process was told, with one setting another, for a process beside it.
    pub(crate) fn settings_with(&self, other: (&'static str, &str)) -> Vec<(&'static str, String)> {
        let kept = self.settings.iter().filter(|(name, _)| *name != other.0 && *name != "CONNECT_LISTEN").cloned();
        kept.chain([(other.0, other.1.to_owned()), ("CONNECT_LISTEN", "127.0.0.1:0".to_owned())]).collect()
    }

    /// A browser that has used a link.
    pub(crate) async fn begin(&self, tenant: &str) -> Browser {
        let (link, mut browser) = (self.link(tenant).await, Browser::new(&self.address));
        let page = browser.post(&link, &[]).await;
        assert_eq!(page.status, 303, "{page:?}");
        browser
    }

    /// Goes through Embedded Signup with the account and number that there are.
    pub(crate) async fn sign_up(&self, browser: &mut Browser) -> Page {
        self.sign_up_as(browser, ("FINISH", NUMBER)).await
    }

    /// The same, with what the browser says given.
    pub(crate) async fn sign_up_as(&self, browser: &mut Browser, (outcome, number): (&str, &str)) -> Page {
        let code = self.graph.code();
        let said = [("outcome", outcome), ("code", code.as_str()), ("account_id", ACCOUNT), ("number_id", number)];
        browser.press("/whatsapp", "/whatsapp", &said).await
    }

    /// A sealed token's text.
    pub(crate) fn opened(&self, sealed: Option<SealedSecret>) -> String {
        self.ring.open(&sealed.expect("it is stored")).expect("it opens").expose().to_owned()
    }

    /// Writes a field of a channel's record past everybody.
    pub(crate) async fn set(&self, address: &str, (field, value): (&str, &str)) {
        let key = format!("{}channel:{address}", self.setting("CHANNELS_KEY_PREFIX"));
        Redis::shared().await.command(&["HSET", &key, field, value]).await;
    }

    /// Where Meta's script is.
    pub(crate) fn sdk_url(&self) -> String {
        self.setting("META_SDK_URL")
    }

    fn setting(&self, wanted: &str) -> String {
        self.settings.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.clone()).expect("it is set")
    }

    /// What it shows Prometheus.
    pub(crate) async fn metrics(&self) -> String {
        get(&self.admin, "/metrics").await.1
    }

    pub(crate) async fn metric(&self, name: &str) -> u64 {
        let text = self.metrics().await;
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name} in\n{text}"));
        line.rsplit(' ').next().and_then(|value| value.parse().ok()).expect("a number")
    }

    /// Most memory that the process has had, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        self.process.peak_memory()
    }

    /// Everything that the process has said.
    pub(crate) fn said(&self) -> String {
        self.process.said()
    }

    /// Meta was sent nothing that it would not have taken.
    pub(crate) fn is_content(&self) {
        assert_eq!(self.graph.complaints(), Vec::<String>::new());
    }
}

/// A test that fails shows what the process had to say.
impl Drop for Desk {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.said());
        }
    }
}
