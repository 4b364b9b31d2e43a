//! Gets what flags did not say from the person at the terminal; where there is none, it says which flags are missing.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;

use chassis::Secret;

use crate::failure::Failure;
use crate::files;
use crate::output::remark;

/// Something that only a person knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question {
    /// The flag that says it, with what follows it.
    pub(super) flag: &'static str,
    /// What the person is asked.
    pub(super) text: &'static str,
}

/// The questions so far.
#[derive(Debug)]
pub(super) struct Interview {
    has_terminal: bool,
    /// Whether the person had to answer something: only then are they asked what may be left out.
    has_begun: bool,
    missing: Vec<Question>,
}

impl Interview {
    pub(super) fn begin() -> Self {
        Self { has_terminal: io::stdin().is_terminal(), has_begun: false, missing: Vec::new() }
    }

    /// A text that is needed. Without it, and without a terminal, there is none, and [`Self::finish`] fails.
    pub(super) fn needed<T>(
        &mut self,
        question: Question,
        given: Option<&str>,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Failure> {
        if let Some(text) = given {
            return parse(text).map(Some).map_err(Failure::usage);
        }
        if !self.can_ask(question) {
            return Ok(None);
        }
        loop {
            match parse(&ask(question)?) {
                Ok(answer) => return Ok(Some(answer)),
                Err(wrong) => remark(wrong),
            }
        }
    }

    /// A text that may be left out.
    pub(super) fn optional<T>(
        &mut self,
        question: Question,
        given: Option<&str>,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Failure> {
        if let Some(text) = given {
            return parse(text).map(Some).map_err(Failure::usage);
        }
        if !self.has_begun {
            return Ok(None);
        }
        loop {
            let text = ask(question)?;
            if text.is_empty() {
                return Ok(None);
            }
            match parse(&text) {
                Ok(answer) => return Ok(Some(answer)),
                Err(wrong) => remark(wrong),
            }
        }
    }

    /// A secret that is needed. It is typed without being shown, or comes from a file.
    pub(super) fn secret(&mut self, question: Question, file: Option<&Path>) -> Result<Option<Secret>, Failure> {
        if let Some(file) = file {
            return files::read_secret(file).map(Some);
        }
        if !self.can_ask(question) {
            return Ok(None);
        }
        loop {
            let typed = rpassword::prompt_password(format!("{}: ", question.text)).map_err(no_answer)?;
            let secret = Secret::new(typed);
            match secret.expose().trim() {
                "" => remark("This is needed."),
                secret => return Ok(Some(Secret::new(secret))),
            }
        }
    }

    /// Whether there is a person to ask.
    fn can_ask(&mut self, question: Question) -> bool {
        if self.has_terminal {
            self.has_begun = true;
        } else {
            self.missing.push(question);
        }
        self.has_terminal
    }

    /// Fails with all flags that are missing.
    pub(super) fn finish(self) -> Result<(), Failure> {
        if self.missing.is_empty() {
            return Ok(());
        }
        let missing: Vec<String> =
            self.missing.iter().map(|question| format!("\n  {}: {}", question.flag, question.text)).collect();
        Err(Failure::usage(format!("there is no terminal to ask on, and nothing was made: give{}", missing.concat())))
    }
}

fn ask(question: Question) -> Result<String, Failure> {
    let mut output = io::stderr().lock();
    write!(output, "{}: ", question.text).and_then(|()| output.flush()).map_err(no_answer)?;
    let mut line = String::new();
    if io::stdin().read_line(&mut line).map_err(no_answer)? == 0 {
        return Err(Failure::usage("nothing was made, because the questions were not answered to the end"));
    }
    Ok(line.trim().to_owned())
}

fn no_answer(error: io::Error) -> Failure {
    Failure::usage(format!("nothing was made, because no answer can be read ({error})"))
}
