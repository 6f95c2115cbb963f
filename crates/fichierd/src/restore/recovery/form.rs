//! The form of the mirror that is recovered: by the password that was given, and by what lies in its
//! target.

use std::sync::Arc;

use fichier_api::FolderListing;
use rclone_formats::crypt::Keys;
use rclone_formats::crypt::names::{Encoding, NameScheme};

use super::find::FoundTarget;
use super::{Order, RecoverError};
use crate::base::{Crypt, Form};
use crate::remote::{TargetRefused, marker};

/// The form, found without a call.
///
/// # Errors
///
/// [`RecoverError::Encrypted`] and [`RecoverError::OtherPassword`].
pub(super) fn of(order: &Order, place: &FoundTarget) -> Result<Form, RecoverError> {
    let form = match &order.keys {
        None => Form::Plain,
        Some(keys) => with(keys, scheme(order, keys, place)?)?,
    };
    let Some(own) = &place.own else { return Ok(form) };
    match marker::check(own, &form) {
        Ok(()) => Ok(form),
        Err(TargetRefused::Encrypted) => Err(RecoverError::Encrypted(order.target.clone())),
        Err(_) => Err(RecoverError::OtherPassword(order.target.clone())),
    }
}

/// How names are kept: as configured, or so that the names of snapshots can be read.
fn scheme(order: &Order, keys: &Keys, place: &FoundTarget) -> Result<NameScheme, RecoverError> {
    if let Some(scheme) = &order.scheme {
        return Ok(scheme.clone());
    }
    let encodings = [Encoding::Base32, Encoding::Base64, Encoding::Base32768];
    let standard = encodings.map(|encoding| NameScheme::Standard { encoding, folders: true });
    let suffixes = [".bin", ""].map(|suffix| NameScheme::Off { suffix: suffix.to_owned() });
    for scheme in standard.into_iter().chain(suffixes) {
        let form = with(keys, scheme.clone())?;
        if place.state.as_ref().is_some_and(|state| can_read(&form, state)) {
            return Ok(scheme);
        }
    }
    Ok(NameScheme::default())
}

fn can_read(form: &Form, snapshots: &FolderListing) -> bool {
    let is_read = |name: Vec<u8>| name.ends_with(b".zst");
    snapshots.files.iter().any(|file| form.local_file_name(&file.name).is_some_and(is_read))
}

fn with(keys: &Keys, scheme: NameScheme) -> Result<Form, RecoverError> {
    let crypt = Crypt::new(keys.clone(), scheme).map_err(RecoverError::NoRandom)?;
    Ok(Form::Crypt(Arc::new(crypt)))
}
