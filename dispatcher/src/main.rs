//! The process `dispatcher`.

fn main() {}
