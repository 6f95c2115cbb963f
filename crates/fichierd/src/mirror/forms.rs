//! The form in which a mirror's files are stored: as it is configured, and as it is on record.
//!
//! Invariant: nothing is sent or renamed while the two differ and files are stored. A wrong password
//! is found here, before the first call; a change of the form waits for a person, who is told its
//! price.

use std::sync::Arc;

use fichier_state::{Mirror, Records, Writing};

use crate::base::{Crypt, Form, RecordedForm};
use crate::config::MirrorConfig;
use crate::mirror::ends::OpenError;
use crate::mirror::held::Held;
use crate::remote::execute::BANDWIDTH;
use crate::remote::{TargetRefused, rename_folders};
use crate::upkeep::former;

/// The form that the configuration asks for. Reads the passwords, and derives the keys from them,
/// which takes some 30 ms.
pub(crate) fn configured(config: &MirrorConfig) -> Result<Form, OpenError> {
    let Some(encrypt) = &config.encrypt else { return Ok(Form::Plain) };
    let mirror = config.name.clone();
    let keys = encrypt.keys().map_err(|source| OpenError::Password { mirror, source })?;
    let crypt = Crypt::new(keys, encrypt.scheme.clone()).map_err(OpenError::NoRandom)?;
    Ok(Form::Crypt(Arc::new(crypt)))
}

/// Why the mirror cannot be worked on in this form; `None` if it can.
pub(super) fn undecided(
    records: &Records,
    row: &Mirror,
    form: &Form,
) -> fichier_state::Result<Option<TargetRefused>> {
    let wanted = form.recorded();
    let was = RecordedForm::of(row);
    if wanted == was || !has_files(records, row)? {
        return Ok(None);
    }
    if let (Some(was), Some(wanted)) = (&was, &wanted)
        && was.names == wanted.names
        && was.detail == wanted.detail
    {
        return Ok(Some(TargetRefused::OtherPassword { wanted: Box::new(wanted.clone()) }));
    }
    let totals = records.totals(row.id)?;
    Ok(Some(TargetRefused::OtherForm {
        from: described(was.as_ref()),
        to: described(wanted.as_ref()),
        files: totals.files,
        bytes: totals.bytes,
        seconds: BANDWIDTH.read(records)?.map(|per_second| totals.bytes / per_second.max(1)),
        wanted: wanted.map(Box::new),
    }))
}

/// Whether this form of the mirror is the one on record.
pub(super) fn is_recorded(row: &Mirror, form: &Form) -> bool {
    RecordedForm::of(row) == form.recorded()
}

/// Records the form of a mirror of which nothing is stored yet, or for which it was approved.
pub(crate) fn record(w: &mut Writing<'_>, row: &Mirror, form: &Form) -> fichier_state::Result<()> {
    let form = form.recorded();
    if RecordedForm::of(row) == form {
        return Ok(());
    }
    keep(w, row, form.as_ref())
}

/// Lets a mirror that waits for that go over to another form: its files are sent again in it, one
/// after the other. Returns what was done, `Err` if it is not approved; `None` if the mirror does not
/// wait for that.
///
/// # Errors
///
/// The state file's.
pub fn approve_form(
    w: &mut Writing<'_>,
    row: &Mirror,
    held: &Held,
    encrypt_again: bool,
) -> fichier_state::Result<Option<Result<String, ()>>> {
    let wanted = match held {
        Held::Target(TargetRefused::OtherPassword { wanted }) => Some(&**wanted),
        Held::Target(TargetRefused::OtherForm { wanted, .. }) => wanted.as_deref(),
        // Only the configuration can be corrected.
        Held::Target(TargetRefused::Encrypted) => return Ok(Some(Err(()))),
        Held::Target(_) | Held::Removals(_) | Held::Source { .. } => return Ok(None),
    };
    if !encrypt_again {
        return Ok(Some(Err(())));
    }
    keep(w, row, wanted)?;
    former::form_changes(w, row.id)?;
    rename_folders::have_other_names(w, row.id)?;
    let how = if wanted.is_some() { "encrypted" } else { "as they are" };
    Ok(Some(Ok(format!("approved; all files are sent again, {how}"))))
}

fn keep(
    w: &mut Writing<'_>,
    row: &Mirror,
    form: Option<&RecordedForm>,
) -> fichier_state::Result<()> {
    let form = form.and_then(|form| serde_json::to_string(form).ok());
    w.update_mirror(&Mirror { form, held: None, ..row.clone() })
}

/// Whether files of the mirror are on the service, or on their way.
fn has_files(records: &Records, row: &Mirror) -> fichier_state::Result<bool> {
    let totals = records.totals(row.id)?;
    Ok(totals.files + totals.unmanaged_files > 0
        || records.version_totals(row.id)?.0 > 0
        || !records.uploads(row.id)?.is_empty())
}

fn described(form: Option<&RecordedForm>) -> String {
    match form {
        None => "as they are".to_owned(),
        Some(form) if form.names == "off" => {
            format!("encrypted, with plain names and the suffix `{}`", form.detail)
        }
        Some(form) => format!("encrypted, with names in {}", form.detail),
    }
}
