//! Habits that the service may have where its documentation is silent (docs/api-notes.md, G.1): one
//! type for each question with more answers than yes and no.
//!
//! The first answer of each is the cautious assumption, which [`crate::Rules`] begins with. Every
//! folder but `base`, `faults` and `storage` may use this; it uses none.

mod account;
mod download;
mod net;
mod node;

pub use account::{
    BatchExcess, DotFolders, FolderTaken, FullFolder, LongName, NameTaken, RemoveUnknown,
};
pub use download::{DownloadAddress, DownloadLeads};
pub use net::{Certificate, FloodAnswer, ProxyHabit};
pub use node::{
    AtQuota, BadKeyOnNode, EmptyFile, EndPage, HashLag, NamesChanged, NoHash, NodeRefusal,
    WhileProcessing,
};
