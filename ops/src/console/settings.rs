//! Where the console is served, and by which address browsers reach it.

use std::net::SocketAddr;

use chassis::Problem;
use clap::Args;
use url::Url;

use super::overview::settings::OverviewSettings;

/// Where the console is served.
#[derive(Args, Clone, Debug)]
pub(crate) struct ConsoleSettings {
    /// Where the pages are served. An address that other machines reach also needs `--exposed-as`.
    #[arg(long = "listen", env = "CONSOLE_LISTEN", default_value = "127.0.0.1:9400")]
    pub(crate) console_listen: SocketAddr,
    /// Serves other machines too, whose browsers reach the console by this address, such as
    /// `https://console.example.com`. Nothing but the printed link keeps others out, and nothing encrypts what is sent
    /// unless a proxy in front does.
    #[arg(long = "exposed-as", env = "CONSOLE_EXPOSED_AS")]
    pub(crate) console_exposed_as: Option<Url>,
    #[command(flatten)]
    pub(crate) overview: OverviewSettings,
}

impl ConsoleSettings {
    /// Refuses to serve other machines by mistake.
    pub(crate) fn check(&self) -> Result<(), Problem> {
        if let Some(url) = &self.console_exposed_as
            && (!["http", "https"].contains(&url.scheme()) || !url.has_host() || url.path() != "/")
        {
            return Err(Problem::new(
                "CONSOLE_EXPOSED_AS",
                "is not the address of a host",
                "write it like https://console.example.com, without a path",
            ));
        }
        if !self.console_listen.ip().is_loopback() && self.console_exposed_as.is_none() {
            return Err(Problem::new(
                "CONSOLE_LISTEN",
                format!("{} is reached by other machines", self.console_listen),
                "listen on 127.0.0.1, or also give --exposed-as (CONSOLE_EXPOSED_AS) if other machines are meant",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(listen: &str, exposed_as: Option<&str>) -> Result<(), Problem> {
        let console_exposed_as = exposed_as.map(|url| url.parse().unwrap());
        ConsoleSettings {
            console_listen: listen.parse().unwrap(),
            console_exposed_as,
            overview: OverviewSettings::default(),
        }
        .check()
    }

    #[test]
    fn other_machines_are_served_only_if_that_is_said_twice() {
        for listen in ["127.0.0.1:9400", "[::1]:9400", "127.0.0.1:0"] {
            assert_eq!(check(listen, None), Ok(()), "{listen}");
        }
        for listen in ["0.0.0.0:9400", "[::]:9400", "10.0.0.1:9400"] {
            assert!(check(listen, None).is_err(), "{listen}");
            assert_eq!(check(listen, Some("https://console.example.com")), Ok(()), "{listen}");
        }
    }

    #[test]
    fn the_address_for_browsers_is_that_of_a_host() {
        for wrong in ["ftp://console.example.com", "https://console.example.com/ops", "mailto:me@example.com"] {
            assert!(check("127.0.0.1:9400", Some(wrong)).is_err(), "{wrong}");
        }
    }
}
