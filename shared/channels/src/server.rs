//! What `ops doctor` asks the Redis behind the store: whether it keeps what it is given, and what time it has.

use jiff::Timestamp;

/// A Redis, as it describes itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its version.
    pub version: String,
    /// What it does when memory is short: `noeviction` refuses, everything else forgets tokens.
    pub maxmemory_policy: String,
    /// Whether what it is given survives its restart (append-only file).
    pub is_durable: bool,
    /// Its clock.
    pub now: Timestamp,
}

impl Server {
    /// Reads the answers to `INFO` and `TIME`.
    pub(crate) fn read(info: &str, (seconds, microseconds): (i64, i32)) -> Self {
        let field = |name: &str| {
            let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.unwrap_or("unknown").trim().to_owned()
        };
        Self {
            version: field("redis_version"),
            maxmemory_policy: field("maxmemory_policy"),
            is_durable: field("aof_enabled") == "1",
            now: Timestamp::new(seconds, microseconds * 1_000).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redis_that_forgets_is_recognised() {
        let info = "# Server\r\nredis_version:7.0.15\r\nmaxmemory_policy:allkeys-lru\r\naof_enabled:0\r\n";

        let server = Server::read(info, (1_790_000_000, 500_000));

        assert_eq!((server.version.as_str(), server.maxmemory_policy.as_str()), ("7.0.15", "allkeys-lru"));
        assert!(!server.is_durable);
        assert_eq!(server.now.as_millisecond(), 1_790_000_000_500);
    }
}
