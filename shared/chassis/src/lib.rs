//! What every process is built on: settings, secrets, logs, metrics, the admin port, stopping.

mod admin;
mod arguments;
mod backoff;
mod browser;
mod build_info;
mod clock;
mod host_list;
mod https;
mod memory;
mod metrics;
mod panics;
mod process;
mod proxies;
mod readiness;
mod secret;
mod serve;
mod settings;
mod shutdown;
mod signing_secret;
mod supervisor;
mod telemetry;

pub use admin::Admin;
pub use arguments::parse;
pub use backoff::Backoff;
pub use browser::{Sender, cookie};
pub use clock::{dice, now, random};
pub use host_list::HostList;
pub use https::{
    AddressRefused, CheckedResolver, HttpsClient, KEEP_ALIVE_TIME, KEEP_ALIVE_TRIES, UNACKNOWLEDGED_TIME, https_client,
};
pub use metrics::{
    Counter, Counters, Description, DurationGauges, Gauge, Gauges, Histogram, Histograms, Label, Metric,
};
pub use process::{host, listen, run};
pub use proxies::{NoNetwork, TrustedProxies, counted_as};
pub use readiness::Readiness;
pub use secret::Secret;
pub use serve::{ServeLimits, serve};
pub use settings::{Problem, Problems, read_secret};
pub use shutdown::{Drained, Shutdown};
pub use signing_secret::{NotASigningSecret, SignedContent, SigningSecret};
pub use telemetry::{LogFormat, TelemetrySettings, start_telemetry};
