//! Connect serves the pages on which a business connects its WhatsApp number or Instagram account for a DSK tenant.

mod access;
mod app;
mod channels_page;
mod connecting;
mod cookie;
mod data_rights;
mod file_places;
mod graph;
mod headers;
mod icons;
mod instagram;
mod language;
mod links;
mod maintenance;
mod media;
mod metrics;
mod page_error;
mod pages;
mod privacy_policy;
mod public_pages;
mod rate_limit;
mod reader;
mod refusals;
mod session;
mod settings;
mod signer;
mod state;
mod texts;
mod ticket_api;
mod tickets;
mod whatsapp;

pub use app::{Connect, start};
pub use links::Links;
pub use maintenance::{ChannelHealth, CheckMode, Maintenance, MaintenanceRound};
pub use metrics::Metrics;
pub use settings::{CheckedSettings, ConnectSettings, MetaSettings, PrivacySettings, Settings};
