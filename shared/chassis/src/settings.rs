//! What is wrong with the settings: all of it named at once, each with what would be right, before anything starts.

use std::fmt;
use std::path::Path;

use zeroize::Zeroizing;

use crate::Secret;

/// What is wrong with one setting. It never repeats a secret's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    setting: &'static str,
    wrong: String,
    right: String,
}

impl Problem {
    /// `setting` is the variable's name; `wrong` follows it in a sentence; `right` says what to do.
    pub fn new(setting: &'static str, wrong: impl Into<String>, right: impl Into<String>) -> Self {
        Self { setting, wrong: wrong.into(), right: right.into() }
    }
}

/// Two metrics have one name, which no setting can correct.
impl From<prometheus::Error> for Problem {
    fn from(error: prometheus::Error) -> Self {
        Self::new("metrics", format!("can't be registered ({error})"), "this is a defect of the program")
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.setting, self.wrong, self.right)
    }
}

/// All problems of the settings, so that a person can correct them at once.
#[derive(Debug, Default)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// The exit code of a process whose settings are wrong. clap uses the same.
    pub const EXIT_CODE: u8 = 2;

    /// The value; or `None`, and its problems are added to these.
    pub fn collect<T>(&mut self, checked: Result<T, impl Into<Self>>) -> Option<T> {
        checked.map_err(|problems| self.0.extend(problems.into().0)).ok()
    }

    /// Fails if there is any problem.
    pub fn finish(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("settings are wrong, nothing was started")?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for Problems {}

/// Reads a secret that is given by value or by file, but not by both. An empty value counts as not given.
pub fn read_secret(
    setting: &'static str,
    value: Option<&Secret>,
    file: Option<&Path>,
) -> Result<Option<Secret>, Problem> {
    let value = value.filter(|secret| !secret.expose().trim().is_empty());
    match (value, file) {
        (Some(_), Some(_)) => {
            Err(Problem::new(setting, format!("and {setting}_FILE are both given"), "give one of the two"))
        }
        (Some(secret), None) => Ok(Some(secret.clone())),
        (None, Some(path)) => match std::fs::read_to_string(path).map(Zeroizing::new) {
            Ok(text) if !text.trim().is_empty() => Ok(Some(Secret::new(text.trim_end_matches(['\r', '\n'])))),
            Ok(_) => Err(Problem::new(setting, "file is empty", format!("write the secret into {}", path.display()))),
            Err(error) => Err(Problem::new(
                setting,
                format!("file {} can't be read ({error})", path.display()),
                format!("{setting}_FILE must name a readable file"),
            )),
        },
        (None, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_is_given_twice_is_refused() {
        let given = Secret::new("one");

        let problem = read_secret("KEY_RING", Some(&given), Some(Path::new("ring"))).unwrap_err();

        assert_eq!(problem.to_string(), "KEY_RING and KEY_RING_FILE are both given: give one of the two");
    }

    #[test]
    fn a_secret_file_that_is_missing_is_named() {
        let problem = read_secret("KEY_RING", None, Some(Path::new("no/such/file"))).unwrap_err();

        assert!(problem.to_string().contains("no/such/file"), "{problem}");
    }

    #[test]
    fn an_empty_secret_counts_as_not_given() {
        assert_eq!(read_secret("KEY_RING", Some(&Secret::new(" ")), None), Ok(None));
    }

    #[test]
    fn every_problem_is_shown_at_once() {
        let mut problems = Problems::default();
        problems.collect::<()>(Err(Problem::new("A", "is missing", "give it")));
        problems.collect::<()>(Err(Problem::new("B", "is no URL", "write amqp://host")));

        let text = problems.finish().unwrap_err().to_string();

        assert!(text.contains("A is missing: give it") && text.contains("B is no URL: write amqp://host"), "{text}");
    }
}
