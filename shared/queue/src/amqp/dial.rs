//! Tries several addresses, so that one which swallows packets or does not answer holds up none.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use lapin::uri::AMQPUri;
use tokio::net::lookup_host;
use tokio::time::timeout;

/// How long an address of a name may take to open a TCP stream before the next one is tried beside it (RFC 8305 recommends
/// 250 ms).
pub(super) const NEXT_ADDRESS_DELAY: Duration = Duration::from_millis(250);

/// The addresses of the broker's name, beginning with number `first`: after an address that accepts and then does not
/// answer, another one comes first.
async fn addresses(uri: &AMQPUri, first: usize) -> io::Result<Vec<SocketAddr>> {
    let mut addresses: Vec<SocketAddr> =
        lookup_host((uri.authority.host.as_str(), uri.authority.port)).await?.collect();
    if addresses.is_empty() {
        return Err(io::Error::other("its name has no address"));
    }
    let first = first % addresses.len();
    addresses.rotate_left(first);
    Ok(addresses)
}

/// Opens a TCP stream to the broker's name, beginning with number `first` of its addresses.
pub(super) async fn open<S, F>(uri: &AMQPUri, first: usize, dial: impl Fn(SocketAddr) -> F) -> io::Result<S>
where
    F: Future<Output = io::Result<S>>,
{
    let dialled = first_to_answer(addresses(uri, first).await?, NEXT_ADDRESS_DELAY, dial).await;
    dialled.map_err(|errors| errors.into_iter().next_back().unwrap_or_else(|| io::ErrorKind::NotFound.into()))
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

    #[tokio::test]
    async fn after_a_failure_another_address_comes_first() {
        let uri: AMQPUri = "amqp://guest:guest@localhost:5672/%2f".parse().unwrap();

        let all = addresses(&uri, 0).await.unwrap();
        let rotated = addresses(&uri, all.len() + 1).await.unwrap();

        assert_eq!(rotated[0], all[1 % all.len()]);
    }
}
