//! `ops webhook`: plays Meta, which signs notifications and posts them to ingest, and explains notifications.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;
use chassis::{Secret, read_secret};
use clap::{Args, Subcommand};
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::explain::Explain;
use crate::failure::Failure;
use crate::files;
use crate::output::{counted, outln};

/// Plays Meta: signs and posts notifications, and explains them.
#[derive(Debug, Subcommand)]
pub(crate) enum Webhook {
    /// Signs and posts each file, one after the other, and shows the status and the time of each answer.
    Send(SendFiles),
    /// Shows the events that ingest would make of each file. The exit code is 1 if a file is not a notification that we
    /// know.
    Explain(Explain),
}

/// Signs and posts notifications.
#[derive(Args, Debug)]
pub(crate) struct SendFiles {
    /// Files with a body each, as Meta would post it; `-` is standard input.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The URL at which ingest takes notifications.
    #[arg(long, env = "WEBHOOK_URL", default_value = "http://127.0.0.1:8080/webhook")]
    to: Uri,
    /// How long to wait until ingest listens.
    #[arg(long, default_value = "5s", value_parser = humantime::parse_duration)]
    wait: Duration,
    /// The app secrets that ingest was started with; the first one signs.
    #[arg(long, env, hide = true, hide_env_values = true)]
    meta_app_secrets: Option<Secret>,
    /// A file with the value of `META_APP_SECRETS`.
    #[arg(long, env)]
    meta_app_secrets_file: Option<PathBuf>,
}

/// Posts signed bodies, as Meta does.
#[derive(Clone, Debug)]
pub struct Meta {
    client: Client<HttpConnector, Full<Bytes>>,
    to: Uri,
    app_secret: Secret,
}

/// How long Meta waits for an answer. A later one does not count.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often to try whether ingest listens.
const LISTEN_PERIOD: Duration = Duration::from_millis(100);

impl Meta {
    /// Signs with `app_secret` and posts to `to`.
    pub fn new(to: Uri, app_secret: Secret) -> Self {
        Self { client: Client::builder(TokioExecutor::new()).build_http(), to, app_secret }
    }

    /// The value that Meta puts into `X-Hub-Signature-256`.
    pub fn signature(body: &[u8], app_secret: &Secret) -> String {
        ingest::sign(body, app_secret)
    }

    /// Signs and posts one body. An answer that takes longer than Meta would wait is an error.
    pub async fn post(&self, body: Bytes) -> Result<StatusCode, String> {
        let signature = Self::signature(&body, &self.app_secret);
        self.post_with(body, Some(&signature)).await
    }

    /// Posts one body with this value of `X-Hub-Signature-256`, or without the header.
    pub async fn post_with(&self, body: Bytes, signature: Option<&str>) -> Result<StatusCode, String> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(self.to.clone())
            .header("content-type", "application/json")
            .header("user-agent", "facebookexternalua");
        if let Some(signature) = signature {
            request = request.header("x-hub-signature-256", signature);
        }
        let request = request.body(Full::new(body)).map_err(|error| error.to_string())?;
        let exchange = async {
            let answer = self.client.request(request).await.map_err(|error| format!("no answer: {}", cause(&error)))?;
            let status = answer.status();
            answer.into_body().collect().await.map_err(|error| format!("the answer broke off: {error}"))?;
            Ok(status)
        };
        tokio::time::timeout(PATIENCE, exchange).await.unwrap_or_else(|_| Err(format!("no answer within {PATIENCE:?}")))
    }
}

/// The text of the innermost error, which says what happened ("connection refused").
fn cause(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// Gives a process that was started a moment ago the time to listen. If it never does, the posts fail and say so.
async fn await_listener(to: &Uri, longest: Duration) {
    let host = to.host().unwrap_or_default();
    let port = to.port_u16().unwrap_or(80);
    let listens = async {
        while tokio::net::TcpStream::connect((host, port)).await.is_err() {
            tokio::time::interval_at(tokio::time::Instant::now() + LISTEN_PERIOD, LISTEN_PERIOD).tick().await;
        }
    };
    tokio::time::timeout(longest, listens).await.ok();
}

impl Webhook {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Send(send) => send.run().await,
            Self::Explain(explain) => explain.run(),
        }
    }
}

impl SendFiles {
    async fn run(self) -> Result<(), Failure> {
        let given =
            read_secret("META_APP_SECRETS", self.meta_app_secrets.as_ref(), self.meta_app_secrets_file.as_deref())
                .map_err(Failure::usage)?;
        let secrets = given.ok_or_else(|| {
            Failure::usage("META_APP_SECRETS is missing: give the app secret that ingest was started with")
        })?;
        let first = secrets.list().into_iter().next().unwrap_or_else(|| Secret::new(""));
        let meta = Meta::new(self.to.clone(), first);
        await_listener(&self.to, self.wait).await;
        let mut refused = 0;
        for file in &self.files {
            let body = Bytes::from(files::read(file)?);
            let started = Instant::now();
            let answer = meta.post(body).await;
            let elapsed_ms = started.elapsed().as_millis();
            let shown = match &answer {
                Ok(status) => status.as_u16().to_string(),
                Err(error) => error.clone(),
            };
            outln!("{shown} {elapsed_ms} ms {}", file.display())?;
            refused += usize::from(answer != Ok(StatusCode::OK));
        }
        let sent = self.files.len();
        if refused > 0 {
            return Err(Failure::runtime(format!(
                "{refused} of {} not answered 200: ingest's log says why",
                counted(sent, "notification")
            )));
        }
        outln!("{} sent, each answered 200", counted(sent, "notification"))
    }
}
