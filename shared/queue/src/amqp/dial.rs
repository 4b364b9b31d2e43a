//! Opens the TCP stream to a broker: every address of its name is tried, so that one which swallows packets holds up none.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use lapin::uri::AMQPUri;
use tokio::net::lookup_host;
use tokio::time::timeout;

/// How long an address may take before the next one is tried beside it (RFC 8305 recommends 250 ms).
const NEXT_ADDRESS_DELAY: Duration = Duration::from_millis(250);

/// The addresses of the broker's name, beginning with number `first`: after an address that accepts and then does not
/// answer, another one comes first.
pub(super) async fn addresses(uri: &AMQPUri, first: usize) -> io::Result<Vec<SocketAddr>> {
    let mut addresses: Vec<SocketAddr> =
        lookup_host((uri.authority.host.as_str(), uri.authority.port)).await?.collect();
    if addresses.is_empty() {
        return Err(io::Error::other("its name has no address"));
    }
    let first = first % addresses.len();
    addresses.rotate_left(first);
    Ok(addresses)
}

/// Dials one address after the other, each beside those that have not answered yet. Returns the first stream, or the last
/// error.
pub(super) async fn first_to_answer<S, F>(addresses: Vec<SocketAddr>, dial: impl Fn(SocketAddr) -> F) -> io::Result<S>
where
    F: Future<Output = io::Result<S>>,
{
    let mut untried = addresses.into_iter();
    let mut dialled = FuturesUnordered::new();
    let mut last_error = io::Error::other("its name has no address");
    loop {
        let next = untried.next();
        let is_last = next.is_none();
        dialled.extend(next.map(&dial));
        let answer = if is_last {
            dialled.next().await
        } else {
            match timeout(NEXT_ADDRESS_DELAY, dialled.next()).await {
                Ok(answer) => answer,
                Err(_) => continue,
            }
        };
        match answer {
            Some(Ok(stream)) => return Ok(stream),
            Some(Err(error)) => last_error = error,
            None if is_last => return Err(last_error),
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

        let answered = first_to_answer([1, 2, 3].map(address).to_vec(), dial).await;

        assert_eq!(answered.unwrap(), address(3));
        assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_error_is_told_when_no_address_answers() {
        let refused = first_to_answer([2, 4].map(address).to_vec(), dial).await;

        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }

    #[tokio::test]
    async fn after_a_failure_another_address_comes_first() {
        let uri: AMQPUri = "amqp://guest:guest@localhost:5672/%2f".parse().unwrap();

        let all = addresses(&uri, 0).await.unwrap();
        let rotated = addresses(&uri, all.len() + 1).await.unwrap();

        assert_eq!(rotated[0], all[1 % all.len()]);
    }
}
