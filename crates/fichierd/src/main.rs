//! The program `fichierd`: service and command line.

fn main() {}
