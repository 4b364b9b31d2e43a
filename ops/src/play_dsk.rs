//! `ops dsk`: plays DSK, and shows one line for each request.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chassis::{Shutdown, SigningSecret, TelemetrySettings, start_telemetry};
use clap::Args;
use tokio::sync::mpsc::{Receiver, channel};

use crate::dsk::{Behaviour, Dsk, DskCounts, DskRequest, Keeps, Observed};
use crate::failure::Failure;
use crate::files;
use crate::output::{counted, outln};

/// Plays DSK: checks the requests that it gets, shows one line for each, and fails on demand.
#[derive(Args, Debug)]
pub(crate) struct PlayDsk {
    /// Where to listen.
    #[arg(long, env = "DSK_LISTEN", default_value = "127.0.0.1:9100")]
    listen: SocketAddr,
    /// A file with the bearer token that requests must have. Without it any token will do.
    #[arg(long)]
    token_file: Option<PathBuf>,
    /// A file with the signing secret (`whsec_…`). Without it signatures are not checked.
    #[arg(long)]
    signing_secret_file: Option<PathBuf>,
    /// Answers every good request with this status.
    #[arg(long)]
    answer: Option<u16>,
    /// Waits this long before each answer.
    #[arg(long, default_value = "0s", value_parser = humantime::parse_duration)]
    delay: Duration,
    /// Share of good requests answered 503 instead, from 0 to 1.
    #[arg(long, default_value_t = 0.0)]
    fail_ratio: f64,
    #[command(flatten)]
    telemetry: TelemetrySettings,
}

/// How long requests under way may take after a stop.
const GRACE: Duration = Duration::from_secs(1);
/// Requests in the channel to the output. Those beyond it wait, too: each request is answered once it has been shown.
const UNSHOWN_MAX: usize = 64;

impl PlayDsk {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        start_telemetry(&self.telemetry).map_err(Failure::usage)?;
        let behaviour = self.behaviour()?;
        let shutdown = Shutdown::on_signals()?;
        let (observer, mut requests) = channel(UNSHOWN_MAX);
        let started = Dsk::start_observed(self.listen, behaviour, observer, &shutdown).await;
        let dsk = started.map_err(Failure::usage)?;
        outln!("Playing DSK: set DSK_URL={}", dsk.url())?;
        let shown = show_until(shutdown.requested(), &mut requests).await;
        shutdown.request();
        show_until(shutdown.drain(GRACE), &mut requests).await?;
        shown?;
        let DskCounts { answered, delivered, .. } = dsk.counts();
        outln!("{}, {} delivered", counted(answered, "request"), counted(delivered, "event"))
    }

    fn behaviour(&self) -> Result<Behaviour, Failure> {
        if !(0.0..=1.0).contains(&self.fail_ratio) {
            return Err(Failure::usage("--fail-ratio must be between 0 and 1"));
        }
        let secret = |file: Option<&Path>| file.map(files::read_secret).transpose();
        let signing_secret = secret(self.signing_secret_file.as_deref())?;
        Ok(Behaviour {
            token: secret(self.token_file.as_deref())?,
            signing_secret: signing_secret.as_ref().map(SigningSecret::parse).transpose().map_err(Failure::usage)?,
            answer: self.answer,
            delay: self.delay,
            fail_ratio: self.fail_ratio,
            keeps: Keeps::LatestIds,
            ..Behaviour::default()
        })
    }
}

/// Shows requests until `end` comes or nobody reads the output any more.
async fn show_until<T>(end: impl Future<Output = T>, requests: &mut Receiver<Observed>) -> Result<(), Failure> {
    let mut end = std::pin::pin!(end);
    loop {
        tokio::select! {
            Some(Observed { request, seen }) = requests.recv() => {
                show_request(&request)?;
                seen.send(()).ok();
            }
            _ = &mut end => return Ok(()),
        }
    }
}

fn show_request(request: &DskRequest) -> Result<(), Failure> {
    let DskRequest { status, id, event_type, attempt, .. } = request;
    let note = request.fault.or(request.is_repeat.then_some("a repeat: DSK had it already"));
    let note = note.map(|note| format!(" ({note})")).unwrap_or_default();
    outln!("{status} {id} {event_type} attempt {attempt}{note}")
}
