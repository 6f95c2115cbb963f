//! Checks the passwords of an encrypted mirror: they can be read, and are what they should be.

use fichier_state::Store;

use super::Finding;
use super::machine::file_remedy;
use crate::base::Crypt;
use crate::base::form::id_of;
use crate::config::{
    Config, Doubt, EncryptConfig, MirrorConfig, SecretCause, SecretError, Secrets,
};
use crate::daemon::health;

const ABOUT: &str = "encryption";

/// Reads the passwords of a mirror. Also returns how its names are enciphered, if they could be
/// read.
pub(super) fn look(config: &Config, mirror: &MirrorConfig) -> (Vec<Finding>, Option<Crypt>) {
    let Some(encrypt) = &mirror.encrypt else { return (Vec::new(), None) };
    let head = format!("mirror {}: ", mirror.name);
    let read = encrypt.secrets().and_then(|secrets| Ok((secrets.keys()?, secrets)));
    let (keys, secrets) = match read {
        Ok(read) => read,
        Err(error) => return (vec![unreadable(&head, &error)], None),
    };
    let mut findings = vec![Finding::good(ABOUT, head.clone() + &readable(encrypt))];
    findings.extend(doubts(&head, &secrets));
    let store = Store::open_read_only(&config.state_dir).ok();
    let kept = store.and_then(|store| health::kept(&store, &mirror.name).ok().flatten());
    if kept != Some(id_of(&keys)) {
        findings.push(Finding::warning(
            "recovery_sheet",
            format!(
                "{head}nobody has confirmed that its password is kept in another place, without \
                 which nothing can be restored"
            ),
            "fichierd recovery-sheet --with-secrets; keep it apart from this machine, then: \
             fichierd recovery-sheet --confirm",
        ));
    }
    // Without random numbers nothing is sent; the names can be counted another time.
    (findings, Crypt::new(keys, encrypt.scheme.clone()).ok())
}

fn readable(encrypt: &EncryptConfig) -> String {
    match &encrypt.salt {
        None => format!("encrypted; password: {}", encrypt.password),
        Some(salt) => format!("encrypted; password: {}, salt: {salt}", encrypt.password),
    }
}

fn unreadable(head: &str, SecretError { key, cause }: &SecretError) -> Finding {
    let write = "write it into that file, readable by its owner alone";
    let remedy = match cause {
        SecretCause::File(error) => file_remedy(error, write),
        SecretCause::NoCredential { name, beside } => format!(
            "write it into {}, readable by its owner alone, and hand it to the unit with \
             LoadCredential={name}:{}: systemctl edit fichierd",
            beside.display(),
            beside.display()
        ),
        SecretCause::Command(_) => {
            "run the command by hand, as the user of the service, and correct it".to_owned()
        }
        SecretCause::Empty { .. } => "write it there: one line, nothing else".to_owned(),
        SecretCause::Keys(_) => "free memory, and check again".to_owned(),
    };
    Finding::error(ABOUT, format!("{head}{key}: {}", cause.what()), remedy)
}

fn doubts(head: &str, secrets: &Secrets) -> Vec<Finding> {
    let finding = |(key, doubt)| match doubt {
        Doubt::Obscured => Finding::warning(
            ABOUT,
            format!("{head}{key}: this looks like an obscured password of rclone.conf"),
            "write the plain one, which `rclone reveal` prints; if it is the plain one, all is well",
        ),
        Doubt::Blanks => Finding::warning(
            ABOUT,
            format!("{head}{key}: it begins or ends with a blank, or has several lines"),
            "if that is a mistake, remove them: each character counts, and only one line end at \
             the end is left out",
        ),
    };
    secrets.doubts().into_iter().map(finding).collect()
}
