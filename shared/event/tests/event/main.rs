//! Claims about the crate `event`: about every kind of event, about any batch of them, and about any other bytes.

mod anything;
mod content;
mod document;
mod fixtures;
mod notifications;
mod possible;
mod properties;
mod schema;
mod shapes;
mod splitting;
