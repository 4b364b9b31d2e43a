//! Meta's Graph API, for WhatsApp and for Instagram, and which of the two looks after a channel.

mod client;
mod error;
mod usage;

pub(crate) mod instagram;
pub(crate) mod media;
pub(crate) mod profile;
pub(crate) mod whatsapp;

use channels::ChannelRecord;
use chassis::{Problem, Secret};
use event::Family;

use crate::metrics::Metrics;
use crate::settings::meta::{MetaApps, MetaSettings};
use client::GraphClient;
pub(crate) use error::GraphError;
use instagram::InstagramGraph;
use profile::ProfileGraph;
pub(crate) use usage::PAUSE_USUAL;
use whatsapp::WhatsAppGraph;

/// A client for each app at Meta that the settings name.
#[derive(Clone, Debug)]
pub(crate) struct Graphs {
    pub(crate) whatsapp: Option<WhatsAppGraph>,
    pub(crate) instagram: Option<InstagramGraph>,
    pub(crate) profiles: ProfileGraph,
}

/// The client that looks after one channel, and the ids by which Meta knows that channel.
pub(crate) enum ChannelGraph<'a> {
    WhatsApp {
        graph: &'a WhatsAppGraph,
        /// Whose events Meta posts: a number has no subscription of its own.
        account_id: Option<&'a str>,
    },
    Instagram {
        graph: &'a InstagramGraph,
        user_id: &'a str,
    },
}

impl Graphs {
    pub(crate) fn new(apps: MetaApps, settings: &MetaSettings, metrics: Metrics) -> Result<Self, Problem> {
        let client = GraphClient::new(metrics)?;
        Ok(Self {
            profiles: ProfileGraph::new(client.clone(), settings),
            whatsapp: apps.whatsapp.map(|app| WhatsAppGraph::new(client.clone(), app, settings)),
            instagram: apps.instagram.map(|app| InstagramGraph::new(client, app, settings)),
        })
    }

    /// The client that looks after a channel; `None` if there is no app for it.
    pub(crate) fn of<'a>(&'a self, record: &'a ChannelRecord) -> Option<ChannelGraph<'a>> {
        match record.address.family() {
            Family::WhatsApp => Some(ChannelGraph::WhatsApp {
                graph: self.whatsapp.as_ref()?,
                account_id: record.account_id.as_deref(),
            }),
            Family::Instagram => {
                Some(ChannelGraph::Instagram { graph: self.instagram.as_ref()?, user_id: record.address.id() })
            }
            Family::WhatsAppAccount | Family::Messenger | Family::Other => None,
        }
    }
}

impl ChannelGraph<'_> {
    /// Whether Meta posts the channel's events to our app. A number whose account is unknown counts as subscribed,
    /// because there is nothing to ask about.
    pub(crate) async fn is_subscribed(&self, token: &Secret) -> Result<bool, GraphError> {
        match self {
            Self::WhatsApp { graph, account_id: Some(account_id) } => graph.is_subscribed(account_id, token).await,
            Self::WhatsApp { account_id: None, .. } => Ok(true),
            Self::Instagram { graph, user_id } => graph.is_subscribed(user_id, token).await,
        }
    }

    /// Makes Meta post the channel's events to ingest.
    pub(crate) async fn subscribe(&self, token: &Secret) -> Result<(), GraphError> {
        match self {
            Self::WhatsApp { graph, account_id: Some(account_id) } => graph.subscribe(account_id, token).await,
            Self::WhatsApp { account_id: None, .. } => Ok(()),
            Self::Instagram { graph, user_id } => graph.subscribe(user_id, token).await,
        }
    }
}
