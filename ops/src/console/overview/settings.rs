//! Where the figures of the Overview page come from.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use clap::Args;
use url::Url;

/// The admin ports of the processes on this machine, as they listen by default. `ops standalone` is all three on the first.
const TARGETS: [&str; 3] =
    ["ingest=http://127.0.0.1:9401", "dispatcher=http://127.0.0.1:9402", "connect=http://127.0.0.1:9403"];

/// Where the figures of the Overview page come from.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct OverviewSettings {
    /// A process whose `/metrics` the page Overview shows, as NAME=URL of its admin port. Give it once for each process,
    /// or separate several by commas.
    #[arg(
        long = "scrape", env = "CONSOLE_SCRAPE", value_name = "NAME=URL", value_delimiter = ',', value_parser = Target::parse,
        default_values = TARGETS,
    )]
    pub(crate) console_scrape: Vec<Target>,
    /// Prometheus, such as `http://127.0.0.1:9090`, which is then asked for the figures instead of the processes.
    #[arg(long = "prometheus", env = "CONSOLE_PROMETHEUS", value_name = "URL", value_parser = parse_url)]
    pub(crate) console_prometheus: Option<Url>,
}

impl OverviewSettings {
    /// Those of a console within the service's only process, whose admin port is the only one.
    pub(crate) fn own(admin: SocketAddr) -> Self {
        let is_any = admin.ip().is_unspecified();
        let reached = SocketAddr::new(if is_any { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { admin.ip() }, admin.port());
        let target = Target::parse(&format!("standalone=http://{reached}"));
        Self { console_scrape: target.into_iter().collect(), console_prometheus: None }
    }
}

/// A process, and where its admin port is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) name: String,
    /// Where its metrics are.
    pub(crate) url: Url,
}

impl Target {
    /// Reads `NAME=URL`. A URL without a path is that of the admin port.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (name, url) = text.split_once('=').ok_or("write it like dispatcher=http://127.0.0.1:9402")?;
        if name.is_empty() || name.contains(['/', ':']) {
            return Err("a name comes before the =, as in dispatcher=http://127.0.0.1:9402".to_owned());
        }
        let mut url = parse_url(url)?;
        if url.path() == "/" {
            url.set_path("/metrics");
        }
        Ok(Self { name: name.to_owned(), url })
    }

    /// Host and port, for a person.
    pub(crate) fn place(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        self.url.port_or_known_default().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }
}

fn parse_url(text: &str) -> Result<Url, String> {
    let url: Url = text.parse().map_err(|error| format!("is no URL ({error})"))?;
    if !["http", "https"].contains(&url.scheme()) || !url.has_host() {
        return Err("begins with http:// or https:// and a host".to_owned());
    }
    // The page shows it, and nothing sends it.
    if !url.username().is_empty() || url.password().is_some() {
        return Err("can't hold a user or a password".to_owned());
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_named_with_the_address_of_its_admin_port() {
        let target = Target::parse("dispatcher 2=http://10.0.0.7:9402").unwrap();
        let elsewhere = Target::parse("both=https://example.com/a/metrics?x=y").unwrap();

        assert_eq!((target.name.as_str(), target.url.as_str()), ("dispatcher 2", "http://10.0.0.7:9402/metrics"));
        assert_eq!(target.place(), "10.0.0.7:9402");
        assert_eq!(elsewhere.url.as_str(), "https://example.com/a/metrics?x=y");
        for wrong in
            ["http://127.0.0.1:9402", "=http://127.0.0.1:9402", "a=ftp://host", "a=http://user:secret@host", "a=b"]
        {
            let error = Target::parse(wrong).unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_console_within_the_service_reads_the_admin_port_of_its_own_process() {
        let own = |admin: &str| OverviewSettings::own(admin.parse().unwrap()).console_scrape[0].url.to_string();

        assert_eq!(own("127.0.0.1:9401"), "http://127.0.0.1:9401/metrics");
        assert_eq!(own("0.0.0.0:4000"), "http://127.0.0.1:4000/metrics");
        assert_eq!(own("[::1]:9401"), "http://[::1]:9401/metrics");
    }

    #[test]
    fn the_defaults_can_be_read() {
        let names: Vec<String> = TARGETS.iter().map(|target| Target::parse(target).unwrap().name).collect();

        assert_eq!(names, ["ingest", "dispatcher", "connect"]);
    }
}
