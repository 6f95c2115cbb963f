//! How much may go within a day, as configured.

/// How many removals are ordinary, as configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxRemovals {
    /// A share of the files that the mirror had 24 hours ago, in percent.
    Percent(u8),
    /// A number of files.
    Files(u64),
}
