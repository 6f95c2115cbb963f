//! Tokens: rights to download one file each (docs/api-notes.md, section D).
//!
//! A token must be used within 5 minutes and may resume for 30 more. With `single:1` it is good
//! for one GET.

use std::time::{Duration, Instant};

use crate::rules::Rules;

/// A token that was not used for this long after it was given opens nothing.
const START_WITHIN: Duration = Duration::from_secs(5 * 60);
/// A token opens nothing this long after its first GET.
const RESUME_WITHIN: Duration = Duration::from_secs(30 * 60);

/// The shortest of these times on a clock that runs faster: a machine that is busy for a moment
/// must not lose a token that it has just been given.
const AT_LEAST: Duration = Duration::from_secs(5);

/// A right to download one file.
#[derive(Debug)]
pub(crate) struct Token {
    /// The id in the file's link.
    pub(crate) file: String,
    /// It opens the file for one GET only.
    pub(crate) single: bool,
    /// The file is to be shown and not saved.
    pub(crate) inline: bool,
    /// The bytes are paid with CDN credit.
    pub(crate) cdn: bool,
    pub(crate) given: Instant,
    /// The moment of the first GET.
    pub(crate) used: Option<Instant>,
}

impl Token {
    /// Whether it still opens anything.
    pub(crate) fn is_good(&self, rules: &Rules, now: Instant, sends_body: bool) -> bool {
        match self.used {
            None => now - self.given < rules.real(START_WITHIN).max(AT_LEAST),
            Some(_) if self.single && sends_body => false,
            Some(used) => now - used < rules.real(RESUME_WITHIN).max(AT_LEAST),
        }
    }
}
