//! What all requests share.

use channels::{Allowance, ChannelStore, KeyRing};
use chassis::{Problem, Secret};
use url::Url;

use crate::graph::Graphs;
use crate::links::Links;
use crate::metrics::Metrics;
use crate::places::Places;
use crate::privacy_policy::PrivacyPolicy;
use crate::profile::{Pauses, ProfileCache};
use crate::settings::{CheckedSettings, MetaApps};
use crate::signer::Signer;

/// What all requests share.
pub(crate) struct AppState {
    pub(crate) url: Url,
    pub(crate) signer: Signer,
    pub(crate) links: Links,
    pub(crate) api_keys: Vec<Secret>,
    /// Which URLs tickets may name.
    pub(crate) allowance: Allowance,
    pub(crate) store: ChannelStore,
    pub(crate) key_ring: KeyRing,
    pub(crate) graphs: Graphs,
    pub(crate) signup: SignupSettings,
    /// Where Instagram's login is.
    pub(crate) instagram_origin: String,
    /// Either of them may have signed a callback.
    pub(crate) apps: MetaApps,
    pub(crate) privacy_policy: PrivacyPolicy,
    pub(crate) files: Places,
    pub(crate) profile_places: Places,
    pub(crate) profile_pauses: Pauses,
    pub(crate) profiles: ProfileCache,
    pub(crate) metrics: Metrics,
}

/// What Meta's Embedded Signup needs in the browser.
pub(crate) struct SignupSettings {
    pub(crate) configuration_id: String,
    pub(crate) graph_version: String,
    pub(crate) sdk_url: Url,
}

impl AppState {
    pub(crate) fn new(
        settings: CheckedSettings,
        store: ChannelStore,
        key_ring: KeyRing,
        metrics: Metrics,
    ) -> Result<Self, Problem> {
        let signer = Signer::new(settings.secret);
        Ok(Self {
            links: Links::with_signer(signer.clone(), settings.url.clone(), settings.ticket_time),
            url: settings.url,
            signer,
            api_keys: settings.api_keys,
            allowance: settings.allowance,
            store,
            key_ring,
            apps: settings.apps.clone(),
            graphs: Graphs::new(settings.apps, &settings.meta, metrics.clone())?,
            instagram_origin: settings.meta.instagram_url.origin().ascii_serialization(),
            signup: SignupSettings {
                configuration_id: settings.meta.meta_configuration_id.unwrap_or_default(),
                graph_version: settings.meta.graph_version,
                sdk_url: settings.meta.meta_sdk_url,
            },
            privacy_policy: settings.privacy_policy,
            files: Places::default(),
            profile_places: Places::default(),
            profile_pauses: Pauses::default(),
            profiles: ProfileCache::default(),
            metrics,
        })
    }

    /// The address of one of our own pages.
    pub(crate) fn page_url(&self, path: &str) -> Url {
        let mut url = self.url.clone();
        url.set_path(path);
        url
    }
}
