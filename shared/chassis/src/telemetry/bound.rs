//! The bound of every value that is logged.

use std::borrow::Cow;

/// Characters of one value in a line. Who sends us something must not be able to fill the disk with it.
const VALUE_CHARACTERS_MAX: usize = 2_000;

/// The beginning of a value, with a mark if there is more.
pub(super) fn bounded(value: &str) -> Cow<'_, str> {
    match value.char_indices().nth(VALUE_CHARACTERS_MAX) {
        None => Cow::Borrowed(value),
        Some((end, _)) => Cow::Owned([&value[..end], "…"].concat()),
    }
}
