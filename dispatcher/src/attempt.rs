//! Makes one attempt: builds the request from an envelope and a channel's record, sends it, and says how that ended.

use bytes::Bytes;
use channels::{KeyRing, OpenError, Route, SealedSecret};
use chassis::{Problem, Secret, SignedContent, SigningSecret, now};
use event::Envelope;
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use hyper::{Method, Request};

use crate::client::Client;
use crate::destination::Target;
use crate::endpoint::Endpoint;
use crate::remedy::{Failure, Outcome};
use crate::settings::DispatcherSettings;

/// Makes attempts.
#[derive(Debug)]
pub(crate) struct Attempts {
    client: Client,
    key_ring: KeyRing,
    signing_secret: Option<SigningSecret>,
}

/// What a request needs beside the envelope.
struct Credentials {
    token: Secret,
    signing_secret: Option<SigningSecret>,
}

impl Attempts {
    pub(crate) fn new(settings: &DispatcherSettings, key_ring: KeyRing) -> Result<Self, Problem> {
        let client = Client::new(settings.attempt_timeout)?;
        Ok(Self { client, key_ring, signing_secret: settings.signing_secret()? })
    }

    /// Makes attempt number `number`, counted from 1 over all times that the event was taken.
    pub(crate) async fn make(&self, envelope: &Envelope, target: &Target, number: u32) -> Outcome {
        let credentials = match self.credentials(&target.route) {
            Ok(credentials) => credentials,
            Err(failure) => return Outcome::Failed(failure),
        };
        match request(envelope, number, &target.endpoint, &credentials) {
            Ok(request) => self.client.attempt(request, &target.endpoint, now()).await,
            Err(error) => Outcome::Failed(Failure::Damaged(format!("its token can't be sent ({error})"))),
        }
    }

    fn credentials(&self, route: &Route) -> Result<Credentials, Failure> {
        let open = |sealed: &SealedSecret| self.key_ring.open(sealed).map_err(unopened);
        let unusable = |_| Failure::Damaged("its signing_secret is not a Standard Webhooks secret".to_owned());
        let signing_secret = match &route.signing_secret {
            Some(sealed) => Some(SigningSecret::parse(&open(sealed)?).map_err(unusable)?),
            None => self.signing_secret.clone(),
        };
        Ok(Credentials { token: open(&route.dsk_token)?, signing_secret })
    }
}

/// What was copied in Redis is the record's fault, and a key that is missing is the ring's.
fn unopened(error: OpenError) -> Failure {
    match error {
        OpenError::NoKey => Failure::Unopenable,
        OpenError::OtherPlace(_) | OpenError::Copied | OpenError::Unbound => {
            Failure::Damaged(format!("a sealed secret does not open: {error}"))
        }
    }
}

fn request(
    envelope: &Envelope,
    number: u32,
    endpoint: &Endpoint,
    credentials: &Credentials,
) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
    let content = SignedContent { id: envelope.id.as_str(), timestamp: now().as_second(), body: &envelope.body };
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(endpoint.uri())
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, concat!("meta-integration-service/", env!("CARGO_PKG_VERSION")))
        .header(AUTHORIZATION, credentials.token.bearer()?)
        .header("webhook-id", content.id)
        .header("webhook-timestamp", content.timestamp)
        .header("webhook-attempt", number);
    if let Some(secret) = &credentials.signing_secret {
        request = request.header("webhook-signature", secret.sign(content));
    }
    if let Some(traceparent) = &envelope.traceparent {
        request = request.header("traceparent", &**traceparent);
    }
    request.body(Full::new(envelope.body.clone()))
}
