//! Where the channels are stored.

use std::path::{Path, PathBuf};

use chassis::{Problem, Secret, read_secret};
use clap::Args;

use crate::redis::RedisAddress;

/// Where the channels are stored.
#[derive(Args, Clone, Debug)]
pub struct ChannelsSettings {
    /// Redis as `redis://user:password@host:6379/0` (rediss for TLS), or `embedded:DIR` for a store in files on this
    /// machine. With sentinels: `redis+sentinel://user:password@s1:26379,s2:26379,s3:26379/service/0`, and their own login as
    /// `?sentinel_user=…&sentinel_password=…`. A cluster: `redis+cluster://user:password@n1:6379,n2:6379,n3:6379`. Without it:
    /// the Redis that a package installs on this machine.
    #[arg(long, env, hide_env_values = true)]
    pub channels_url: Option<Secret>,
    /// A file that holds `CHANNELS_URL`.
    #[arg(long, env)]
    pub channels_url_file: Option<PathBuf>,
    /// The prefix of every key in Redis, so that several services can share one Redis.
    #[arg(long, env, default_value = "")]
    pub channels_key_prefix: String,
}

/// The address if none is set: the Redis that a package installs.
const DEFAULT: &str = "redis://127.0.0.1:6379";

/// The parsed address of a store.
pub(crate) enum StoreLocation {
    Redis(RedisAddress),
    Embedded(PathBuf),
}

impl ChannelsSettings {
    /// A store in files.
    pub fn embedded(folder: &Path) -> Self {
        Self::at(format!("embedded:{}", folder.display()), "")
    }

    /// A store at this address, whose keys begin with this prefix.
    pub fn at(url: impl Into<String>, key_prefix: &str) -> Self {
        let channels_url = Some(Secret::new(url));
        Self { channels_url, channels_url_file: None, channels_key_prefix: key_prefix.to_owned() }
    }

    /// Refuses any store but one in files.
    pub fn check_embedded(&self) -> Result<(), Problem> {
        match self.location()? {
            StoreLocation::Embedded(_) => Ok(()),
            StoreLocation::Redis(_) => {
                Err(Problem::new("CHANNELS_URL", "must name a store in files", "write embedded:DIR"))
            }
        }
    }

    /// Refuses a store in files.
    pub fn check_server(&self) -> Result<(), Problem> {
        match self.location()? {
            StoreLocation::Redis(_) => Ok(()),
            StoreLocation::Embedded(_) => {
                Err(Problem::new("CHANNELS_URL", "is no Redis", "write redis://user:password@host:6379/0"))
            }
        }
    }

    pub(crate) fn location(&self) -> Result<StoreLocation, Problem> {
        const RIGHT: &str = "write redis://user:password@host:6379/0, \
                             redis+sentinel://user:password@host:26379,host:26379,host:26379/service/0, \
                             redis+cluster://user:password@host:6379,host:6379,host:6379 or embedded:DIR";
        let given = read_secret("CHANNELS_URL", self.channels_url.as_ref(), self.channels_url_file.as_deref())?;
        let url = given.unwrap_or_else(|| Secret::new(DEFAULT));
        if let Some(folder) = url.expose().strip_prefix("embedded:") {
            return match folder {
                "" => Err(Problem::new("CHANNELS_URL", "names no folder", RIGHT)),
                _ => Ok(StoreLocation::Embedded(PathBuf::from(folder))),
            };
        }
        RedisAddress::parse(&url).map(StoreLocation::Redis).map_err(|error| {
            Problem::new("CHANNELS_URL", format!("is not the address of a channel store ({error})"), RIGHT)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_something_else_is_refused_without_repeating_it() {
        let refused = ChannelsSettings::at("amqp://guest:pa55word@host", "").location();

        let problem = refused.err().map(|problem| problem.to_string()).unwrap_or_default();
        assert!(problem.contains("CHANNELS_URL") && problem.contains("redis://"), "{problem}");
        assert!(!problem.contains("pa55word"), "{problem}");
    }

    #[test]
    fn where_a_server_is_asked_for_files_are_refused_and_the_other_way_round() {
        let files = ChannelsSettings::at("embedded:data", "");
        let redis = ChannelsSettings::at("redis://127.0.0.1:6379", "");

        assert!(files.check_embedded().is_ok() && redis.check_server().is_ok());
        assert!(files.check_server().is_err() && redis.check_embedded().is_err());
    }
}
