//! Numbers that a person gives in the environment, so that a test runs longer or differently.

/// The number in this variable, if it is set. Panics if it is set to something else.
#[track_caller]
pub fn setting(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("`{variable}` is not a number: `{text}`")))
}
