//! File links: the service knows a file by its link, and anybody can fetch the file with it.
//!
//! A link stays the same when its file is renamed or moved; a copy or a new upload has a new one
//! (docs/api-notes.md, A.7). It is therefore the identity of a remote file. It is also a
//! capability: anybody who has it can download the file. So `Debug` hides it, there is no
//! `Display`, and no error of this crate contains one.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

/// Characters of a file's id: 5 to 20, as far as is known; longer ones are taken too
/// (docs/api-notes.md, A.7, H.2).
const FILE_ID_CHARS: std::ops::RangeInclusive<usize> = 5..=64;

/// The link of one file, `https://<domain>/?<id>`.
///
/// The domain is part of the identity: a file sent to another domain of the service is valid
/// there only (docs/api-notes.md, A.7).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct FileUrl(String);

/// The text is not a file link. It is not repeated here: it may be nearly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a file link of the form https://1fichier.com/?<id>")]
pub struct InvalidFileUrl;

impl FileUrl {
    /// Reads a link in any form the service hands out.
    ///
    /// Suffixes such as `&af=…` or `&lg=en` are dropped, and the old form
    /// `https://<id>.1fichier.com/` becomes the new one, so that equal files have equal links.
    ///
    /// # Errors
    ///
    /// [`InvalidFileUrl`] for anything else.
    ///
    /// ```
    /// use fichier_api::FileUrl;
    ///
    /// let link = FileUrl::parse("https://1fichier.com/?2zk52quqlm0cbjr93ri5&af=62")?;
    /// assert_eq!(link.as_str(), "https://1fichier.com/?2zk52quqlm0cbjr93ri5");
    /// assert_eq!(link.id(), "2zk52quqlm0cbjr93ri5");
    /// # Ok::<(), fichier_api::InvalidFileUrl>(())
    /// ```
    pub fn parse(text: &str) -> Result<FileUrl, InvalidFileUrl> {
        let text = text.trim();
        let (scheme, rest) = text.split_once("://").ok_or(InvalidFileUrl)?;
        if !["https", "http"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
            return Err(InvalidFileUrl);
        }
        let (host, path) = split_host(rest);
        let host = host.to_ascii_lowercase();
        let host = host.strip_suffix(":443").unwrap_or(&host).to_owned();
        let query = path.strip_prefix('/').unwrap_or(path);
        let (domain, id) = match query.strip_prefix('?') {
            Some(query) => (host.as_str(), query.split('&').next().unwrap_or(query)),
            None if query.is_empty() => old_form(&host).ok_or(InvalidFileUrl)?,
            None => return Err(InvalidFileUrl),
        };
        if !is_domain(domain) || !is_file_id(id) {
            return Err(InvalidFileUrl);
        }
        Ok(FileUrl(format!("https://{domain}/?{id}")))
    }

    /// The whole link.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part after the question mark: letters and digits.
    pub fn id(&self) -> &str {
        self.0.rsplit('?').next().unwrap_or(&self.0)
    }
}

impl fmt::Debug for FileUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FileUrl(…)")
    }
}

impl<'de> Deserialize<'de> for FileUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<FileUrl, D::Error> {
        FileUrl::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// The code that removes a file that belongs to no account.
///
/// It comes with the result of an anonymous upload only (docs/api-notes.md, C.7).
#[derive(Clone, PartialEq, Eq)]
pub struct RemovalCode(String);

impl RemovalCode {
    /// Takes the code out of a removal link, `https://<domain>/remove/<id>/<code>`.
    pub(crate) fn from_removal_link(link: &str) -> Option<RemovalCode> {
        let (_, rest) = link.split_once("/remove/")?;
        let (id, code) = rest.split_once('/')?;
        let valid = is_file_id(id) && !code.is_empty() && code.bytes().all(is_alphanumeric);
        valid.then(|| RemovalCode(code.to_owned()))
    }

    /// The code as the service wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for RemovalCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RemovalCode(…)")
    }
}

fn split_host(rest: &str) -> (&str, &str) {
    rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()))
}

/// `<id>.1fichier.com` without path or query.
fn old_form(host: &str) -> Option<(&str, &str)> {
    host.split_once('.').filter(|(_, domain)| *domain == "1fichier.com").map(|(id, d)| (d, id))
}

fn is_domain(domain: &str) -> bool {
    let of_a_host = |byte: u8| is_alphanumeric(byte) || matches!(byte, b'.' | b'-' | b':');
    domain.bytes().next().is_some_and(is_alphanumeric) && domain.bytes().all(of_a_host)
}

fn is_file_id(id: &str) -> bool {
    FILE_ID_CHARS.contains(&id.len()) && id.bytes().all(is_alphanumeric)
}

fn is_alphanumeric(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_link_is_read_as_the_same_link() {
        for text in [
            "https://1fichier.com/?2zk52quqlm0cbjr93ri5",
            " http://1fichier.com/?2zk52quqlm0cbjr93ri5\n",
            "https://1Fichier.com?2zk52quqlm0cbjr93ri5&af=62&lg=en",
            "https://2zk52quqlm0cbjr93ri5.1fichier.com/",
            "HTTPS://1fichier.com:443/?2zk52quqlm0cbjr93ri5",
        ] {
            let link = FileUrl::parse(text).unwrap();
            assert_eq!(link.as_str(), "https://1fichier.com/?2zk52quqlm0cbjr93ri5", "{text}");
        }
    }

    #[test]
    fn the_domain_is_kept() {
        let link = FileUrl::parse("https://tenvoi.com/?abcde12345").unwrap();
        assert_eq!(link.as_str(), "https://tenvoi.com/?abcde12345");
    }

    #[test]
    fn what_is_not_a_file_link_is_refused() {
        for text in [
            "",
            "1fichier.com/?abcde12345",
            "ftp://1fichier.com/?abcde12345",
            "https://1fichier.com/?abcd",
            "https://1fichier.com/?abc/e12345",
            "https://1fichier.com/dir/abcde12345",
            "https://a b/?abcde12345",
            "https://a-4.1fichier.com/p1058755667",
            "https://www.1fichier.com/",
        ] {
            assert_eq!(FileUrl::parse(text), Err(InvalidFileUrl), "{text}");
        }
    }

    #[test]
    fn stored_links_are_checked_when_they_are_read_back() {
        let link: FileUrl = serde_json::from_str("\"https://1fichier.com/?abcde12345&x\"").unwrap();
        assert_eq!(serde_json::to_string(&link).unwrap(), "\"https://1fichier.com/?abcde12345\"");
        let refused = serde_json::from_str::<FileUrl>("\"https://evil\"").unwrap_err();
        assert!(refused.to_string().starts_with("not a file link"), "{refused}");
    }

    #[test]
    fn debug_output_shows_neither_link_nor_code() {
        let link = FileUrl::parse("https://1fichier.com/?abcde12345").unwrap();
        let code = RemovalCode::from_removal_link("https://1fichier.com/remove/abcde12345/AbC1");
        assert_eq!(format!("{link:?} {code:?}"), "FileUrl(…) Some(RemovalCode(…))");
        assert_eq!(code.unwrap().as_str(), "AbC1");
    }
}
