//! Reads arguments and environment. A variable that is empty counts as not given, and a secret among the arguments is
//! complained about.

use std::ffi::OsStr;

use clap::builder::Resettable;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, Parser};

use crate::memory;

/// Reads the settings of this process. If they are wrong, it prints why and ends the process, as clap does.
///
/// Compose files and config maps pass a variable that nobody has set as an empty one. Without this rule it would be read
/// as an address that is not valid, or as an app whose id is empty.
///
/// The settings hold the first secrets of the process, so its memory is protected before they are read.
pub fn parse<S: Parser>() -> S {
    if let Err(error) = memory::protect() {
        eprintln!("warning: a crash of this process may write its secrets to disk ({error})");
    }
    let is_empty = |name: &OsStr| std::env::var_os(name).is_some_and(|value| value.is_empty());
    let command = ignoring(S::command(), &is_empty);
    let mut matches = command.clone().get_matches();
    exposed(&command, &matches).iter().for_each(|warning| eprintln!("warning: {warning}"));
    S::from_arg_matches_mut(&mut matches).unwrap_or_else(|error| error.format(&mut S::command()).exit())
}

/// The command and its subcommands, made to ignore the variables that are empty.
fn ignoring(command: Command, is_empty: &dyn Fn(&OsStr) -> bool) -> Command {
    let command = command.mut_args(|argument| match argument.get_env() {
        Some(name) if is_empty(name) => argument.env(Resettable::Reset),
        _ => argument,
    });
    command.mut_subcommands(|subcommand| ignoring(subcommand, is_empty))
}

/// What is said about each secret that is given as an argument.
fn exposed(command: &Command, matches: &ArgMatches) -> Vec<String> {
    let is_exposed = |argument: &&Arg| {
        let is_argument = matches.value_source(argument.get_id().as_str()) == Some(ValueSource::CommandLine);
        is_argument && argument.is_hide_env_values_set() && holds_secret(argument, matches)
    };
    let warning = |argument: &Arg| {
        let variable = argument.get_env().unwrap_or_default().to_string_lossy();
        let file = format!("{variable}_FILE");
        let has_file = command.get_arguments().any(|other| other.get_env() == Some(OsStr::new(&file)));
        format!(
            "every user of this machine can read the secret in --{} with `ps`: set the variable {} instead",
            argument.get_long().unwrap_or_default(),
            if has_file { &file } else { &*variable }
        )
    };
    let mut warnings: Vec<String> = command.get_arguments().filter(is_exposed).map(warning).collect();
    if let Some((name, matches)) = matches.subcommand()
        && let Some(command) = command.find_subcommand(name)
    {
        warnings.extend(exposed(command, matches));
    }
    warnings
}

/// Whether a value that is never shown is a secret: a URL is one only if it holds a password.
fn holds_secret(argument: &Arg, matches: &ArgMatches) -> bool {
    let values = matches.get_raw(argument.get_id().as_str()).into_iter().flatten();
    argument.is_hide_set() || values.into_iter().any(|value| value.to_string_lossy().contains('@'))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[derive(Debug, Parser)]
    struct Example {
        #[arg(long, env = "EXAMPLE_URL")]
        url: Option<String>,
        #[arg(long, env = "EXAMPLE_TIME")]
        time: Option<String>,
    }

    #[derive(Debug, Parser)]
    struct WithSecrets {
        #[arg(long, env = "EXAMPLE_RING", hide = true, hide_env_values = true)]
        ring: Option<String>,
        #[arg(long, env = "EXAMPLE_RING_FILE")]
        ring_file: Option<String>,
        #[arg(long, env = "EXAMPLE_QUEUE", hide_env_values = true)]
        queue: Option<String>,
    }

    #[test]
    fn a_secret_that_is_given_as_an_argument_is_complained_about_without_repeating_it() {
        let command = Command::new("ops").subcommand(WithSecrets::command().name("below"));
        let warnings = |arguments: &[&str]| {
            let matches = command.clone().get_matches_from([&["ops", "below"], arguments].concat());
            exposed(&command, &matches)
        };

        let all = warnings(&["--ring", "hunter2", "--queue", "amqp://meta:hunter2@broker"]);
        assert!(all[0].contains("--ring ") && all[0].ends_with("EXAMPLE_RING_FILE instead"), "{all:?}");
        assert!(all[1].contains("--queue ") && all[1].ends_with("EXAMPLE_QUEUE instead"), "{all:?}");
        assert!(all.len() == 2 && !all.concat().contains("hunter2"), "{all:?}");
        let none = warnings(&["--ring-file", "ring", "--queue", "amqp://broker"]);
        assert!(none.is_empty(), "{none:?}");
    }

    #[test]
    fn an_empty_variable_is_ignored_and_its_argument_still_counts() {
        let subcommand = Example::command().name("below");
        let command = ignoring(Example::command().subcommand(subcommand), &|name| name == "EXAMPLE_URL");

        let subcommand = command.find_subcommand("below").expect("the command has a subcommand");
        for command in [&command, subcommand] {
            let read: Vec<_> = command.get_arguments().filter_map(|argument| argument.get_env()).collect();
            assert_eq!(read, ["EXAMPLE_TIME"]);
        }
        let matches = command.get_matches_from(["example", "--url", "there"]);
        assert_eq!(matches.get_one::<String>("url").map(String::as_str), Some("there"));
    }
}
