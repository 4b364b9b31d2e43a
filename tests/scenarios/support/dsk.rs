//! A stand-in for DSK that insists on its secrets, and its contract, which every request must keep.

use std::net::SocketAddr;
use std::sync::LazyLock;

use chassis::{Secret, Shutdown, SigningSecret};
use jsonschema::Validator;
use ops::dsk::{Behaviour, Dsk, Seen};
use serde_json::Value;

use crate::support::workspace::{read, root};

/// The bearer token that DSK demands.
pub(crate) const DSK_TOKEN: &str = "dsk-token-4f1b2c";
/// The secret that signs the requests to DSK.
pub(crate) const SIGNING_SECRET: &str = "whsec_c2lnbmluZy1zZWNyZXQtZm9yLXRlc3Rz";
/// Requests of one test whose body is checked against the schema: a drill has a hundred thousand.
const CHECKED_MAX: usize = 200;

static SCHEMA: LazyLock<Validator> = LazyLock::new(|| {
    let schema = read(&root().join("docs/dsk-contract.schema.json"));
    let schema: Value = serde_json::from_str(&schema).expect("the schema is JSON");
    jsonschema::options().should_validate_formats(true).build(&schema).expect("it is a schema")
});

/// Starts a DSK on a free port that refuses every other token and signature.
pub(crate) async fn start_dsk(token: &str, signing_secret: &str, shutdown: &Shutdown) -> Dsk {
    let signing_secret = SigningSecret::parse(&Secret::new(signing_secret)).expect("it is a signing secret");
    let behaviour =
        Behaviour { token: Some(Secret::new(token)), signing_secret: Some(signing_secret), ..Behaviour::default() };
    let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
    Dsk::start(any_port, behaviour, shutdown).await.expect("there is a free port")
}

/// Checks that the bodies of the first requests match the schema of the contract.
pub(crate) fn check_contract(requests: &[Seen]) {
    for request in requests.iter().take(CHECKED_MAX) {
        let body: Value = serde_json::from_slice(&request.body).expect("the body is JSON");
        let errors: Vec<String> = SCHEMA.iter_errors(&body).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{} of {} breaks the contract: {errors:?}", request.id, request.event_type);
    }
}
