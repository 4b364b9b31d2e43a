//! How every process runs: it starts or says what is wrong, serves until a stop, drains, and says how it ended.

use std::fmt::Display;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use tokio::net::TcpListener;
use tracing::{error, info};

use crate::panics::log_panics;
use crate::{Drained, Problem, Problems, Shutdown, TelemetrySettings, start_telemetry};

/// The exit code if something broke while the process ran, or the drain did not finish.
const FAILURE: u8 = 1;

/// Runs a process. `start` starts everything and returns; the tasks that it leaves running are on the [`Shutdown`]'s
/// tracker.
///
/// Exit codes: 0 stopped cleanly; 1 failed while running, or did not finish within `grace`; 2 could not start.
pub async fn run<E: Display>(
    telemetry: &TelemetrySettings,
    grace: Duration,
    start: impl AsyncFnOnce(Shutdown) -> Result<(), E>,
) -> ExitCode {
    if let Err(problem) = start_telemetry(telemetry) {
        return could_not_start(&Problems::from(problem));
    }
    log_panics();
    let shutdown = match Shutdown::on_signals() {
        Ok(shutdown) => shutdown,
        Err(error) => return could_not_start(&error),
    };
    if let Err(error) = start(shutdown.clone()).await {
        return could_not_start(&error);
    }
    let drained = shutdown.drain(grace).await;
    match drained {
        Drained::Cleanly => info!("Stopped"),
        Drained::CutShort { unfinished } => {
            let tasks = if unfinished == 1 { "task" } else { "tasks" };
            error!(
                unfinished,
                "Stopped after {grace:?} with {unfinished} {tasks} unfinished; the queue keeps their envelopes"
            );
        }
    }
    if shutdown.failure().is_none() && drained == Drained::Cleanly {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(FAILURE)
    }
}

/// The name of this machine, for the operator; empty if it has none.
pub fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned()
}

/// Listens on the address of a setting, and returns the address with its actual port. The error names the setting.
pub async fn listen(setting: &'static str, address: SocketAddr) -> Result<(TcpListener, SocketAddr), Problem> {
    let refused = |error: std::io::Error| {
        Problem::new(
            setting,
            format!("can't be listened on ({address}: {error})"),
            "give a free address such as 127.0.0.1:0",
        )
    };
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let taken = listener.local_addr().map_err(refused)?;
    Ok((listener, taken))
}

/// Prints to standard error, whatever the log filter says, because a person waits for the answer.
fn could_not_start(error: &dyn Display) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::from(Problems::EXIT_CODE)
}
