//! The process `ops`.

fn main() {}
