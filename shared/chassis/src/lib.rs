//! What every process stands on: settings, secrets, telemetry, admin port, stopping.

mod admin;
mod arguments;
mod backoff;
mod clock;
mod metrics;
mod process;
mod proxies;
mod registrar;
mod secret;
mod serve;
mod settings;
mod shutdown;
mod telemetry;

pub use admin::{Admin, Readiness};
pub use arguments::parse;
pub use backoff::Backoff;
pub use clock::{Clock, dice};
pub use process::{host, listen, run};
pub use proxies::{NoNetwork, TrustedProxies};
pub use registrar::Registrar;
pub use secret::Secret;
pub use serve::{ServeLimits, serve};
pub use settings::{Problem, Problems, read_secret};
pub use shutdown::{Drained, Shutdown};
pub use telemetry::{LogFormat, TelemetrySettings, start_telemetry};
