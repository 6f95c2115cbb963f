//! What fichierd remembers between runs.
