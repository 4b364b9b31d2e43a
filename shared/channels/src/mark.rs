//! A mark: one text under a key, for a time. Markers of events and their trails are marks.

/// A mark that is to be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewMark {
    pub(crate) key: String,
    pub(crate) value: String,
}
