//! `fichierd recovery-sheet --confirm`: a person says that the passwords are kept elsewhere.

use fichier_state::{KeysId, Store};

use super::super::{output, service};
use super::encrypted::secrets;
use crate::base::Exit;
use crate::base::form::id_of;
use crate::config::Config;
use crate::daemon::control::Request;
use crate::daemon::health;

/// Records it of each encrypted mirror, for the password that it has now. All passwords are read
/// before anything is recorded.
pub(super) async fn run(config: &Config) -> anyhow::Result<Exit> {
    let mut all: Vec<(&str, KeysId)> = Vec::new();
    for mirror in &config.mirrors {
        if let Some(encrypt) = &mirror.encrypt {
            all.push((&mirror.name, id_of(&secrets(mirror, encrypt)?.keys()?)));
        }
    }
    if all.is_empty() {
        output::line("no mirror is encrypted: there is nothing to confirm")?;
    }
    for (mirror, keys) in all {
        let request = Request::PasswordKept { mirror: mirror.to_owned(), keys };
        if service::forward(config, &request).await?.is_none() {
            let mut store = Store::open(&config.state_dir)?;
            store.write(|w| health::keep(w, mirror, keys))?;
            store.close()?;
            output::line(&health::KEPT.replace("MIRROR", mirror))?;
        }
    }
    Ok(Exit::Done)
}
