//! What the stand-in for Meta knows, and the checks that every step of it begins with.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::accounts::ACCOUNT;
use super::media_file::MediaFile;
use super::profile_answer::{ProfileAnswer, UsageHeader};

pub(super) type Parameters = BTreeMap<String, String>;
pub(super) type SharedState = Arc<Mutex<GraphState>>;

/// How a step fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The answer takes this long.
    Slow(Duration),
    /// Error 190.
    Token,
    /// Error 4.
    Throttled,
    /// Error 200.
    Permission,
    /// Error 2, status 500.
    Trouble,
}

/// How the stand-in answers.
#[derive(Clone, Debug)]
pub struct GraphBehaviour {
    /// Faults by the step's name, such as `exchange`.
    pub faults: BTreeMap<&'static str, Fault>,
    /// The account that the token was granted for.
    pub granted: String,
    /// What the owner of the Instagram account permitted.
    pub permissions: String,
    /// Whether the number is registered already.
    pub is_registered: bool,
    /// Whether Instagram's code exchange answers with a list.
    pub in_a_list: bool,
    /// Whether the customer's token for WhatsApp works.
    pub is_token_valid: bool,
    /// When that token expires, in seconds since 1970; 0 means never.
    pub token_expires_at: i64,
    /// Accounts whose subscriptions can't be read.
    pub unreadable: BTreeSet<String>,
    /// Files by their media ids.
    pub files: BTreeMap<String, MediaFile>,
    /// Who has written to the account or the Page, by their ids.
    pub profiles: BTreeMap<String, ProfileAnswer>,
    /// What answers about people say about Meta's limits.
    pub usage: Vec<UsageHeader>,
}

impl Default for GraphBehaviour {
    fn default() -> Self {
        Self {
            faults: BTreeMap::new(),
            granted: ACCOUNT.to_owned(),
            permissions: "instagram_business_basic,instagram_business_manage_messages".to_owned(),
            is_registered: true,
            in_a_list: false,
            is_token_valid: true,
            token_expires_at: 0,
            unreadable: BTreeSet::new(),
            files: BTreeMap::new(),
            profiles: BTreeMap::new(),
            usage: Vec::new(),
        }
    }
}

/// What the stand-in knows.
#[derive(Debug)]
pub(super) struct GraphState {
    pub(super) address: SocketAddr,
    pub(super) behaviour: GraphBehaviour,
    pub(super) subscribed: BTreeMap<String, Vec<String>>,
    pub(super) registered: BTreeSet<String>,
    pub(super) steps: Vec<&'static str>,
    pub(super) complaints: Vec<String>,
    pub(super) refreshed: Vec<String>,
    codes: u32,
    spent_codes: BTreeSet<String>,
}

impl GraphState {
    pub(super) fn at(address: SocketAddr) -> Self {
        Self {
            address,
            behaviour: GraphBehaviour::default(),
            subscribed: BTreeMap::new(),
            registered: BTreeSet::new(),
            steps: Vec::new(),
            complaints: Vec::new(),
            refreshed: Vec::new(),
            codes: 0,
            spent_codes: BTreeSet::new(),
        }
    }
}

pub(super) fn lock(state: &SharedState) -> MutexGuard<'_, GraphState> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn error(status: StatusCode, code: i64) -> Response {
    let error = json!({ "error": {
        "message": "(#0) the stand-in's error", "type": "OAuthException", "code": code, "fbtrace_id": "A1b2C3",
    } });
    (status, Json(error)).into_response()
}

/// Records a step. A check that fails, or a fault that was requested, ends it with an error.
pub(super) async fn step(
    state: &SharedState,
    name: &'static str,
    checks: &[(&str, bool)],
) -> Result<GraphBehaviour, Response> {
    let behaviour = {
        let mut state = lock(state);
        state.steps.push(name);
        for (check, is_passed) in checks {
            if !is_passed {
                state.complaints.push(format!("{name}: {check}"));
            }
        }
        state.behaviour.clone()
    };
    if checks.iter().any(|(_, is_passed)| !is_passed) {
        return Err(error(StatusCode::BAD_REQUEST, 100));
    }
    match behaviour.faults.get(name) {
        None => Ok(behaviour),
        Some(Fault::Slow(time)) => {
            // A stop does not cut this short: the test that asked for it waits for the answer.
            tokio::time::timeout(*time, std::future::pending::<()>()).await.ok();
            Ok(behaviour)
        }
        Some(Fault::Token) => Err(error(StatusCode::UNAUTHORIZED, 190)),
        Some(Fault::Throttled) => Err(error(StatusCode::BAD_REQUEST, 4)),
        Some(Fault::Permission) => Err(error(StatusCode::FORBIDDEN, 200)),
        Some(Fault::Trouble) => Err(error(StatusCode::INTERNAL_SERVER_ERROR, 2)),
    }
}

pub(super) fn is(parameters: &Parameters, name: &str, value: &str) -> bool {
    parameters.get(name).is_some_and(|given| given == value)
}

pub(super) fn new_code(state: &SharedState) -> String {
    let mut state = lock(state);
    state.codes += 1;
    format!("code-{}", state.codes)
}

/// A code can be used once.
pub(super) fn is_fresh(state: &SharedState, parameters: &Parameters) -> bool {
    let code = parameters.get("code").cloned().unwrap_or_default();
    code.starts_with("code-") && lock(state).spent_codes.insert(code)
}

pub(super) fn bears(headers: &HeaderMap, token: &str) -> bool {
    bearer(headers) == Some(token)
}

pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}
