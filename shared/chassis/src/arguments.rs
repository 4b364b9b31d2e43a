//! What a process is told, by arguments and environment. An empty variable counts as not given.

use std::ffi::OsStr;

use clap::builder::Resettable;
use clap::{Command, Parser};

/// Reads the settings of this process; or ends it and says what is wrong, as clap does.
///
/// Compose files and config maps give a variable that nobody has set as an empty one. Without this it would be an
/// address that is none, or an app whose id is no text.
pub fn parse<S: Parser>() -> S {
    let is_empty = |name: &OsStr| std::env::var_os(name).is_some_and(|value| value.is_empty());
    let mut given = without(S::command(), &is_empty).get_matches();
    S::from_arg_matches_mut(&mut given).unwrap_or_else(|error| error.format(&mut S::command()).exit())
}

/// The command, and all below it, blind for those variables.
fn without(command: Command, is_empty: &dyn Fn(&OsStr) -> bool) -> Command {
    let command = command.mut_args(|argument| match argument.get_env() {
        Some(name) if is_empty(name) => argument.env(Resettable::Reset),
        _ => argument,
    });
    command.mut_subcommands(|subcommand| without(subcommand, is_empty))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[derive(Debug, Parser)]
    struct Told {
        #[arg(long, env = "TOLD_URL")]
        url: Option<String>,
        #[arg(long, env = "TOLD_TIME")]
        time: Option<String>,
    }

    #[test]
    fn a_variable_that_is_empty_is_not_asked_for_and_its_argument_still_counts() {
        let command = without(Told::command().subcommand(Told::command().name("below")), &|name| name == "TOLD_URL");

        let below = command.find_subcommand("below").expect("it is below");
        for command in [&command, below] {
            let asked: Vec<_> = command.get_arguments().filter_map(|argument| argument.get_env()).collect();
            assert_eq!(asked, ["TOLD_TIME"]);
        }
        let given = command.get_matches_from(["told", "--url", "there"]);
        assert_eq!(given.get_one::<String>("url").map(String::as_str), Some("there"));
    }
}
