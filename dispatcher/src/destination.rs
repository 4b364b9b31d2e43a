//! Finds the target of an attempt: the endpoint that a channel's record names, the destination, and the channel.

use std::sync::Arc;

use channels::{Allowance, Route};
use chassis::Problem;
use event::Address;

use crate::endpoint::Endpoint;
use crate::remedy::Failure;
use crate::settings::DispatcherSettings;

/// A tenant at an endpoint. DSK asks for pauses of all of its channels together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Destination {
    /// The DSK customer.
    pub(crate) tenant: Arc<str>,
    /// The endpoint's URL.
    pub(crate) url: Arc<str>,
    /// The URL's origin, whose circuit breaker it shares with others.
    pub(crate) origin: Arc<str>,
}

impl Destination {
    pub(crate) fn new(tenant: &str, endpoint: &Endpoint) -> Self {
        Self { tenant: tenant.into(), url: endpoint.url(), origin: endpoint.origin() }
    }
}

/// What an attempt concerns, and the record that it uses.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// Where the request goes. Its origin (scheme, host and port) has the circuit breaker.
    pub(crate) endpoint: Endpoint,
    pub(crate) destination: Destination,
    pub(crate) address: Address,
    /// The channel's record as it was read for this attempt.
    pub(crate) route: Arc<Route>,
}

/// Makes targets: knows `DSK_URL` and what the operator allows.
#[derive(Clone, Debug)]
pub(crate) struct Targets {
    default: Option<Endpoint>,
    allowance: Allowance,
}

impl Targets {
    pub(crate) fn new(settings: &DispatcherSettings) -> Result<Self, Problem> {
        let allowance = Allowance { http: settings.dsk_allow_http, private: settings.dsk_allow_private };
        let default = settings.dsk_url.as_deref().map(|url| Endpoint::parse(url, allowance)).transpose()?;
        Ok(Self { default, allowance })
    }

    /// The target of an attempt that uses this record.
    pub(crate) fn of(&self, address: &Address, route: Arc<Route>) -> Result<Target, Failure> {
        let endpoint = self.endpoint(route.dsk_url.as_deref())?;
        let destination = Destination::new(&route.tenant, &endpoint);
        Ok(Target { endpoint, destination, address: address.clone(), route })
    }

    /// The destination of a tenant's channels that name this URL; `None` if no event may be sent there.
    pub(crate) fn destination(&self, tenant: &str, dsk_url: Option<&str>) -> Option<Destination> {
        let endpoint = self.endpoint(dsk_url).ok()?;
        Some(Destination::new(tenant, &endpoint))
    }

    fn endpoint(&self, dsk_url: Option<&str>) -> Result<Endpoint, Failure> {
        match dsk_url {
            Some(url) => {
                Endpoint::of_channel(url, self.allowance).map_err(|problem| Failure::Damaged(problem.to_string()))
            }
            None => self
                .default
                .clone()
                .ok_or_else(|| Failure::Damaged("it has no dsk_url, and DSK_URL is not set".to_owned())),
        }
    }
}

#[cfg(test)]
pub(crate) mod samples {
    //! Targets for the tests of other modules.

    use channels::{KeyRing, KeyRingSettings, Limits, Metrics, Place, new_key};
    use chassis::Secret;

    use super::*;

    /// A channel's record, whose sealed token differs from that of every other one.
    pub(crate) fn route(tenant: &str) -> Arc<Route> {
        let settings = KeyRingSettings { key_ring: Some(new_key()), key_ring_file: None };
        let ring = KeyRing::load(&settings, &Metrics::register(&prometheus::Registry::new()).unwrap()).unwrap();
        let place = Place::dsk_token(&Address::new("whatsapp:1"), None);
        let dsk_token = ring.seal(&Secret::new("token")).sealed_for(place);
        Arc::new(Route {
            tenant: tenant.to_owned(),
            dsk_url: None,
            dsk_token,
            signing_secret: None,
            limits: Limits::default(),
        })
    }

    pub(crate) fn target(tenant: &str, url: &str, channel: &str) -> Target {
        let endpoint = Endpoint::parse(url, Allowance::default()).unwrap();
        let destination = Destination::new(tenant, &endpoint);
        Target { endpoint, destination, address: Address::new(channel), route: route(tenant) }
    }
}
