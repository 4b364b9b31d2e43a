//! Logs: one line an outcome, text or JSON, and never a word from a dependency below `error`.

use std::io::IsTerminal;

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::Problem;

/// Our crates: only these obey the filter. Dependencies are capped at `error`, because some of them log what they
/// carry (lapin logs returned messages whole).
const OURS: [&str; 9] = ["channels", "chassis", "connect", "dispatcher", "event", "ingest", "ops", "queue", "sqlite"];

/// What is logged, and how.
#[derive(Args, Clone, Debug)]
pub struct TelemetrySettings {
    /// What to log: a level (error, warn, info, debug, trace), or levels by crate such as `info,queue=debug`.
    #[arg(long, env, default_value = "info")]
    pub log: String,
    /// Form of the lines: `text` for eyes, `json` for collectors.
    #[arg(long, env, default_value = "text")]
    pub log_format: LogFormat,
}

/// Form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One readable line an outcome.
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging to standard error.
pub fn start_telemetry(settings: &TelemetrySettings) -> Result<(), Problem> {
    let filter = filter(&settings.log)?;
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let layer = match settings.log_format {
        LogFormat::Text => layer.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).with_ansi(false).boxed(),
    };
    tracing_subscriber::registry().with(layer.with_filter(filter)).try_init().ok();
    Ok(())
}

/// Directives for our crates only, whatever the setting asks for.
fn filter(setting: &str) -> Result<EnvFilter, Problem> {
    let problem = |part: &str| {
        Problem::new(
            "LOG",
            format!("has an unknown part {part:?}"),
            "write a level, or crate=level pairs such as info,queue=debug",
        )
    };
    let mut directives = vec!["error".to_owned()];
    for part in setting.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (names, level) = match part.split_once('=') {
            Some((name, level)) => (vec![name], level),
            None => (OURS.to_vec(), part),
        };
        level.parse::<LevelFilter>().map_err(|_| problem(part))?;
        if names.iter().any(|name| !OURS.contains(name)) {
            return Err(problem(part));
        }
        directives.extend(names.iter().map(|name| format!("{name}={level}")));
    }
    EnvFilter::try_new(directives.join(",")).map_err(|_| problem(setting))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_reaches_only_our_own_crates() {
        let filter = filter("trace").unwrap().to_string();

        assert!(filter.contains("queue=trace") && filter.contains("error") && !filter.contains("lapin"), "{filter}");
    }

    #[test]
    fn a_dependency_cannot_be_made_talkative() {
        assert!(filter("info,lapin=debug").is_err());
    }

    #[test]
    fn an_unknown_level_is_named() {
        assert!(filter("loud").unwrap_err().to_string().contains("loud"));
    }
}
