//! How many removals within a day are allowed, as configured.

/// Removals within 24 hours that need no decision of a person; more are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxRemovals {
    /// A share of the files that the mirror had 24 hours ago, in percent.
    Percent(u8),
    /// A number of files.
    Files(u64),
}
