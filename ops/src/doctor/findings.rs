//! What the checks of `ops doctor` found. Each finding is shown at once.

use crate::failure::Failure;
use crate::output::outln;

/// The result of one check.
struct Finding {
    what: &'static str,
    text: String,
    /// What to do about it, if something is wrong.
    next_step: Option<String>,
}

/// The complaints so far.
#[derive(Default)]
pub(super) struct Findings {
    wrong: usize,
    /// Why the findings could not be shown, if so.
    output_failure: Option<Failure>,
}

impl Findings {
    pub(super) fn ok(&mut self, what: &'static str, text: impl Into<String>) {
        self.show(&Finding { what, text: text.into(), next_step: None });
    }

    pub(super) fn wrong(&mut self, what: &'static str, text: impl Into<String>, next_step: impl Into<String>) {
        self.wrong += 1;
        self.show(&Finding { what, text: text.into(), next_step: Some(next_step.into()) });
    }

    fn show(&mut self, finding: &Finding) {
        if self.output_failure.is_none() {
            self.output_failure = finding.show().err();
        }
    }

    pub(super) fn result(self) -> Result<(), Failure> {
        match (self.output_failure, self.wrong) {
            (Some(failure), _) => Err(failure),
            (None, 0) => Ok(()),
            (None, 1) => Err(Failure::runtime("one thing is wrong, see above")),
            (None, wrong) => Err(Failure::runtime(format!("{wrong} things are wrong, see above"))),
        }
    }
}

impl Finding {
    fn show(&self) -> Result<(), Failure> {
        let mark = if self.next_step.is_some() { "WRONG" } else { "ok" };
        outln!("{mark:<6} {:<9} {}", self.what, self.text)?;
        match &self.next_step {
            Some(next_step) => outln!("{:<16} next: {next_step}", ""),
            None => Ok(()),
        }
    }
}
