//! How a business connects its channels, and what connect does for them and for people's rights afterwards.

mod browser_walks;
mod cookies;
pub(crate) mod data_rights;
mod flows;
mod foreign_pages;
mod languages;
mod listed_users;
mod maintenance;
pub(crate) mod media;
mod privacy_policy;
mod profiles;
mod strangers;
mod takeover;
