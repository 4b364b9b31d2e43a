//! The receivers of `docs/receivers`, built and started as their README says, with what the dispatcher and a reader send.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use chassis::{Secret, SignedContent, SigningSecret, now};
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::{Process, free_port};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::sync::OnceCell;

use crate::support::dsk::{DSK_TOKEN, SIGNING_SECRET};
use crate::support::stack::raw;
use crate::support::workspace::{read, root};

/// Authorises a reader of the conversations.
const READ_TOKEN: &str = "read-token-5d0c11";
/// A second token and a second secret, each accepted beside the first.
const OTHERS: [&str; 2] = ["token-of-last-year", "whsec_c2VjcmV0IG9mIGxhc3QgeWVhcg=="];

/// What a receiver is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    Python,
    TypeScript,
}

/// A running receiver.
pub(crate) struct Receiver {
    language: Language,
    pub(crate) process: Process,
    folder: TempDir,
    port: u16,
}

/// Who signs a request, and with which token it comes.
pub(crate) struct Credentials {
    pub(crate) token: &'static str,
    pub(crate) signing_secret: &'static str,
    /// How far the clock of the sender is off.
    pub(crate) seconds_off: i64,
}

impl Credentials {
    /// What the dispatcher has.
    pub(crate) const RIGHT: Self = Self { token: DSK_TOKEN, signing_secret: SIGNING_SECRET, seconds_off: 0 };
    /// What it had before both were changed.
    pub(crate) const OLD: Self = Self { token: OTHERS[0], signing_secret: OTHERS[1], seconds_off: 0 };
}

impl Language {
    fn sources(self) -> PathBuf {
        root().join("docs/receivers").join(match self {
            Self::Python => "python",
            Self::TypeScript => "typescript",
        })
    }

    /// The folder in `target` with what its package manager installed. It is filled once, and again when a source changes.
    async fn built(self) -> PathBuf {
        static PYTHON: OnceCell<PathBuf> = OnceCell::const_new();
        static TYPESCRIPT: OnceCell<PathBuf> = OnceCell::const_new();
        let once = match self {
            Self::Python => &PYTHON,
            Self::TypeScript => &TYPESCRIPT,
        };
        once.get_or_init(|| self.build()).await.clone()
    }

    async fn build(self) -> PathBuf {
        let (folder, commands): (&str, &[&[&str]]) = match self {
            Self::Python => (
                "python",
                &[
                    &["python3", "-m", "venv", ".venv"],
                    &[".venv/bin/pip", "install", "--quiet", "--requirement", "requirements.txt"],
                ],
            ),
            Self::TypeScript => ("typescript", &[&["npm", "ci", "--no-audit", "--no-fund"], &["npm", "run", "build"]]),
        };
        let target = root().join("target/receivers").join(folder);
        let sources = self.source_files();
        let texts: Vec<String> = sources.iter().map(|path| format!("{}\n{}", path.display(), read(path))).collect();
        let stamp = texts.join("\n");
        let complete = target.join("complete");
        if std::fs::read_to_string(&complete).is_ok_and(|built| built == stamp) {
            return target;
        }
        std::fs::remove_dir_all(&target).ok();
        for source in &sources {
            let copy = target.join(source.strip_prefix(self.sources()).expect("it is there"));
            std::fs::create_dir_all(copy.parent().expect("it is in a folder")).expect("target is ours");
            std::fs::copy(source, copy).expect("it can be copied");
        }
        for command in commands {
            run(&target, command).await;
        }
        std::fs::write(complete, stamp).expect("target is ours");
        target
    }

    /// Its files, without what somebody may have installed beside them.
    fn source_files(self) -> Vec<PathBuf> {
        let folders = [self.sources(), self.sources().join("src")];
        let entries = folders.iter().flat_map(std::fs::read_dir).flatten().flatten();
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect();
        files.sort();
        files
    }
}

/// Runs a command that must succeed, and returns its output. The package managers find their settings in the environment.
async fn run(folder: &Path, command: &[&str]) -> String {
    let output = Command::new(command[0]).args(&command[1..]).current_dir(folder).output().await;
    let output = output.unwrap_or_else(|error| panic!("{command:?} can't be run: {error}"));
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?} failed: {printed}{}", String::from_utf8_lossy(&output.stderr));
    printed
}

impl Receiver {
    /// Builds it and starts it with an empty store.
    pub(crate) async fn start(language: Language) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let port = free_port();
        let process = Self::spawn(language, folder.path(), port).await;
        Self { language, process, folder, port }
    }

    /// Ends it like a power cut and starts it again on the same store.
    pub(crate) async fn kill_and_start_again(&mut self) {
        self.process.kill().await;
        if self.language == Language::TypeScript {
            // What a power cut in the middle of a write leaves behind. SQLite has its own tests for that.
            let mut file = std::fs::OpenOptions::new().append(true).open(self.folder.path().join("store"));
            let file = file.as_mut().expect("its store is a file");
            file.write_all(br#"{"id":"evt_torn","body":"{"#).expect("the folder is ours");
        }
        self.process = Self::spawn(self.language, self.folder.path(), self.port).await;
    }

    async fn spawn(language: Language, folder: &Path, port: u16) -> Process {
        let built = language.built().await;
        let listen = format!("127.0.0.1:{port}");
        let tokens = format!("{},{DSK_TOKEN}", OTHERS[0]);
        let secrets = format!("{}\n{SIGNING_SECRET}", OTHERS[1]);
        let store = folder.join("store").display().to_string();
        let settings = [
            ("TOKENS", tokens.as_str()),
            ("SIGNING_SECRETS", &secrets),
            ("READ_TOKENS", READ_TOKEN),
            ("STORE", &store),
            ("LISTEN", &listen),
        ];
        let at = |name: &str| built.join(name).display().to_string();
        let (program, argument, started) = match language {
            Language::Python => (at(".venv/bin/python"), at("receiver.py"), "Uvicorn running on "),
            // A process of a test gets no PATH.
            Language::TypeScript => {
                (run(&built, &["node", "-p", "process.execPath"]).await, at("dist/receiver.js"), "Events are taken at ")
            }
        };
        let mut process = Process::start(Path::new(program.trim()), &[&argument], &settings);
        process.logs(started).await;
        process
    }

    /// The URL for a channel's record.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/events", self.port)
    }

    /// A page, as its reader gets it.
    pub(crate) async fn page(&self, path: &str) -> Value {
        let (status, body) = self.get(path, READ_TOKEN).await;
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{path}: {error}: {body}"))
    }

    /// Asks for a page with this token, and returns the status and body of the answer.
    pub(crate) async fn get(&self, path: &str, token: &str) -> (u16, String) {
        let head =
            format!("GET {path} HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n");
        raw(&self.address(), head.as_bytes()).await
    }

    /// Every conversation in the list, with its messages.
    pub(crate) async fn threads(&self) -> Vec<Value> {
        let mut threads = Vec::new();
        for one in self.page("/conversations").await.as_array().expect("a list") {
            let key = one["conversation"].as_str().expect("it has a key");
            threads.push(self.page(&format!("/conversations/{key}")).await);
        }
        threads
    }

    /// Posts an event as the dispatcher does, and returns the status of the answer.
    pub(crate) async fn post(&self, body: &[u8], credentials: &Credentials) -> u16 {
        raw(&self.address(), &request(body, credentials)).await.0
    }

    /// The same while it may be killed: there may be no answer.
    pub(crate) async fn post_if_it_lives(&self, body: &[u8]) -> Option<u16> {
        let mut connection = TcpStream::connect(self.address()).await.ok()?;
        connection.write_all(&request(body, &Credentials::RIGHT)).await.ok()?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.ok()?;
        answer.split(' ').nth(1)?.parse().ok()
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

/// An event in the form of the contract, about one conversation of a WhatsApp number.
pub(crate) fn event(serial: usize, key: &str, second: u32, members: Value) -> Vec<u8> {
    let mut data = json!({
        "id": format!("evt_{serial:026}"), "platform": "whatsapp", "channel": { "id": "1065" }, "conversation": key,
        "contact": { "id": "7" }, "received_at": format!("2026-01-01T00:01:{second:02}.5Z"), "payload": {},
    });
    data.as_object_mut().expect("an object").append(&mut members.as_object().expect("an object").clone());
    let body = json!({ "type": "whatsapp.of_tomorrow", "timestamp": "2026-01-01T00:00:00Z", "data": data });
    body.to_string().into_bytes()
}

/// A request as the dispatcher makes it.
fn request(body: &[u8], credentials: &Credentials) -> Vec<u8> {
    let event: Value = serde_json::from_slice(body).unwrap_or_default();
    let id = event["data"]["id"].as_str().unwrap_or("evt_none");
    let timestamp = now().as_second() + credentials.seconds_off;
    let secret = SigningSecret::parse(&Secret::new(credentials.signing_secret)).expect("a signing secret");
    let signature = secret.sign(SignedContent { id, timestamp, body });
    let head = format!(
        "POST /events HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         authorization: Bearer {}\r\nwebhook-id: {id}\r\nwebhook-timestamp: {timestamp}\r\n\
         webhook-signature: {signature}\r\nwebhook-attempt: 1\r\nconnection: close\r\n\r\n",
        body.len(),
        credentials.token
    );
    [head.as_bytes(), body].concat()
}

/// A test that fails shows what the receiver logged.
impl Drop for Receiver {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.process.logged());
        }
    }
}
