//! What `event` promises: claims about every kind of event, about any batch of them, and about anything else.

mod anything;
mod document;
mod fixtures;
mod notifications;
mod properties;
mod schema;
mod splitting;
