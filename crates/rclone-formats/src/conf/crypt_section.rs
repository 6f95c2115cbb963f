//! A section of type `crypt`, with rclone's defaults.

use std::fmt;

use zeroize::Zeroizing;

use crate::conf::{RevealError, Section, reveal};
use crate::crypt::names::{Encoding, NameScheme};
use crate::crypt::{KeyError, Keys};

/// The suffix of files whose names stay plain, where none is given.
const DEFAULT_SUFFIX: &str = ".bin";

/// What a section of type `crypt` says. `Debug` shows no password.
pub struct CryptSection {
    /// Where the encrypted files are: `remote:path`.
    pub remote: String,
    /// How names are kept.
    pub names: NameScheme,
    password: Zeroizing<Vec<u8>>,
    salt: Option<Zeroizing<Vec<u8>>>,
}

/// The section cannot be used. Shows no value that is or might be a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SectionError {
    /// It is of another type, or of none.
    #[error("section `{section}` of the rclone configuration is not of type `crypt`")]
    OtherType {
        /// The name of the section.
        section: String,
    },
    /// A key that it needs is not there or empty.
    #[error("section `{section}` of the rclone configuration has no `{key}`")]
    Missing {
        /// The name of the section.
        section: String,
        /// The key.
        key: &'static str,
    },
    /// A password is not obscured, as rclone wants it.
    #[error("`{key}` in section `{section}` of the rclone configuration: {reason}")]
    NotObscured {
        /// The name of the section.
        section: String,
        /// The key.
        key: &'static str,
        /// What is wrong with it.
        reason: RevealError,
    },
    /// A password came out as something that nobody has typed.
    #[error(
        "`{key}` in section `{section}` of the rclone configuration is not an obscured password \
         (see `rclone obscure`): what comes out is not text"
    )]
    Rubbish {
        /// The name of the section.
        section: String,
        /// The key.
        key: &'static str,
    },
    /// An option has a value that rclone does not know either.
    #[error("`{key}` in section `{section}` of the rclone configuration has an unknown value")]
    UnknownValue {
        /// The name of the section.
        section: String,
        /// The key.
        key: &'static str,
    },
    /// An option has a value that rclone knows and this crate does not support.
    #[error(
        "`{key} = {value}` in section `{section}` of the rclone configuration is not supported: \
         {reason}"
    )]
    NotSupported {
        /// The name of the section.
        section: String,
        /// The key.
        key: &'static str,
        /// The value.
        value: &'static str,
        /// The reason.
        reason: &'static str,
    },
}

impl CryptSection {
    /// Reads a section, and reveals its passwords. Options without an effect on what is stored are
    /// ignored.
    ///
    /// # Errors
    ///
    /// [`SectionError`]
    pub fn read(section: &Section) -> Result<CryptSection, SectionError> {
        let reader = Reader { section };
        if section.get("type") != Some("crypt") {
            return Err(SectionError::OtherType { section: reader.name() });
        }
        if reader.flag("no_data_encryption", false)? {
            let reason = "the contents would not be encrypted";
            return Err(reader.not_supported("no_data_encryption", "true", reason));
        }
        Ok(CryptSection {
            remote: reader.needed("remote")?.to_owned(),
            names: reader.names()?,
            password: reader.password("password", reader.needed("password")?)?,
            salt: match reader.given("password2") {
                Some(salt) => Some(reader.password("password2", salt)?),
                None => None,
            },
        })
    }

    /// Derives the keys.
    ///
    /// # Errors
    ///
    /// [`KeyError`]
    pub fn keys(&self) -> Result<Keys, KeyError> {
        Keys::derive(&self.password, self.salt.as_ref().map(|salt| &salt[..]))
    }

    /// The password, as it was typed.
    pub fn password(&self) -> &[u8] {
        &self.password
    }

    /// The salt (`password2`), as it was typed, if there is one.
    pub fn salt(&self) -> Option<&[u8]> {
        self.salt.as_ref().map(|salt| &salt[..])
    }
}

impl fmt::Debug for CryptSection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CryptSection")
            .field("remote", &self.remote)
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}

/// Reads options, and says which one is wrong.
struct Reader<'a> {
    section: &'a Section,
}

impl<'a> Reader<'a> {
    fn name(&self) -> String {
        self.section.name().to_owned()
    }

    /// The value of a key, unless it is empty.
    fn given(&self, key: &str) -> Option<&'a str> {
        self.section.get(key).filter(|value| !value.is_empty())
    }

    fn needed(&self, key: &'static str) -> Result<&'a str, SectionError> {
        self.given(key).ok_or_else(|| SectionError::Missing { section: self.name(), key })
    }

    fn flag(&self, key: &'static str, default: bool) -> Result<bool, SectionError> {
        match self.given(key) {
            None => Ok(default),
            Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
            Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
            Some(_) => Err(self.unknown(key)),
        }
    }

    fn password(
        &self,
        key: &'static str,
        obscured: &str,
    ) -> Result<Zeroizing<Vec<u8>>, SectionError> {
        let password = reveal(obscured).map_err(|reason| {
            let section = self.name();
            SectionError::NotObscured { section, key, reason }
        })?;
        if str::from_utf8(&password).is_err() {
            return Err(SectionError::Rubbish { section: self.name(), key });
        }
        Ok(password)
    }

    fn names(&self) -> Result<NameScheme, SectionError> {
        let mode = self.given("filename_encryption").unwrap_or("standard").to_ascii_lowercase();
        match mode.as_str() {
            "standard" => Ok(NameScheme::Standard {
                encoding: self.encoding()?,
                folders: self.flag("directory_name_encryption", true)?,
            }),
            "off" => Ok(NameScheme::Off { suffix: self.suffix() }),
            "obfuscate" => Err(self.not_supported(
                "filename_encryption",
                "obfuscate",
                "it does not protect the names",
            )),
            _ => Err(self.unknown("filename_encryption")),
        }
    }

    fn encoding(&self) -> Result<Encoding, SectionError> {
        const KEY: &str = "filename_encoding";
        let Some(name) = self.given(KEY) else { return Ok(Encoding::default()) };
        Encoding::parse(name).ok_or_else(|| self.unknown(KEY))
    }

    /// rclone adds a dot that is missing.
    fn suffix(&self) -> String {
        let suffix = self.given("suffix").unwrap_or(DEFAULT_SUFFIX);
        match suffix {
            none if none.eq_ignore_ascii_case("none") => String::new(),
            dotted if dotted.starts_with('.') => dotted.to_owned(),
            bare => format!(".{bare}"),
        }
    }

    fn unknown(&self, key: &'static str) -> SectionError {
        SectionError::UnknownValue { section: self.name(), key }
    }

    fn not_supported(
        &self,
        key: &'static str,
        value: &'static str,
        reason: &'static str,
    ) -> SectionError {
        SectionError::NotSupported { section: self.name(), key, value, reason }
    }
}
