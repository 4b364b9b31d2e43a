//! A file at the stand-in for Meta: its properties, and its bytes, which are made as they are sent.

use axum::body::Bytes;
use sha2::{Digest as _, Sha256};

/// After this many bytes the bytes of a file repeat.
const PERIOD: usize = 251;
/// How many bytes are sent at once: whole periods, so that every piece but the last is the same.
const PIECE: usize = PERIOD << 8;

/// A file at Meta.
#[derive(Clone, Debug)]
pub struct MediaFile {
    /// Its length.
    pub bytes: usize,
    /// The length that Meta announces, if it is not the true one.
    pub announced: Option<usize>,
    /// Whether its bytes do not match the hash that Meta announces.
    pub is_altered: bool,
    /// Whether Meta writes the hash in base64.
    pub in_base64: bool,
    /// The address that Meta announces, if it is not at the stand-in.
    pub url: Option<String>,
    /// How a request for a range of it is answered.
    pub range: RangeAnswer,
    /// Where its address redirects to, if it does.
    pub redirect: Option<String>,
}

/// How a request for a range of a file is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RangeAnswer {
    /// With the range.
    #[default]
    True,
    /// With the name of the range, but with bytes that do not end, and without their length.
    Endless,
    /// The same, but without the name of the range.
    EndlessAndUnnamed,
}

impl Default for MediaFile {
    fn default() -> Self {
        Self {
            bytes: 100_000,
            announced: None,
            is_altered: false,
            in_base64: false,
            url: None,
            range: RangeAnswer::default(),
            redirect: None,
        }
    }
}

/// The bytes of a file from one position up to another.
pub fn content(from: usize, to: usize) -> Vec<u8> {
    (from..to).map(|position| u8::try_from(position % PERIOD).unwrap_or_default()).collect()
}

pub(super) fn sha256(bytes: usize) -> [u8; 32] {
    let mut hash = Sha256::new();
    pieces(0, bytes).for_each(|piece| hash.update(piece));
    hash.finalize().into()
}

pub(super) fn pieces(from: usize, to: usize) -> impl Iterator<Item = Bytes> + Send {
    let piece = Bytes::from(content(from, from + PIECE));
    (from..to).step_by(PIECE).map(move |start| piece.slice(..PIECE.min(to - start)))
}
