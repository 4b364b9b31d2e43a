//! One attempt: from a channel's record and an envelope to a request, and how that ended.

use bytes::Bytes;
use channels::{KeyRing, Route, Sealed};
use chassis::{Clock, Secret};
use event::Envelope;
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, USER_AGENT};
use hyper::{Method, Request};

use crate::client::{Client, Destination};
use crate::signature::SigningSecret;
use crate::{Cause, Settings};

/// Makes attempts.
#[derive(Debug)]
pub(crate) struct Attempts {
    client: Client,
    key_ring: KeyRing,
    destination: Option<Destination>,
    signing_secret: Option<SigningSecret>,
    allow_http: bool,
    clock: Clock,
}

/// What a request needs beside the envelope.
struct Credentials {
    destination: Destination,
    token: Secret,
    signing_secret: Option<SigningSecret>,
}

impl Attempts {
    pub(crate) fn new(settings: &Settings, key_ring: KeyRing) -> Result<Self, chassis::Problems> {
        let mut problems = chassis::Problems::default();
        let destination = settings.dsk_url.as_deref().map(|url| Destination::parse(url, settings.dsk_allow_http));
        let destination = destination.and_then(|parsed| problems.collect(parsed));
        let signing_secret = problems.collect(settings.signing_secret()).flatten();
        let client = problems.collect(Client::new(settings.attempt_timeout));
        problems.finish()?;
        let client = client.expect("a client that can't be made is a problem, and there was none");
        let allow_http = settings.dsk_allow_http;
        Ok(Self { client, key_ring, destination, signing_secret, allow_http, clock: Clock })
    }

    /// Makes attempt number `number` (counted from 1, over all takes) and says how it ended.
    pub(crate) async fn make(&self, envelope: &Envelope, route: &Route, number: u32) -> Cause {
        let credentials = match self.credentials(route) {
            Ok(credentials) => credentials,
            Err(cause) => return cause,
        };
        match self.request(envelope, &credentials, number) {
            Ok(request) => self.client.attempt(request, self.clock.now()).await,
            Err(error) => Cause::Damaged(format!("its token can't be sent ({error})")),
        }
    }

    fn credentials(&self, route: &Route) -> Result<Credentials, Cause> {
        let destination = match &route.dsk_url {
            Some(url) => Destination::parse(url, self.allow_http).map_err(|error| Cause::Damaged(error.to_string()))?,
            None => self
                .destination
                .clone()
                .ok_or_else(|| Cause::Damaged("it has no dsk_url, and DSK_URL is not set".to_owned()))?,
        };
        let open = |sealed: &Sealed| self.key_ring.open(sealed).map_err(|_| Cause::Unopenable);
        let signing_secret = match &route.signing_secret {
            Some(sealed) => Some(
                SigningSecret::parse(open(sealed)?)
                    .map_err(|_| Cause::Damaged("its signing_secret is no Standard Webhooks secret".to_owned()))?,
            ),
            None => self.signing_secret.clone(),
        };
        Ok(Credentials { destination, token: open(&route.dsk_token)?, signing_secret })
    }

    fn request(
        &self,
        envelope: &Envelope,
        credentials: &Credentials,
        number: u32,
    ) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
        let (id, timestamp) = (envelope.id.as_str(), self.clock.now().as_second());
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", credentials.token.expose()))?;
        bearer.set_sensitive(true);
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(credentials.destination.uri())
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("meta-integration-service/", env!("CARGO_PKG_VERSION")))
            .header(AUTHORIZATION, bearer)
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-attempt", number);
        if let Some(secret) = &credentials.signing_secret {
            request = request.header("webhook-signature", secret.sign(id, timestamp, &envelope.body));
        }
        if let Some(traceparent) = &envelope.traceparent {
            request = request.header("traceparent", &**traceparent);
        }
        request.body(Full::new(envelope.body.clone()))
    }
}
