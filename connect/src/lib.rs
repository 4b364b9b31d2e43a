//! Connect serves the pages on which a business connects its WhatsApp number or Instagram account for a DSK tenant.

mod app;
mod care;
mod channels_page;
mod cookie;
mod graph;
mod guard;
mod icons;
mod instagram;
mod links;
mod media;
mod metrics;
mod pages;
mod privacy;
mod rights;
mod settings;
mod signed;
mod texts;
mod tickets;
mod whatsapp;

pub use app::{Connect, start};
pub use care::{Care, Finding, Round};
pub use links::Links;
pub use metrics::Metrics;
pub use settings::{ConnectSettings, MetaSettings, Settings};
