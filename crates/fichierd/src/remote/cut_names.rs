//! Names of an encrypted mirror that rclone cannot read: enciphered they are longer than 1fichier
//! takes, so they are stored under shorter ones and known by the records alone.
//!
//! They are counted at the end of each look at everything, which reads every name on record; `status`
//! tells the number that was found.

use fichier_state::{MirrorId, Records, Result, Writing};
use rclone_formats::crypt::names::Kind;

use crate::base::{Fact, Form};

/// How many names were cut at the last look at everything.
///
/// # Errors
///
/// The state file's.
pub fn cut_names(records: &Records, mirror: MirrorId) -> Result<u64> {
    Ok(fact(mirror).read(records)?.unwrap_or_default())
}

/// Counts the names that are cut in this form.
pub(crate) fn note(w: &mut Writing<'_>, mirror: MirrorId, form: &Form) -> Result<()> {
    let Some(crypt) = form.crypt() else { return fact(mirror).forget(w) };
    let mut cut = 0;
    w.each_name(mirror, |is_folder, name| {
        let kind = if is_folder { Kind::Folder } else { Kind::File };
        cut += u64::from(crypt.cuts(kind, name));
    })?;
    fact(mirror).keep(w, &cut)
}

fn fact(mirror: MirrorId) -> Fact<u64> {
    Fact::about(format!("names of mirror {} that are cut", mirror.0))
}
