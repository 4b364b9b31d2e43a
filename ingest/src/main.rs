//! The process `ingest`.

fn main() {}
