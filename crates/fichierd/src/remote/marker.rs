//! The mark of an encrypted target: an empty folder `crypt-<16 digits>` in `.fichierd`, whose digits
//! tell the keys apart.
//!
//! A state that does not know the target, because it was lost, finds a wrong password by it before
//! anything is sent. The digits give away no more than an encrypted name does
//! (`rclone_formats::crypt::Keys::check_value`).

use fichier_api::FolderListing;
use fichier_api::names::RemoteName;
use fichier_state::{KeysId, MirrorId, Records};

use crate::base::{Fact, Form};
use crate::remote::{Remote, RemoteError, SubFolder, TargetRefused};

/// What the name of a mark begins with; the digits of the keys follow.
const MARK: &str = "crypt-";

/// Compares the marks in a listing of `.fichierd` with the form of the mirror.
///
/// # Errors
///
/// [`TargetRefused::OtherPassword`], and [`TargetRefused::Encrypted`] where a plain mirror is
/// configured.
pub(crate) fn check(own: &FolderListing, form: &Form) -> Result<(), TargetRefused> {
    let is_mark = |name: &RemoteName| name.as_str().starts_with(MARK);
    let mut marks = own.folders.iter().map(|folder| &folder.name).filter(|name| is_mark(name));
    let Some(wanted) = form.recorded() else {
        return if marks.next().is_some() { Err(TargetRefused::Encrypted) } else { Ok(()) };
    };
    let ours = name_of(wanted.keys);
    let (mut is_marked, mut is_ours) = (false, false);
    for mark in marks {
        is_marked = true;
        is_ours |= *mark == ours;
    }
    if is_marked && !is_ours {
        Err(TargetRefused::OtherPassword { wanted: Box::new(wanted) })
    } else {
        Ok(())
    }
}

/// The calls for the mark, ahead of uploads.
///
/// # Errors
///
/// Those of the state file.
pub(crate) fn calls_expected(
    records: &Records,
    mirror: MirrorId,
    form: &Form,
) -> fichier_state::Result<u64> {
    Ok(u64::from(!is_known(records, mirror, form)?))
}

impl Remote {
    /// Marks the target with the keys of its mirror, before the first file is sent with them. Costs
    /// a call the first time.
    pub(super) async fn mark_keys(&self) -> Result<(), RemoteError> {
        let Some(keys) = self.form.keys_id() else { return Ok(()) };
        if self.state.read(|s| is_known(s, self.mirror, &self.form))? {
            return Ok(());
        }
        let own = self.own_folder().await?;
        self.sub_folder(own, &name_of(keys)).await.and_then(SubFolder::id)?;
        Ok(self.state.write(|w| marked_with(self.mirror).keep(w, &keys))?)
    }
}

/// Whether the target is on record as marked with the keys of this form; a plain one needs no mark.
fn is_known(records: &Records, mirror: MirrorId, form: &Form) -> fichier_state::Result<bool> {
    let Some(keys) = form.keys_id() else { return Ok(true) };
    Ok(marked_with(mirror).read(records)? == Some(keys))
}

fn name_of(keys: KeysId) -> RemoteName {
    let digits: String = keys.0.iter().map(|byte| format!("{byte:02x}")).collect();
    RemoteName::from_service(format!("{MARK}{digits}"))
}

/// The keys with which the target of a mirror was marked last.
fn marked_with(mirror: MirrorId) -> Fact<KeysId> {
    Fact::about(format!("keys of the target of mirror {}", mirror.0))
}
