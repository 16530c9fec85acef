//! The `fractal` program.

fn main() {}
