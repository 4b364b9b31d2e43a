//! One attempt: from a channel's record and an envelope to a request, and how that ended.

use std::sync::Arc;

use bytes::Bytes;
use channels::{KeyRing, Route, SealedSecret};
use chassis::{Secret, SignedContent, SigningSecret, now};
use event::{Address, Envelope};
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, USER_AGENT};
use hyper::{Method, Request};
use zeroize::Zeroizing;

use crate::client::Client;
use crate::destination::{Allowed, Destination};
use crate::pauses::{Party, Target};
use crate::{Cause, DispatcherSettings};

/// Makes attempts.
#[derive(Debug)]
pub(crate) struct Attempts {
    client: Client,
    key_ring: KeyRing,
    destination: Option<Destination>,
    signing_secret: Option<SigningSecret>,
    allowed: Allowed,
}

/// What a request needs beside the envelope.
struct Credentials {
    token: Secret,
    signing_secret: Option<SigningSecret>,
}

impl Attempts {
    pub(crate) fn new(settings: &DispatcherSettings, key_ring: KeyRing) -> Result<Self, chassis::Problems> {
        let mut problems = chassis::Problems::default();
        let allowed = Allowed { http: settings.dsk_allow_http, private: settings.dsk_allow_private };
        let destination = settings.dsk_url.as_deref().map(|url| Destination::parse(url, allowed));
        let destination = destination.and_then(|parsed| problems.collect(parsed));
        let signing_secret = problems.collect(settings.signing_secret()).flatten();
        let client = problems.collect(Client::new(settings.attempt_timeout));
        problems.finish()?;
        let client = client.expect("a client that can't be made is a problem, and there was none");
        Ok(Self { client, key_ring, destination, signing_secret, allowed })
    }

    /// Whom an attempt with this record would concern.
    pub(crate) fn target(&self, address: &Address, route: Arc<Route>) -> Result<Target, Cause> {
        let destination = match &route.dsk_url {
            Some(url) => {
                Destination::of_channel(url, self.allowed).map_err(|problem| Cause::Damaged(problem.to_string()))?
            }
            None => self
                .destination
                .clone()
                .ok_or_else(|| Cause::Damaged("it has no dsk_url, and DSK_URL is not set".to_owned()))?,
        };
        let party = Party { tenant: route.tenant.as_str().into(), url: destination.url() };
        Ok(Target { destination, party, address: address.clone(), route })
    }

    /// Makes attempt number `number` (counted from 1, over all takes) and says how it ended.
    pub(crate) async fn make(&self, envelope: &Envelope, target: &Target, number: u32) -> Cause {
        let request = match self.credentials(&target.route) {
            Ok(credentials) => request((envelope, number), &target.destination, &credentials),
            Err(cause) => return cause,
        };
        match request {
            Ok(request) => self.client.attempt(request, target.destination.is_guarded(), now()).await,
            Err(error) => Cause::Damaged(format!("its token can't be sent ({error})")),
        }
    }

    fn credentials(&self, route: &Route) -> Result<Credentials, Cause> {
        let open = |sealed: &SealedSecret| self.key_ring.open(sealed).map_err(|_| Cause::Unopenable);
        let signing_secret = match &route.signing_secret {
            Some(sealed) => Some(
                SigningSecret::parse(&open(sealed)?)
                    .map_err(|_| Cause::Damaged("its signing_secret is no Standard Webhooks secret".to_owned()))?,
            ),
            None => self.signing_secret.clone(),
        };
        Ok(Credentials { token: open(&route.dsk_token)?, signing_secret })
    }
}

fn request(
    (envelope, number): (&Envelope, u32),
    destination: &Destination,
    credentials: &Credentials,
) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
    let content = SignedContent { id: envelope.id.as_str(), timestamp: now().as_second(), body: &envelope.body };
    let mut bearer = HeaderValue::from_maybe_shared(bearer(&credentials.token))?;
    bearer.set_sensitive(true);
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(destination.uri())
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, concat!("meta-integration-service/", env!("CARGO_PKG_VERSION")))
        .header(AUTHORIZATION, bearer)
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

/// The header's bytes are wiped when the request is dropped, as the token itself is.
fn bearer(token: &Secret) -> Bytes {
    let mut bearer = Zeroizing::new(Vec::with_capacity(7 + token.expose().len()));
    bearer.extend_from_slice(b"Bearer ");
    bearer.extend_from_slice(token.expose().as_bytes());
    Bytes::from_owner(bearer)
}
