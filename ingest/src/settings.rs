//! The settings of ingest.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chassis::{Problem, Problems, Secret, TelemetrySettings, TrustedProxies, read_secret};
use clap::{Args, Parser};
use queue::QueueSettings;

/// Receives Meta's signed notifications and answers 200 once the queue has confirmed their events.
#[derive(Clone, Debug, Parser)]
#[command(name = "ingest", version)]
pub struct Settings {
    /// How notifications are received.
    #[command(flatten)]
    pub ingest: IngestSettings,
    /// Where `/metrics`, `/live` and `/ready` are served.
    #[arg(long, env, default_value = "127.0.0.1:9401")]
    pub admin_listen: SocketAddr,
    /// Where the queue is.
    #[command(flatten)]
    pub queue: QueueSettings,
    /// What is logged.
    #[command(flatten)]
    pub telemetry: TelemetrySettings,
}

/// How notifications are received, in any process.
#[derive(Args, Clone, Debug)]
pub struct IngestSettings {
    /// Where Meta's notifications arrive (`/webhook`), behind a proxy that ends TLS.
    #[arg(long, env, default_value = "127.0.0.1:8080")]
    pub ingest_listen: SocketAddr,
    /// Secrets of the Meta apps whose signature is accepted, separated by commas or newlines.
    #[arg(long, env, hide = true, hide_env_values = true)]
    pub meta_app_secrets: Option<Secret>,
    /// A file that holds `META_APP_SECRETS`.
    #[arg(long, env)]
    pub meta_app_secrets_file: Option<PathBuf>,
    /// Verify tokens accepted in Meta's handshake, separated by commas or newlines.
    #[arg(long, env, hide = true, hide_env_values = true)]
    pub meta_verify_tokens: Option<Secret>,
    /// A file that holds `META_VERIFY_TOKENS`.
    #[arg(long, env)]
    pub meta_verify_tokens_file: Option<PathBuf>,
    /// Most bytes of bodies and envelopes held at once; further notifications are answered with 503.
    #[arg(long, env, default_value_t = 256 << 20)]
    pub ingest_bytes_in_flight_max: u32,
    /// Proxies in front of ingest, as addresses or networks such as `10.0.0.0/8`, separated by commas: log lines then
    /// show the client that their `X-Forwarded-For` names, and only other peers have a bound on their connections. `none`
    /// says that there is no such proxy: log lines show the peer that connected.
    #[arg(long, env, default_value = "")]
    pub trusted_proxies: TrustedProxies,
}

/// The secrets, read and checked.
#[derive(Debug)]
pub(crate) struct Secrets {
    pub(crate) app_secrets: Vec<Secret>,
    pub(crate) verify_tokens: Vec<Secret>,
}

impl Settings {
    /// Longer than publishing may take, so that every notification under way is answered.
    pub const GRACE: Duration = Duration::from_secs(10);

    /// Fails with everything that is wrong.
    pub(crate) fn check(&self) -> Result<(), Problems> {
        let mut problems = Problems::default();
        problems.collect(self.ingest.check());
        problems.collect(self.queue.check());
        problems.finish()
    }
}

impl IngestSettings {
    /// A body of the largest size and its envelopes must fit.
    const BYTES_IN_FLIGHT_MIN: u32 = 16 << 20;

    /// Fails with everything that is wrong.
    pub fn check(&self) -> Result<(), Problems> {
        self.secrets().map(drop)
    }

    /// Reads the secrets, or fails with everything that is wrong.
    pub(crate) fn secrets(&self) -> Result<Secrets, Problems> {
        let mut problems = Problems::default();
        let app_secrets = problems.collect(list(
            "META_APP_SECRETS",
            self.meta_app_secrets.as_ref(),
            self.meta_app_secrets_file.as_deref(),
            "give the app secret (App settings > Basic; for Instagram Login the Instagram app secret), or several",
        ));
        let verify_tokens = problems.collect(list(
            "META_VERIFY_TOKENS",
            self.meta_verify_tokens.as_ref(),
            self.meta_verify_tokens_file.as_deref(),
            "give the verify token that you enter in Meta's webhook form, or several",
        ));
        if self.ingest_bytes_in_flight_max < Self::BYTES_IN_FLIGHT_MIN {
            problems.collect::<()>(Err(Problem::new(
                "INGEST_BYTES_IN_FLIGHT_MAX",
                format!("is {} and could never hold a large notification", self.ingest_bytes_in_flight_max),
                format!("give at least {}", Self::BYTES_IN_FLIGHT_MIN),
            )));
        }
        problems.finish()?;
        Ok(Secrets { app_secrets: app_secrets.unwrap_or_default(), verify_tokens: verify_tokens.unwrap_or_default() })
    }
}

/// Reads a list of secrets, of which there is at least one.
fn list(
    setting: &'static str,
    value: Option<&Secret>,
    file: Option<&Path>,
    right: &str,
) -> Result<Vec<Secret>, Problem> {
    let missing = || Problem::new(setting, "is missing", right);
    let given = read_secret(setting, value, file)?.ok_or_else(missing)?;
    let secrets = given.list();
    if secrets.is_empty() { Err(missing()) } else { Ok(secrets) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(arguments: &[&str]) -> Settings {
        Settings::parse_from(["ingest"].iter().chain(arguments))
    }

    #[test]
    fn all_missing_settings_are_named_at_once() {
        let text = settings(&[]).ingest.secrets().unwrap_err().to_string();

        assert!(
            text.contains("META_APP_SECRETS is missing") && text.contains("META_VERIFY_TOKENS is missing"),
            "{text}"
        );
    }

    #[test]
    fn commas_or_newlines_separate_several_secrets() {
        let given = settings(&["--meta-app-secrets", "one, two\nthree\n", "--meta-verify-tokens", "t"]);

        let secrets = given.ingest.secrets().unwrap().app_secrets;

        assert_eq!(secrets.iter().map(Secret::expose).collect::<Vec<_>>(), ["one", "two", "three"]);
    }
}
