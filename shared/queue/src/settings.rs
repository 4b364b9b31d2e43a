//! Where the queue is.

use std::path::{Path, PathBuf};

use chassis::{Problem, Secret, read_secret};
use clap::Args;

use crate::broker_address;

/// Where the queue is.
#[derive(Args, Clone, Debug)]
pub struct QueueSettings {
    /// RabbitMQ as `amqp://user:password@host:5672/vhost` (amqps for TLS), or `embedded:DIR` for a queue in files on
    /// this machine. A cluster has a host for each node: `amqp://user:password@a:5672,b:5672,c:5672/vhost`. Without it: the
    /// RabbitMQ that a package installs on this machine.
    #[arg(long, env, hide_env_values = true)]
    pub queue_url: Option<Secret>,
    /// A file that holds `QUEUE_URL`.
    #[arg(long, env)]
    pub queue_url_file: Option<PathBuf>,
}

/// The broker that a package installs on this machine.
const DEFAULT: &str = "amqp://guest:guest@127.0.0.1:5672/%2f";

/// A queue's address, parsed.
#[derive(Clone, Debug)]
pub(crate) enum QueueLocation {
    Amqp(Secret),
    Embedded(PathBuf),
}

impl QueueSettings {
    /// The embedded queue in `directory`.
    pub fn embedded(directory: &Path) -> Self {
        Self { queue_url: Some(Secret::new(format!("embedded:{}", directory.display()))), queue_url_file: None }
    }

    /// The queue at `url`.
    pub fn at(url: impl Into<String>) -> Self {
        Self { queue_url: Some(Secret::new(url)), queue_url_file: None }
    }

    /// Checks that the settings name a queue.
    pub fn check(&self) -> Result<(), Problem> {
        self.location().map(|_| ())
    }

    /// Checks that the settings name an embedded queue.
    pub fn check_embedded(&self) -> Result<(), Problem> {
        match self.location()? {
            QueueLocation::Embedded(_) => Ok(()),
            QueueLocation::Amqp(_) => Err(Problem::new("QUEUE_URL", "is not an embedded queue", "write embedded:DIR")),
        }
    }

    /// Checks that the settings name a broker.
    pub fn check_broker(&self) -> Result<(), Problem> {
        match self.location()? {
            QueueLocation::Amqp(_) => Ok(()),
            QueueLocation::Embedded(_) => {
                Err(Problem::new("QUEUE_URL", "is no broker", "write amqp://user:password@host:5672/vhost"))
            }
        }
    }

    pub(crate) fn location(&self) -> Result<QueueLocation, Problem> {
        const RIGHT: &str =
            "write amqp://user:password@host:5672/vhost, with a comma between several hosts, or embedded:DIR";
        let given = read_secret("QUEUE_URL", self.queue_url.as_ref(), self.queue_url_file.as_deref())?;
        let url = given.unwrap_or_else(|| Secret::new(DEFAULT));
        if let Some(directory) = url.expose().strip_prefix("embedded:") {
            return match directory {
                "" => Err(Problem::new("QUEUE_URL", "names no folder", RIGHT)),
                _ => Ok(QueueLocation::Embedded(PathBuf::from(directory))),
            };
        }
        broker_address::parse(&url)
            .map_err(|error| Problem::new("QUEUE_URL", format!("is not the address of a queue ({error})"), RIGHT))?;
        Ok(QueueLocation::Amqp(url))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_address_is_refused_and_not_repeated_because_it_holds_a_password() {
        let problem = QueueSettings::at("http://guest:pa55word@host").check().unwrap_err().to_string();

        assert!(problem.contains("QUEUE_URL") && problem.contains("amqp://"), "{problem}");
        assert!(!problem.contains("pa55word"), "{problem}");
    }

    #[test]
    fn of_several_addresses_the_one_that_is_wrong_is_named_with_what_to_do() {
        let problem = QueueSettings::at("amqp://meta:pa55word@a:5672,b:,,d/meta").check().unwrap_err().to_string();

        assert!(problem.contains("address 3 of 4 is empty: remove a comma"), "{problem}");
        assert!(!problem.contains("pa55word"), "{problem}");
    }

    #[test]
    fn an_embedded_queue_needs_a_folder() {
        assert!(QueueSettings::at("embedded:").check().is_err());
        assert!(QueueSettings::at("embedded:data").check().is_ok());
        assert!(QueueSettings::at("embedded:data").check_broker().is_err());
    }
}
