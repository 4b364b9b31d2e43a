//! Shows the demonstration: moving bars on a terminal, plain lines elsewhere.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::Instant;

use crate::failure::Failure;
use crate::output::{self, counted, outln};

/// How often to print a line where there is no terminal, and to count the dead letters.
const PERIOD: Duration = Duration::from_secs(1);

/// The counts at one moment.
pub(super) struct Counts {
    pub(super) notifications: u64,
    /// Events that ingest accepted.
    pub(super) accepted: usize,
    /// Events that DSK has.
    pub(super) delivered: usize,
    /// Requests that DSK did not answer with 200.
    pub(super) failed: usize,
    /// Dead letters, if they were counted this time.
    pub(super) parked: Option<usize>,
    /// How much longer DSK fails, while it does.
    pub(super) outage_left: Option<Duration>,
}

/// The display.
pub(super) struct Progress {
    bars: Option<Bars>,
    shown: Instant,
    parked: usize,
}

struct Bars {
    all: MultiProgress,
    accepted: ProgressBar,
    delivered: ProgressBar,
    failed: ProgressBar,
    parked: ProgressBar,
    dsk: ProgressBar,
}

impl Progress {
    /// Bars if standard output is a terminal.
    pub(super) fn start(notifications: u64) -> Self {
        let bars = std::io::stdout().is_terminal().then(|| Bars::new(notifications));
        Self { bars, shown: Instant::now(), parked: 0 }
    }

    /// Whether it is time to count the dead letters.
    pub(super) fn is_due(&self) -> bool {
        self.shown.elapsed() >= PERIOD
    }

    /// Shows a sentence beside the counts.
    pub(super) fn remark(&self, text: &str) -> Result<(), Failure> {
        match &self.bars {
            Some(bars) => bars.all.println(text).map_err(output::failure),
            None => outln!("{text}"),
        }
    }

    pub(super) fn show(&mut self, counts: &Counts) -> Result<(), Failure> {
        let is_due = self.is_due();
        if is_due {
            self.shown = Instant::now();
        }
        self.parked = counts.parked.unwrap_or(self.parked);
        let Counts { notifications, accepted, delivered, failed, .. } = counts;
        let parked = self.parked;
        match &self.bars {
            Some(bars) => bars.show(counts, parked),
            None if is_due => outln!(
                "sent {}; accepted {}, delivered {delivered}, failed attempts {failed}, parked {parked}",
                counted(*notifications, "notification"),
                counted(*accepted, "event")
            )?,
            None => {}
        }
        Ok(())
    }

    /// Leaves the last counts on the screen.
    pub(super) fn finish(&self) -> Result<(), Failure> {
        if let Some(bars) = &self.bars {
            for bar in [&bars.accepted, &bars.delivered, &bars.failed, &bars.parked] {
                bar.abandon();
            }
            bars.dsk.finish_and_clear();
            outln!("\n")?;
        }
        Ok(())
    }
}

impl Bars {
    fn new(notifications: u64) -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stdout_with_hz(10));
        let bar = |name: &'static str, length: u64, template: &str| {
            let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = ProgressBar::new(length).with_style(style.progress_chars("█▉▊▋▌▍▎▏ ")).with_prefix(name);
            all.add(bar)
        };
        let moving = "{prefix:>15}  {wide_bar:.cyan}  {msg:<28}";
        let still = "{prefix:>15}  {msg}";
        Self {
            accepted: bar("accepted", notifications, moving),
            delivered: bar("delivered", 1, moving),
            failed: bar("failed attempts", 1, still),
            parked: bar("parked", 1, still),
            dsk: bar("DSK", 1, "{prefix:>15}  {msg:.yellow}"),
            all,
        }
    }

    fn show(&self, counts: &Counts, parked: usize) {
        self.accepted.set_position(counts.notifications);
        self.accepted.set_message(counted(counts.accepted, "event"));
        self.delivered.set_length(counts.accepted as u64);
        self.delivered.set_position(counts.delivered as u64);
        self.delivered.set_message(format!("{} of {}", counts.delivered, counted(counts.accepted, "event")));
        self.failed.set_message(counts.failed.to_string());
        self.parked.set_message(parked.to_string());
        self.dsk.set_message(match counts.outage_left {
            Some(left) => format!("fails for another {:.1} s: events wait", left.as_secs_f64()),
            None => "works".to_owned(),
        });
    }
}
