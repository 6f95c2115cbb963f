//! The process dies, the disk is another one, or records and service disagree since others were at
//! work or the records are old: the next cycles finish what was begun and believe no stale record.

mod drift;
mod exchanged;
mod fence;
mod recover;
mod staged;
