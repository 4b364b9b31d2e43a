//! What commands log: nothing unless asked to, because their output is what the operator came for.

use chassis::{LogFormat, TelemetrySettings, start_telemetry};
use clap::Args;

use crate::failure::Failure;

/// The logging of a command that does one thing and ends.
#[derive(Args, Clone, Debug)]
pub(crate) struct CommandLogging {
    /// What to log to standard error: a level (error, warn, info, debug, trace), or levels by crate such as
    /// `info,queue=debug`.
    #[arg(long, env, default_value = "off")]
    log: String,
    /// Form of the log lines: `text` for people, `json` for collectors.
    #[arg(long, env, default_value = "text")]
    log_format: LogFormat,
}

impl CommandLogging {
    pub(crate) fn start(&self) -> Result<(), Failure> {
        let telemetry = TelemetrySettings { log: self.log.clone(), log_format: self.log_format };
        start_telemetry(&telemetry).map_err(Failure::usage)
    }
}
