//! The watched folders: looked at, listened to, read, and never written (I5).
//!
//! May be used by `plan` and what stands above it; uses `base` and `config`. Names neither the
//! client of the service nor the state: what is found here is a value, compared elsewhere.

pub(crate) mod at;
pub mod dirty;
mod disks;
pub mod enciphered;
pub mod filter;
pub mod hash;
pub mod holes;
pub mod length;
mod mounts;
pub mod root;
pub mod scan;
pub mod seen;
pub(crate) mod trusted;
pub mod watch;

pub use self::dirty::{DirtyQueue, Due};
pub use self::disks::{DiskModel, Disks, Opened};
pub use self::enciphered::Enciphered;
pub use self::filter::{Filter, FilterError, FilterVerdict, FolderFilter, Origin};
pub use self::hash::Hashed;
pub use self::length::{Length, WRONG_LENGTH_HINT, WrongLength};
pub use self::mounts::MountTable;
pub use self::root::{OnRecord, RootIdentity, RootTrouble};
pub use self::scan::{FolderScan, Notice, Scanner, Trouble};
pub use self::seen::{Seen, SeenKind};
pub use self::trusted::{Distrust, UntrustedLink};
pub use self::watch::{MountWatch, Watch, WatchMode};
