//! [`Records`] for look-ups, and [`Writing`] for the changes of one transaction.
//!
//! Each table adds its look-ups to the one and its changes to the other, in a file of its own in
//! `records`, `past` or `snapshots`.

use std::ops::Deref;

use rusqlite::Connection;

use crate::base::Clock;

/// Everything that can be looked up. Each method is in the file of its table.
#[derive(Debug)]
pub struct Records {
    pub(crate) db: Connection,
}

/// One transaction: all of it is kept, or nothing. It sees what it has written so far.
#[derive(Debug)]
pub struct Writing<'a> {
    records: &'a Records,
    clock: &'a Clock,
    pub(super) has_moment: bool,
}

impl<'a> Writing<'a> {
    /// For a transaction that was begun on `records`.
    pub(super) fn new(records: &'a Records, clock: &'a Clock) -> Writing<'a> {
        Writing { records, clock, has_moment: false }
    }

    /// What time it is; Unix seconds.
    pub fn now_s(&self) -> i64 {
        self.clock.now_s()
    }
}

impl Deref for Writing<'_> {
    type Target = Records;

    fn deref(&self) -> &Records {
        self.records
    }
}
