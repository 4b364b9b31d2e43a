//! How a panic is logged: where it happened, and its message only if that is a constant. Rust itself would print any message,
//! on lines of its own, and a message that was put together may repeat what was being handled: a text of somebody's, a token.

use std::any::Any;
use std::panic::{Location, PanicHookInfo};

use tracing::error;

/// What is logged instead of a message that may hold anything.
const WITHHELD: &str = "its message is withheld, because it may repeat what was being handled";

/// Logs panics of this process from now on.
pub(crate) fn log_panics() {
    std::panic::set_hook(Box::new(|panic: &PanicHookInfo<'_>| {
        let location = panic.location().map(Location::to_string).unwrap_or_default();
        let message = constant_message(panic.payload()).unwrap_or(WITHHELD);
        error!(location, "A thread panicked at {location}: {message}");
    }));
}

/// The message, if it stands in the source as it is.
fn constant_message(payload: &(dyn Any + Send)) -> Option<&'static str> {
    payload.downcast_ref::<&'static str>().copied()
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    /// What would be logged of a panic.
    fn logged(panicking: impl FnOnce() + std::panic::UnwindSafe) -> Option<&'static str> {
        constant_message(&*catch_unwind(panicking).expect_err("it panics"))
    }

    #[test]
    fn a_panic_is_logged_without_what_was_being_handled() {
        let text = "ä text that nobody else may read".to_owned();
        let refused = text.parse::<u32>().map_err(|_| text.clone());
        let texts = [text.clone(), text.clone()];

        assert_eq!(logged(|| panic!("a constant")), Some("a constant"));
        assert_eq!(logged(move || panic!("no rule for {text}")), None);
        assert_eq!(logged(move || assert_eq!(refused.expect("it is a number"), 1)), None);
        assert_eq!(logged(move || drop(texts[0][..1].to_owned())), None, "an end within a letter repeats the text");
    }
}
