//! Settings that were read from elsewhere than the environment, as the options of a command.

use std::ffi::OsStr;

use clap::Command;

/// A setting by its variable's name, and its value.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) name: &'static str,
    pub(crate) value: String,
}

impl Setting {
    /// The option of a command that says the same, if it has one.
    pub(super) fn option(&self, command: &Command) -> Option<String> {
        let named = command.get_arguments().find(|argument| argument.get_env() == Some(OsStr::new(self.name)))?;
        let option = named.get_long()?;
        if named.get_action().takes_values() {
            return Some(format!("--{option}={}", self.value));
        }
        (self.value == "true").then(|| format!("--{option}"))
    }
}
