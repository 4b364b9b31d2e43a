//! How the demonstration is shown: moving bars on a terminal, plain lines elsewhere.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::Instant;

/// Between two lines where there is no terminal, and between two looks at the dead letters.
const PERIOD: Duration = Duration::from_secs(1);

/// What there is to show at a moment.
pub(super) struct Counts {
    pub(super) notifications: u64,
    /// Events.
    pub(super) accepted: usize,
    pub(super) delivered: usize,
    /// Requests that DSK did not answer 200.
    pub(super) failed: usize,
    /// Dead letters, if they were counted this time.
    pub(super) parked: Option<usize>,
    pub(super) dsk_mends_in: Option<Duration>,
}

/// Where it is shown.
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

    /// Whether the dead letters are to be counted this time.
    pub(super) fn is_due(&self) -> bool {
        self.shown.elapsed() >= PERIOD
    }

    /// Says something beside the counts.
    pub(super) fn say(&self, text: &str) {
        match &self.bars {
            Some(bars) => drop(bars.all.println(text)),
            None => println!("{text}"),
        }
    }

    pub(super) fn show(&mut self, counts: &Counts) {
        let is_due = self.is_due();
        if is_due {
            self.shown = Instant::now();
        }
        self.parked = counts.parked.unwrap_or(self.parked);
        let Counts { notifications, accepted, delivered, failed, .. } = counts;
        let parked = self.parked;
        match &self.bars {
            Some(bars) => bars.show(counts, parked),
            None if is_due => println!(
                "sent {notifications} notifications; accepted {accepted} events, delivered {delivered}, \
                 failed attempts {failed}, parked {parked}"
            ),
            None => {}
        }
    }

    /// Leaves the last picture where it is.
    pub(super) fn finish(&self) {
        if let Some(bars) = &self.bars {
            for bar in [&bars.accepted, &bars.delivered, &bars.failed, &bars.parked] {
                bar.abandon();
            }
            bars.dsk.finish_and_clear();
            println!("\n");
        }
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
        self.accepted.set_message(format!("{} events", counts.accepted));
        self.delivered.set_length(counts.accepted as u64);
        self.delivered.set_position(counts.delivered as u64);
        self.delivered.set_message(format!("{} of {} events", counts.delivered, counts.accepted));
        self.failed.set_message(counts.failed.to_string());
        self.parked.set_message(parked.to_string());
        self.dsk.set_message(match counts.dsk_mends_in {
            Some(left) => format!("is down for {:.1} s more: events wait", left.as_secs_f64()),
            None => "is well".to_owned(),
        });
    }
}
