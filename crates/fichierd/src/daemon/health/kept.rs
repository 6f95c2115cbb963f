//! Whether somebody has said that the password of an encrypted mirror is kept in another place.
//!
//! Without it nobody can read what is on the service, and a password that lies on this machine alone
//! burns with it. So `status` asks until `fichierd recovery-sheet --confirm` was given, and again
//! when the password is another one.

use fichier_state::{KeysId, Mirror, Records, Result, Store, Writing};

use crate::base::{Fact, RecordedForm};
use crate::config::MirrorConfig;
use crate::remote::cut_names::cut_names;
use crate::status::EncryptionStatus;
use crate::upkeep::former::former;

/// The answer to a person who has said so.
pub const KEPT: &str = "MIRROR: recorded that its password is kept in another place";

/// Records that the password of these keys is kept in another place.
///
/// # Errors
///
/// Those of the state file.
pub fn keep(w: &mut Writing<'_>, mirror: &str, keys: KeysId) -> Result<()> {
    fact(mirror).keep(w, &keys)
}

/// The keys whose password is kept in another place; `None` if nobody has said so of any.
///
/// # Errors
///
/// Those of the state file.
pub fn kept(records: &Records, mirror: &str) -> Result<Option<KeysId>> {
    fact(mirror).read(records)
}

/// What the status tells of the encryption of a mirror; `None` if it is not encrypted. The keys
/// that are in use are those on record, since reading the password may take a while.
pub(super) fn encryption(
    store: &Store,
    config: &MirrorConfig,
    row: Option<&Mirror>,
) -> Result<Option<EncryptionStatus>> {
    if config.encrypt.is_none() {
        return Ok(None);
    }
    let form = row.and_then(RecordedForm::of);
    let former = row.map(|row| former(store, row)).transpose()?.flatten();
    let kept = kept(store, &config.name)?;
    let is_same = |kept| form.is_none_or(|form| form.keys == kept);
    let password_kept = kept.is_some_and(is_same);
    let cut_names = row.map(|row| cut_names(store, row.id)).transpose()?.unwrap_or_default();
    Ok(Some(EncryptionStatus { password_kept, former, cut_names }))
}

fn fact(mirror: &str) -> Fact<KeysId> {
    Fact::about(format!("keys of mirror {mirror} that are kept in another place"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{EncryptConfig, SecretSource};

    #[test]
    fn another_password_is_asked_about_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(dir.path()).unwrap();
        let mut config = MirrorConfig::new("photos", "/srv/photos", "/photos");
        let asked = |store: &Store, config: &MirrorConfig, row: Option<&Mirror>| {
            encryption(store, config, row).unwrap().map(|it| it.password_kept)
        };
        assert_eq!(asked(&store, &config, None), None, "not encrypted");
        let password = SecretSource::File("/etc/fichierd/photos.password".into());
        let scheme = Default::default();
        config.encrypt = Some(EncryptConfig { password, salt: None, scheme });
        assert_eq!(asked(&store, &config, None), Some(false));
        let keys = KeysId([7; 8]);
        store.write(|w| keep(w, "photos", keys)).unwrap();
        assert_eq!(asked(&store, &config, None), Some(true), "no keys are on record yet");
        let row = |store: &mut Store, keys: KeysId| {
            let (names, detail) = ("standard".to_owned(), "base32".to_owned());
            let form = RecordedForm { keys, names, detail };
            let form = Some(serde_json::to_string(&form).unwrap());
            let source = Path::new("/srv/photos");
            store.write(|w| Ok(Mirror { form, ..w.add_mirror("photos", source, "/photos")? }))
        };
        let same = row(&mut store, keys).unwrap();
        assert_eq!(asked(&store, &config, Some(&same)), Some(true));
        let form = same.form.as_deref().map(|form| form.replace("[7,", "[8,"));
        let other = Mirror { form, ..same };
        assert_eq!(asked(&store, &config, Some(&other)), Some(false));
        let other_name = MirrorConfig { name: "music".to_owned(), ..config };
        assert_eq!(asked(&store, &other_name, None), Some(false));
    }
}
