//! Links with which a business begins: made here for DSK's call and for `ops connect-link` alike.

use std::path::Path;
use std::time::Duration;

use channels::{ChannelStore, StoreError, Ticket};
use chassis::{Problem, Secret};
use url::Url;

use crate::settings::link_secret;
use crate::signed::{Purpose, Signer, random_id};

/// Makes links.
#[derive(Clone, Debug)]
pub struct Links {
    signer: Signer,
    url: Url,
    life: Duration,
}

impl Links {
    /// Links to the pages at `url`, signed with `CONNECT_SECRET` (given by value or by file).
    pub fn new(url: Url, (value, file): (Option<&Secret>, Option<&Path>), life: Duration) -> Result<Self, Problem> {
        Ok(Self { signer: Signer::new(link_secret(value, file)?), url, life })
    }

    pub(crate) fn signed_by(signer: Signer, url: Url, life: Duration) -> Self {
        Self { signer, url, life }
    }

    /// How long a link can be used.
    pub fn life(&self) -> Duration {
        self.life
    }

    /// Stores the ticket and gives its link, which works once.
    pub async fn issue(&self, store: &ChannelStore, ticket: &Ticket) -> Result<Url, StoreError> {
        let id = random_id();
        store.issue_ticket(&id, ticket, self.life).await?;
        let mut url = self.url.clone();
        url.set_path(&format!("/connect/{}", self.signer.sign(Purpose::Link, &id)));
        Ok(url)
    }
}
