//! The `orca` command: parses flags, calls the library, renders.
fn main() {}
