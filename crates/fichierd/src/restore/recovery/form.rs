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

/// The order with the form that the target tells. Makes no call.
///
/// # Errors
///
/// [`RecoverError::Encrypted`] and [`RecoverError::OtherPassword`].
pub(super) fn told(order: &Order, place: &FoundTarget) -> Result<Order, RecoverError> {
    if let Some(own) = &place.own {
        let target = || order.target.clone();
        marker::check(own, &order.form).map_err(|refused| {
            if matches!(refused, TargetRefused::Encrypted) {
                RecoverError::Encrypted(target())
            } else {
                RecoverError::OtherPassword(target())
            }
        })?;
    }
    let form = match order.form.crypt() {
        Some(crypt) if order.finds_scheme => with_scheme(crypt.keys(), place)?,
        Some(_) | None => order.form.clone(),
    };
    Ok(Order { form, ..order.clone() })
}

/// The form in which the names of snapshots can be read; that of rclone's defaults, if none can be.
fn with_scheme(keys: &Keys, place: &FoundTarget) -> Result<Form, RecoverError> {
    let encodings = [Encoding::Base32, Encoding::Base64, Encoding::Base32768];
    let standard = encodings.map(|encoding| NameScheme::Standard { encoding, folders: true });
    let suffixes = [".bin", ""].map(|suffix| NameScheme::Off { suffix: suffix.to_owned() });
    for scheme in standard.into_iter().chain(suffixes) {
        let form = with(keys, scheme)?;
        if place.state.as_ref().is_some_and(|state| can_read(&form, state)) {
            return Ok(form);
        }
    }
    with(keys, NameScheme::default())
}

fn can_read(form: &Form, snapshots: &FolderListing) -> bool {
    let is_read = |name: Vec<u8>| name.ends_with(b".zst");
    snapshots.files.iter().any(|file| form.local_file_name(&file.name).is_some_and(is_read))
}

fn with(keys: &Keys, scheme: NameScheme) -> Result<Form, RecoverError> {
    let crypt = Crypt::new(keys.clone(), scheme).map_err(RecoverError::NoRandom)?;
    Ok(Form::Crypt(Arc::new(crypt)))
}
