//! `ops dsk`: plays DSK. Checks bearer token, signature and body of every request, shows one line an event, and fails
//! when told to. The tests and the demonstration deliver to the same stand-in.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;

use bytes::Bytes;
use chassis::{
    Secret, ServeLimits, Shutdown, SignedContent, SigningSecret, TelemetrySettings, dice, now, start_telemetry,
};
use clap::Args;
use serde_json::Value;

use crate::cli::Failed;
use crate::files;

/// Plays DSK: checks what it gets, shows one line an event, and fails when told to.
#[derive(Args, Debug)]
pub(crate) struct Command {
    /// Where to listen.
    #[arg(long, env = "DSK_LISTEN", default_value = "127.0.0.1:9100")]
    listen: SocketAddr,
    /// A file with the bearer token that must come. Without it any token will do, but one must come.
    #[arg(long)]
    token_file: Option<PathBuf>,
    /// A file with the signing secret (`whsec_…`). Without it the signature is not checked.
    #[arg(long)]
    signing_secret_file: Option<PathBuf>,
    /// Answers every good request with this status.
    #[arg(long)]
    answer: Option<u16>,
    /// Waits this long before each answer.
    #[arg(long, default_value = "0s", value_parser = humantime::parse_duration)]
    delay: Duration,
    /// Share of good requests answered 503 instead, from 0 to 1.
    #[arg(long, default_value_t = 0.0)]
    fail_ratio: f64,
    #[command(flatten)]
    telemetry: TelemetrySettings,
}

/// What the stand-in insists on, and how it fails.
#[derive(Clone, Debug, Default)]
pub struct Behaviour {
    /// The bearer token that must come; any, if `None`.
    pub token: Option<Secret>,
    /// Checks signatures made with this secret, if there is one.
    pub signing_secret: Option<SigningSecret>,
    /// Answers to good requests, one after the other; then `answer`.
    pub script: VecDeque<u16>,
    /// The answer to good requests when the script is through; 200 if `None`.
    pub answer: Option<u16>,
    /// What `Retry-After` says with every answer that is not 200.
    pub retry_after: Option<String>,
    /// Wait before each answer.
    pub delay: Duration,
    /// Share of good requests answered 503 instead.
    pub fail_ratio: f64,
    /// Good requests with this bearer token are answered 429.
    pub throttled_token: Option<Secret>,
    /// Good requests whose body holds one of these are answered 503.
    pub failing_texts: Vec<String>,
    /// Good requests with this `webhook-id` are refused (422), which parks their event.
    pub refused_id: Option<String>,
    /// Keeps the headers of every request. Of a demonstration's many they would fill the memory.
    pub keeps_headers: bool,
}

impl Behaviour {
    /// What this one request is answered, if it is treated unlike the others.
    fn special(&self, (authorization, id): (&str, &str), body: &Bytes) -> Option<u16> {
        if self.refused_id.as_deref() == Some(id) {
            return Some(422);
        }
        let bearer = authorization.strip_prefix("Bearer ");
        if self.throttled_token.as_ref().is_some_and(|token| bearer == Some(token.expose())) {
            return Some(429);
        }
        let holds = |text: &String| body.windows(text.len()).any(|part| part == text.as_bytes());
        self.failing_texts.iter().any(holds).then_some(503)
    }
}

/// One request that came.
#[derive(Clone, Debug)]
pub struct Seen {
    /// `webhook-id`.
    pub id: String,
    /// `webhook-attempt`.
    pub attempt: u32,
    /// What was answered.
    pub status: u16,
    /// Why the request was not as it should be, if it was not.
    pub fault: Option<&'static str>,
    /// `type` of the body.
    pub event_type: String,
    /// Every header, if they are kept.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// DSK, played.
#[derive(Clone, Debug)]
pub struct Dsk {
    address: SocketAddr,
    state: Arc<Mutex<Played>>,
}

#[derive(Debug, Default)]
struct Played {
    behaviour: Behaviour,
    seen: Vec<Seen>,
    delivered: BTreeSet<String>,
    failed: usize,
    under_way: HashMap<String, usize>,
    under_way_most: usize,
    prints: bool,
}

const LIMITS: ServeLimits =
    ServeLimits { header_read: Duration::from_mins(1), connections_max: 4_096, grace: Duration::from_millis(200) };

impl Dsk {
    /// Listens, and plays DSK until a stop is asked for.
    pub async fn start(
        listen: SocketAddr,
        behaviour: Behaviour,
        shutdown: &Shutdown,
    ) -> Result<Self, chassis::Problem> {
        Self::play(listen, Played { behaviour, ..Played::default() }, shutdown).await
    }

    async fn play(listen: SocketAddr, played: Played, shutdown: &Shutdown) -> Result<Self, chassis::Problem> {
        let (listener, address) = chassis::listen("--listen", listen).await?;
        let state = Arc::new(Mutex::new(played));
        let router = Router::new()
            .route("/events", post(receive))
            .layer(axum::extract::DefaultBodyLimit::max(8 << 20))
            .with_state(Arc::clone(&state));
        shutdown.spawn(chassis::serve(listener, router, LIMITS, shutdown.clone()));
        Ok(Self { address, state })
    }

    /// What `DSK_URL` has to be.
    pub fn url(&self) -> String {
        format!("http://{}/events", self.address)
    }

    /// Changes what it does from now on.
    pub fn behave(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut lock(&self.state).behaviour);
    }

    /// Every request so far, in the order of their answers.
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.state).seen.clone()
    }

    /// How many requests came and were answered.
    pub fn requests(&self) -> usize {
        lock(&self.state).seen.len()
    }

    /// Requests that wait for their answer now.
    pub fn under_way(&self) -> usize {
        lock(&self.state).under_way.values().sum()
    }

    /// Most requests of one event that were ever under way at the same time.
    pub fn under_way_most(&self) -> usize {
        lock(&self.state).under_way_most
    }

    /// Ids of the events that it has, each once.
    pub fn ids(&self) -> BTreeSet<String> {
        lock(&self.state).delivered.clone()
    }

    /// How many events it has, and how many requests it did not answer 200.
    pub fn counts(&self) -> (usize, usize) {
        let state = lock(&self.state);
        (state.delivered.len(), state.failed)
    }
}

fn lock(state: &Mutex<Played>) -> MutexGuard<'_, Played> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn receive(State(state): State<Arc<Mutex<Played>>>, headers: HeaderMap, body: Bytes) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let id = header("webhook-id").to_owned();
    let (behaviour, planned) = begin(&state, &id);
    if !behaviour.delay.is_zero() {
        // Not a task of the service: a stand-in may take its time.
        tokio::time::timeout(behaviour.delay, std::future::pending::<()>()).await.ok();
    }
    let parsed: Value = serde_json::from_slice(&body).unwrap_or_default();
    let fault = fault(&behaviour, &headers, (&parsed, &body));
    let status = match fault {
        Some(("authorization", _)) => 401,
        Some(_) => 400,
        None => behaviour.special((header("authorization"), &id), &body).unwrap_or(planned),
    };
    let seen = Seen {
        attempt: header("webhook-attempt").parse().unwrap_or_default(),
        status,
        fault: fault.map(|(_, fault)| fault),
        event_type: parsed.get("type").and_then(Value::as_str).unwrap_or_default().to_owned(),
        headers: if behaviour.keeps_headers { headers } else { HeaderMap::new() },
        body,
        id,
    };
    end(&state, seen);
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    match behaviour.retry_after.filter(|_| !status.is_success()) {
        Some(pause) => (status, [("retry-after", pause)]).into_response(),
        None => status.into_response(),
    }
}

/// The answer is planned when the request comes: what is changed while it waits holds for the next one.
fn begin(state: &Mutex<Played>, id: &str) -> (Behaviour, u16) {
    let mut state = lock(state);
    let at_once = state.under_way.entry(id.to_owned()).or_default();
    *at_once += 1;
    let at_once = *at_once;
    state.under_way_most = state.under_way_most.max(at_once);
    let scripted = state.behaviour.script.pop_front();
    let behaviour = state.behaviour.clone();
    let planned = if dice() < behaviour.fail_ratio { 503 } else { scripted.or(behaviour.answer).unwrap_or(200) };
    (behaviour, planned)
}

fn end(state: &Mutex<Played>, seen: Seen) {
    let mut state = lock(state);
    if let Some(count) = state.under_way.get_mut(&seen.id) {
        *count -= 1;
        if *count == 0 {
            state.under_way.remove(&seen.id);
        }
    }
    if state.prints {
        let repeat = state.delivered.contains(&seen.id);
        let note = seen.fault.or(repeat.then_some("a repeat: already had it")).map(|note| format!(" ({note})"));
        let Seen { status, id, event_type, attempt, .. } = &seen;
        println!("{status} {id} {event_type} attempt {attempt}{}", note.unwrap_or_default());
    }
    if seen.status == 200 {
        state.delivered.insert(seen.id.clone());
    } else {
        state.failed += 1;
    }
    state.seen.push(seen);
}

/// What is wrong with a request: which part, and how.
fn fault(
    behaviour: &Behaviour,
    headers: &HeaderMap,
    (parsed, body): (&Value, &Bytes),
) -> Option<(&'static str, &'static str)> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    match (bearer, &behaviour.token) {
        (None, _) => return Some(("authorization", "no bearer token")),
        (Some(given), Some(expected)) if given != expected.expose() => {
            return Some(("authorization", "another bearer token"));
        }
        (Some(_), _) => {}
    }
    let (id, timestamp) = (header("webhook-id").unwrap_or_default(), header("webhook-timestamp").unwrap_or_default());
    if let Some(secret) = &behaviour.signing_secret {
        let Ok(timestamp) = timestamp.parse::<i64>() else { return Some(("timestamp", "the timestamp is no number")) };
        let given = header("webhook-signature").unwrap_or_default();
        if !secret.verify(SignedContent { id, timestamp, body }, given) {
            return Some(("signature", "the signature does not match"));
        }
        if (now().as_second() - timestamp).abs() > 300 {
            return Some(("timestamp", "the timestamp is not of now"));
        }
    }
    if parsed.pointer("/data/id").and_then(Value::as_str) != Some(id) || id.is_empty() {
        return Some(("body", "data.id is not webhook-id"));
    }
    None
}

impl Command {
    pub(crate) async fn run(self) -> Result<(), Failed> {
        start_telemetry(&self.telemetry).map_err(Failed::wrong)?;
        if !(0.0..=1.0).contains(&self.fail_ratio) {
            return Err(Failed::wrong("--fail-ratio must lie between 0 and 1"));
        }
        let secret = |file: &Option<PathBuf>| file.as_deref().map(files::read_secret).transpose();
        let signing_secret = secret(&self.signing_secret_file)?;
        let behaviour = Behaviour {
            token: secret(&self.token_file)?,
            signing_secret: signing_secret.as_ref().map(SigningSecret::parse).transpose().map_err(Failed::wrong)?,
            answer: self.answer,
            delay: self.delay,
            fail_ratio: self.fail_ratio,
            ..Behaviour::default()
        };
        let shutdown = Shutdown::on_signals()?;
        let played = Played { behaviour, prints: true, ..Played::default() };
        let dsk = Dsk::play(self.listen, played, &shutdown).await.map_err(Failed::wrong)?;
        println!("Playing DSK: set DSK_URL={}", dsk.url());
        shutdown.drain(Duration::from_secs(1)).await;
        let (requests, events) = (dsk.requests(), dsk.ids().len());
        println!("{requests} requests, {events} events delivered");
        Ok(())
    }
}
