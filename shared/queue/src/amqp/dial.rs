//! Tries several addresses, so that one which swallows packets or does not answer holds up none.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use lapin::uri::AMQPUri;
use tokio::net::lookup_host;
use tokio::time::timeout;

use crate::broker_address;

/// How long an address of a name may take to open a TCP stream before the next one is tried beside it (RFC 8305 recommends
/// 250 ms).
const NEXT_ADDRESS_DELAY: Duration = Duration::from_millis(250);

/// A node of the broker: what to say to it, and where it may be reached.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) uri: AMQPUri,
    addresses: Vec<SocketAddr>,
    /// Host and port, and the address if its name stands for several nodes.
    pub(super) shown: String,
}

/// The nodes that an address of the URL stands for, or why it stands for none.
pub(super) async fn find(uri: &AMQPUri) -> Result<Vec<Node>, String> {
    let looked_up = lookup_host((uri.authority.host.as_str(), uri.authority.port)).await;
    let addresses = looked_up.map_err(|error| format!("{}: {error}", broker_address::shown(uri)))?.collect();
    nodes(uri, addresses)
}

/// The nodes that a name stands for, always in the same order. A node has an IPv4 and an IPv6 address at most, so a name with
/// several addresses of one kind stands for several nodes, as that of a headless service of Kubernetes does.
pub(super) fn nodes(uri: &AMQPUri, mut addresses: Vec<SocketAddr>) -> Result<Vec<Node>, String> {
    let shown = broker_address::shown(uri);
    if addresses.is_empty() {
        return Err(format!("{shown}: its name has no address"));
    }
    let of_one_kind = addresses.iter().filter(|address| address.is_ipv4()).count();
    if of_one_kind <= 1 && addresses.len() - of_one_kind <= 1 {
        return Ok(vec![Node { uri: uri.clone(), addresses, shown }]);
    }
    addresses.sort_unstable();
    addresses.dedup();
    let node = |address: SocketAddr| {
        let shown = format!("{shown} ({})", address.ip());
        Node { uri: uri.clone(), addresses: vec![address], shown }
    };
    Ok(addresses.into_iter().map(node).collect())
}

impl Node {
    /// Opens a TCP stream to the node, beginning with number `first` of its addresses: after an address that accepts and then
    /// does not answer, another one comes first.
    pub(super) async fn open<S, F>(&self, first: usize, dial: impl Fn(SocketAddr) -> F) -> io::Result<S>
    where
        F: Future<Output = io::Result<S>>,
    {
        let mut addresses = self.addresses.clone();
        let first = first % addresses.len().max(1);
        addresses.rotate_left(first);
        let dialled = first_to_answer(addresses, NEXT_ADDRESS_DELAY, dial).await;
        dialled.map_err(|errors| errors.into_iter().next_back().unwrap_or_else(|| io::ErrorKind::NotFound.into()))
    }
}

/// Dials one address after the other, the next one when one has failed or has not answered for `patience`; those that have not
/// failed go on beside it. Returns the first answer, or every error.
pub(super) async fn first_to_answer<T, S, E, F>(
    addresses: Vec<T>,
    patience: Duration,
    dial: impl Fn(T) -> F,
) -> Result<S, Vec<E>>
where
    F: Future<Output = Result<S, E>>,
{
    let mut untried = addresses.into_iter();
    let mut dialled = FuturesUnordered::new();
    let mut errors = Vec::new();
    loop {
        let next = untried.next();
        let is_last = next.is_none();
        dialled.extend(next.map(&dial));
        let answer = if is_last {
            dialled.next().await
        } else {
            match timeout(patience, dialled.next()).await {
                Ok(answer) => answer,
                Err(_) => continue,
            }
        };
        match answer {
            Some(Ok(stream)) => return Ok(stream),
            Some(Err(error)) => errors.push(error),
            None if is_last => return Err(errors),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    fn address(number: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, number], 5672))
    }

    /// 1 swallows packets, 2 refuses, 3 answers.
    async fn dial(to: SocketAddr) -> io::Result<SocketAddr> {
        if to == address(1) {
            std::future::pending::<()>().await;
        }
        if to == address(3) { Ok(to) } else { Err(io::ErrorKind::ConnectionRefused.into()) }
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_swallows_packets_delays_the_next_one_by_a_moment_only() {
        let started = tokio::time::Instant::now();

        let answered = first_to_answer([1, 2, 3].map(address).to_vec(), NEXT_ADDRESS_DELAY, dial).await;

        assert_eq!(answered.unwrap(), address(3));
        assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn every_error_is_told_when_no_address_answers() {
        let refused = first_to_answer([2, 4].map(address).to_vec(), NEXT_ADDRESS_DELAY, dial).await;

        let kinds: Vec<_> = refused.unwrap_err().iter().map(io::Error::kind).collect();
        assert_eq!(kinds, [io::ErrorKind::ConnectionRefused; 2]);
    }

    fn uri() -> AMQPUri {
        "amqp://guest:guest@rabbit.example:5672/%2f".parse().unwrap()
    }

    #[tokio::test]
    async fn after_a_failure_another_address_of_a_node_comes_first() {
        let addresses = vec![SocketAddr::from((Ipv6Addr::LOCALHOST, 5672)), address(3)];
        let [node] = nodes(&uri(), addresses.clone()).unwrap().try_into().unwrap();

        for (first, expected) in [0, 1, 2].into_iter().zip(addresses.iter().cycle()) {
            let opened = node.open(first, async |to| Ok(to)).await.unwrap();

            assert_eq!(opened, *expected);
        }
    }

    #[test]
    fn a_name_with_several_addresses_of_one_kind_stands_for_several_nodes_in_whatever_order_they_come() {
        let shown = |numbers: &[u8]| {
            let nodes = nodes(&uri(), numbers.iter().copied().map(address).collect()).unwrap();
            nodes.into_iter().map(|node| node.shown).collect::<Vec<_>>()
        };

        let three = ["1", "2", "3"].map(|number| format!("rabbit.example:5672 (192.0.2.{number})"));
        assert_eq!(shown(&[3, 1, 2]), three);
        assert_eq!(shown(&[2, 3, 1]), three);
        assert_eq!(shown(&[2]), ["rabbit.example:5672"]);
        assert!(nodes(&uri(), Vec::new()).is_err());
    }
}
