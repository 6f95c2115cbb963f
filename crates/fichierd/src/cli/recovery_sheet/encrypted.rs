//! What the sheet has about encrypted mirrors: where their passwords are, and how rclone reads them.
//!
//! An obscured password is not protected: anybody who has the sheet can read it (`rclone reveal`).
//! rclone wants it in this form, and it can be copied without a mistake.

use rclone_formats::conf::obscure;
use rclone_formats::crypt::names::NameScheme;

use super::super::output::{harmless, line};
use crate::config::{EncryptConfig, MirrorConfig, SecretSource, Secrets, Which};

/// An encrypted mirror; its passwords only where they are to be printed.
pub(super) struct Encrypted<'a> {
    mirror: &'a MirrorConfig,
    encrypt: &'a EncryptConfig,
    secrets: Option<Secrets>,
}

impl Encrypted<'_> {
    /// The encrypted ones of these mirrors. Their passwords are read now if they are wanted, all of
    /// them before anything is printed.
    pub(super) fn of(
        mirrors: &[MirrorConfig],
        with_secrets: bool,
    ) -> anyhow::Result<Vec<Encrypted<'_>>> {
        let mut all = Vec::new();
        for mirror in mirrors {
            let Some(encrypt) = &mirror.encrypt else { continue };
            let secrets = if with_secrets { Some(secrets(mirror, encrypt)?) } else { None };
            all.push(Encrypted { mirror, encrypt, secrets });
        }
        Ok(all)
    }

    /// Prints the sections for `rclone.conf`.
    pub(super) fn print(all: &[Encrypted<'_>]) -> anyhow::Result<()> {
        line("")?;
        line("To read the encrypted mirrors with rclone alone, without fichierd, put this into")?;
        line("rclone.conf:")?;
        line("")?;
        line("  [fichier]")?;
        line("  type = fichier")?;
        line("  api_key = the API key")?;
        for it in all {
            line("")?;
            for text in it.section()? {
                line(&format!("  {text}"))?;
            }
        }
        line("")?;
        for it in all {
            line(&format!("  rclone ls {}:", it.name()))?;
        }
        line("")?;
        if all.iter().any(|it| it.secrets.is_none()) {
            line("Each obscured one is printed by this, where FILE holds the plain one:")?;
            line("  rclone obscure - < FILE")?;
            return line("With the passwords in it: fichierd recovery-sheet --with-secrets");
        }
        line("WARNING: THIS SHEET HOLDS PASSWORDS. Obscured is not encrypted: anyone")?;
        line("who has the sheet can read them, and with the API key all files: `rclone reveal`.")
    }

    /// The section for `rclone.conf`.
    fn section(&self) -> anyhow::Result<Vec<String>> {
        let MirrorConfig { target, .. } = self.mirror;
        let mut lines = vec![
            format!("[{}]", self.name()),
            "type = crypt".to_owned(),
            format!("remote = fichier:{}", harmless(target.trim_start_matches('/'))),
        ];
        lines.extend(match &self.encrypt.scheme {
            NameScheme::Standard { encoding, folders } => vec![
                "filename_encryption = standard".to_owned(),
                format!("filename_encoding = {encoding}"),
                format!("directory_name_encryption = {folders}"),
            ],
            NameScheme::Off { suffix } => {
                let suffix = if suffix.is_empty() { "none" } else { suffix.as_str() };
                vec!["filename_encryption = off".to_owned(), format!("suffix = {suffix}")]
            }
        });
        let secrets = self.secrets.as_ref();
        lines.push(format!("password = {}", shown(secrets.map(Secrets::password), "password")?));
        if self.encrypt.salt.is_some() {
            let salt = secrets.and_then(Secrets::salt);
            lines.push(format!("password2 = {}", shown(salt, "salt")?));
        }
        Ok(lines)
    }

    /// The name of its section; rclone takes none that begins with a hyphen.
    fn name(&self) -> String {
        format!("{}-crypt", self.mirror.name.trim_start_matches('-'))
    }
}

/// Reads the passwords of a mirror.
pub(super) fn secrets(mirror: &MirrorConfig, encrypt: &EncryptConfig) -> anyhow::Result<Secrets> {
    let of_mirror = |error| anyhow::Error::new(error).context(format!("mirror {}", mirror.name));
    encrypt.secrets().map_err(of_mirror)
}

/// Prints from where the passwords of a mirror are read on this machine.
pub(super) fn print_sources(encrypt: &EncryptConfig) -> anyhow::Result<()> {
    let place = |source: &SecretSource, which| {
        format!("from {} ({})", harmless(&source.to_string()), source.key(which))
    };
    line("  encrypted, in the format of rclone's crypt")?;
    line(&format!("  password  {}", place(&encrypt.password, Which::Password)))?;
    if let Some(salt) = &encrypt.salt {
        line(&format!("  salt  {}", place(salt, Which::Salt)))?;
    }
    Ok(())
}

/// A secret as rclone wants it, or what to put there.
fn shown(secret: Option<&str>, what: &str) -> anyhow::Result<String> {
    let Some(secret) = secret else { return Ok(format!("the {what}, obscured (see below)")) };
    let mut iv = [0; 16];
    getrandom::fill(&mut iv).map_err(|error| anyhow::anyhow!("no random numbers: {error}"))?;
    Ok(obscure(secret.as_bytes(), iv))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rclone_formats::conf::reveal;
    use rclone_formats::crypt::names::Encoding;

    use super::*;

    fn section(scheme: NameScheme, salt: bool, with_secrets: bool) -> String {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, format!("the {name}\n")).unwrap();
            let only_ours = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            std::fs::set_permissions(&path, only_ours).unwrap();
            SecretSource::File(path)
        };
        let encrypt =
            EncryptConfig { password: file("password"), salt: salt.then(|| file("salt")), scheme };
        let mirror = MirrorConfig {
            encrypt: Some(encrypt),
            ..MirrorConfig::new("-photos", Path::new("/srv/photos"), "/backups/web1/photos")
        };
        let all = [mirror];
        let encrypted = Encrypted::of(&all, with_secrets).unwrap();
        encrypted[0].section().unwrap().join("\n")
    }

    #[test]
    fn the_section_is_what_rclone_needs() {
        expect_test::expect![[r#"
            [photos-crypt]
            type = crypt
            remote = fichier:backups/web1/photos
            filename_encryption = standard
            filename_encoding = base64
            directory_name_encryption = true
            password = the password, obscured (see below)
            password2 = the salt, obscured (see below)"#]]
        .assert_eq(&section(
            NameScheme::Standard { encoding: Encoding::Base64, folders: true },
            true,
            false,
        ));
        for (suffix, written) in [("", "none"), (".bin", ".bin")] {
            let text = section(NameScheme::Off { suffix: suffix.to_owned() }, false, false);
            assert!(text.contains(&format!("filename_encryption = off\nsuffix = {written}\n")));
            assert!(!text.contains("password2"), "{text}");
        }
    }

    #[test]
    fn secrets_are_obscured_anew_each_time_and_rclone_can_read_them() {
        let text = section(NameScheme::default(), true, true);
        let conf = format!("{text}\n");
        let conf = rclone_formats::conf::Conf::parse(&conf).unwrap();
        let read = conf.section("photos-crypt").unwrap();
        let read = rclone_formats::conf::CryptSection::read(read).unwrap();
        assert_eq!(read.remote, "fichier:backups/web1/photos");
        assert_eq!((read.password(), read.salt()), (&b"the password"[..], Some(&b"the salt"[..])));
        let value = |text: &str| {
            text.lines().find_map(|it| it.strip_prefix("password = ")).map(str::to_owned)
        };
        let (one, other) = (value(&text), value(&section(NameScheme::default(), true, true)));
        assert_ne!(one, other);
        assert_eq!(*reveal(&other.unwrap()).unwrap(), b"the password");
    }
}
