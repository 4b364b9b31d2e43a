//! Which bytes of a file an answer of Meta's holds, as its `Content-Range` says.

/// The range of an answer: `bytes <first>-<last>/<of>` (RFC 9110 §14.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ContentRange {
    first: u64,
    last: u64,
    of: u64,
}

impl ContentRange {
    /// `None` for anything but one range with both of its ends and the length of the whole.
    pub(super) fn parse(header: &str) -> Option<Self> {
        let (range, of) = header.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let range = Self { first: first.parse().ok()?, last: last.parse().ok()?, of: of.parse().ok()? };
        (range.first <= range.last && range.last < range.of).then_some(range)
    }

    /// How many bytes it is, if it is a range of a file of this length.
    pub(super) fn bytes_of(self, whole: u64) -> Option<u64> {
        (self.of == whole).then(|| self.last - self.first + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_two_ends_within_the_file() {
        let bytes = |header, whole| ContentRange::parse(header).and_then(|range| range.bytes_of(whole));

        assert_eq!(bytes("bytes 99000-99999/100000", 100_000), Some(1_000));
        assert_eq!(bytes("bytes 0-0/1", 1), Some(1));
        assert_eq!(bytes("bytes 99000-99999/100000", 99_999), None, "another file");
        for wrong in ["bytes 0-1/*", "bytes */10", "bytes 5-4/10", "bytes 0-10/10", "0-1/10", "bytes 0-1,3-4/10", ""] {
            assert_eq!(ContentRange::parse(wrong), None, "{wrong}");
        }
    }
}
