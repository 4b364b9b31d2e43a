//! How long a connection may take to open and to answer, and what the kernel does about one that is silent.

use std::time::Duration;

use chassis::{KEEP_ALIVE_TIME, KEEP_ALIVE_TRIES, UNACKNOWLEDGED_TIME};
use redis::AsyncConnectionConfig;
use redis::io::tcp::TcpSettings;
use redis::io::tcp::socket2::TcpKeepalive;

/// A Redis that takes longer to answer counts as away.
pub(super) const ANSWER_TIME: Duration = Duration::from_secs(2);

/// Bounds for a connection. All addresses of a name are tried at once.
pub(super) fn bounds(time: Duration) -> AsyncConnectionConfig {
    AsyncConnectionConfig::new().set_connection_timeout(Some(time)).set_response_timeout(Some(time))
}

/// What the kernel does about a server that has gone without a word.
pub(super) fn tcp_settings() -> TcpSettings {
    let keep_alive = TcpKeepalive::new().with_time(KEEP_ALIVE_TIME).with_interval(KEEP_ALIVE_TIME);
    let settings = TcpSettings::default().set_nodelay(true).set_user_timeout(UNACKNOWLEDGED_TIME);
    settings.set_keepalive(keep_alive.with_retries(KEEP_ALIVE_TRIES))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use redis::io::AsyncDNSResolver;
    use redis::{Client, RedisFuture};
    use testkit::Redis;
    use tokio::net::{TcpSocket, TcpStream};
    use tokio::time::timeout;

    use super::*;

    /// A name with two addresses.
    struct TwoAddresses([SocketAddr; 2]);

    impl AsyncDNSResolver for TwoAddresses {
        fn resolve<'a, 'b: 'a>(
            &'a self,
            _: &'b str,
            _: u16,
        ) -> RedisFuture<'a, Box<dyn Iterator<Item = SocketAddr> + Send + 'a>> {
            let addresses: Box<dyn Iterator<Item = SocketAddr> + Send> = Box::new(self.0.into_iter());
            Box::pin(std::future::ready(Ok(addresses)))
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_address_that_swallows_packets_does_not_hide_one_that_works() {
        let redis = Redis::shared().await;
        // Its backlog holds one connection, and nobody accepts it: further requests for a connection get no answer.
        let swallows = TcpSocket::new_v4().unwrap();
        swallows.bind(SocketAddr::from(([127, 0, 0, 2], 0))).unwrap();
        let swallows = swallows.listen(0).unwrap();
        let first = swallows.local_addr().unwrap();
        let _fills_the_backlog = TcpStream::connect(first).await.unwrap();
        let one_more = timeout(Duration::from_millis(300), TcpStream::connect(first)).await;
        assert!(one_more.is_err(), "the first address swallows packets");
        let bounds = bounds(ANSWER_TIME).set_dns_resolver(TwoAddresses([first, redis.address()]));
        let client = Client::open("redis://redis.example:6379").unwrap();

        let connected = client.get_multiplexed_async_connection_with_config(&bounds).await;

        redis::cmd("PING").query_async::<()>(&mut connected.unwrap()).await.unwrap();
    }
}
