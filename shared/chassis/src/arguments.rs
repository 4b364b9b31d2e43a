//! Reads arguments and environment. A variable that is empty counts as not given.

use std::ffi::OsStr;

use clap::builder::Resettable;
use clap::{Command, Parser};

/// Reads the settings of this process. If they are wrong, it prints why and ends the process, as clap does.
///
/// Compose files and config maps pass a variable that nobody has set as an empty one. Without this rule it would be read
/// as an address that is not valid, or as an app whose id is empty.
pub fn parse<S: Parser>() -> S {
    let is_empty = |name: &OsStr| std::env::var_os(name).is_some_and(|value| value.is_empty());
    let mut matches = ignoring(S::command(), &is_empty).get_matches();
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
