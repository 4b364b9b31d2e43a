//! The cables from one process to a server, or to each node of a cluster.

use std::net::SocketAddr;

use testkit::Link;

use super::fault::Damage;

/// Cables that are damaged and mended together.
#[derive(Debug)]
pub(crate) struct Cables(Vec<Link>);

impl Cables {
    /// Lays a cable to each server.
    pub(crate) async fn to(servers: &[SocketAddr]) -> Self {
        let mut links = Vec::new();
        for server in servers {
            links.push(Link::to(*server).await);
        }
        Self(links)
    }

    /// A URL that names these servers, through the cables.
    pub(crate) fn through(&self, url: &str, servers: &[SocketAddr]) -> String {
        let pairs = servers.iter().zip(&self.0);
        pairs.fold(url.to_owned(), |url, (server, link)| url.replace(&server.to_string(), &link.address().to_string()))
    }

    pub(crate) fn damage(&self, damage: Damage) {
        self.0.iter().for_each(|link| match damage {
            Damage::Cut => link.cut(),
            Damage::Stalled => link.stall(),
            Damage::Slow => link.slow_down(),
            Damage::HalfOpen => link.forget(),
        });
    }

    pub(crate) fn mend(&self) {
        self.0.iter().for_each(Link::mend);
    }
}
