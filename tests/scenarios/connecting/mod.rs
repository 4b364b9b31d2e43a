//! How a business connects its channels, and keeps its rights.

mod browser_walks;
mod cookies;
pub(crate) mod data_rights;
mod flows;
mod maintenance;
pub(crate) mod media;
mod privacy_policy;
