//! Links with which a business starts connecting channels, made for DSK's call and for `ops connect-link` alike.

use std::path::Path;
use std::time::Duration;

use channels::{ChannelStore, NewSecret, StoreError, Ticket};
use chassis::{Problem, Secret};
use url::Url;

use crate::settings::link_secret;
use crate::signer::{Purpose, Signer, random_id};

/// Makes links.
#[derive(Clone, Debug)]
pub struct Links {
    signer: Signer,
    url: Url,
    ticket_time: Duration,
}

impl Links {
    /// Makes links to the pages at `url`, signed with `CONNECT_SECRET`, which is given by value or by file.
    pub fn new(
        url: Url,
        secret: Option<&Secret>,
        secret_file: Option<&Path>,
        ticket_time: Duration,
    ) -> Result<Self, Problem> {
        Ok(Self::with_signer(Signer::new(link_secret(secret, secret_file)?), url, ticket_time))
    }

    pub(crate) fn with_signer(signer: Signer, url: Url, ticket_time: Duration) -> Self {
        Self { signer, url, ticket_time }
    }

    /// How long a link works.
    pub(crate) fn ticket_time(&self) -> Duration {
        self.ticket_time
    }

    /// Stores the ticket and gives its link, which works once.
    pub async fn issue(&self, store: &ChannelStore, ticket: &Ticket<NewSecret>) -> Result<Url, StoreError> {
        let id = random_id();
        store.issue_ticket(&id, ticket, self.ticket_time).await?;
        let mut url = self.url.clone();
        url.set_path(&format!("/connect/{}", self.signer.sign(Purpose::Link, &id)));
        Ok(url)
    }
}
