//! The ground the scenarios stand on: the processes, two browsers, notifications to post, pages to read.

pub(crate) mod bodies;
pub(crate) mod browser;
pub(crate) mod certificates;
pub(crate) mod chromium;
pub(crate) mod composed_servers;
pub(crate) mod composition;
pub(crate) mod connect_stack;
pub(crate) mod console;
#[cfg(feature = "long")]
pub(crate) mod conversations;
pub(crate) mod dsk;
pub(crate) mod fixtures;
pub(crate) mod machine;
pub(crate) mod metrics_page;
pub(crate) mod operator;
pub(crate) mod page_checks;
pub(crate) mod partitions;
#[cfg(feature = "long")]
pub(crate) mod receivers;
pub(crate) mod recordings;
pub(crate) mod stack;
pub(crate) mod two_tenants;
pub(crate) mod units;
pub(crate) mod workspace;
