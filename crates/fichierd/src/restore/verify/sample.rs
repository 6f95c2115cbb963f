//! The files that are verified: all, or some at random.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::str::FromStr;

use fichier_api::{FileUrl, Fingerprint, Whirlpool};
use fichier_state::{Cipher, Mirror, RelPath, Store, object_bytes};

use crate::restore::Selection;

/// How much of a mirror is verified.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Share {
    /// Everything.
    Full,
    /// A percentage of the files, at least one file; above 0, at most 100.
    Percent(f64),
}

/// The contents to download.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Each content once.
    pub contents: Vec<Wanted>,
    /// The number of files that have them.
    pub files: u64,
    /// The bytes of these files.
    pub bytes: u64,
}

/// One content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The path of a file that has it.
    pub path: RelPath,
    /// The link of that file.
    pub url: FileUrl,
    /// Its recorded size.
    pub size_bytes: u64,
    /// The recorded fingerprint of its plain bytes.
    pub fingerprint: Fingerprint,
    /// How it is enciphered.
    pub cipher: Option<Cipher>,
    /// The recorded hash of the bytes stored.
    pub whirlpool: Whirlpool,
    /// The number of chosen files that have it.
    pub files: u64,
    /// Whether the service has told the hash: the download is the proof of one that it has not, and
    /// such a file is downloaded itself, whatever other files have its content.
    pub is_confirmed: bool,
}

impl Sample {
    /// Chooses among the current files of a mirror that `selection` wants. Every file is as
    /// likely as another.
    ///
    /// # Errors
    ///
    /// Errors of the state file.
    pub fn choose(
        store: &Store,
        mirror: &Mirror,
        selection: &Selection,
        share: Share,
    ) -> Result<Sample, fichier_state::Error> {
        let mut left = 0_u64;
        each_file(store, mirror, selection, |_| left += 1)?;
        let mut needed = share.of(left);
        let mut sample = Sample::default();
        let mut known: HashMap<(u64, Whirlpool), usize> = HashMap::new();
        each_file(store, mirror, selection, |file| {
            // So many of those that are left: each choice of files is as likely as another.
            let take = fastrand::u64(..left.max(1)) < needed;
            left = left.saturating_sub(1);
            if !take {
                return;
            }
            needed -= 1;
            sample.files += 1;
            sample.bytes += file.size_bytes;
            match known.get(&(file.size_bytes, file.whirlpool)) {
                Some(at) if file.is_confirmed => sample.contents[*at].files += 1,
                Some(_) | None => {
                    known.insert((file.size_bytes, file.whirlpool), sample.contents.len());
                    sample.contents.push(file);
                }
            }
        })?;
        Ok(sample)
    }

    /// Bytes to download.
    pub fn download_bytes(&self) -> u64 {
        self.contents.iter().map(Wanted::stored_bytes).sum()
    }
}

impl Wanted {
    /// The number of bytes stored.
    pub fn stored_bytes(&self) -> u64 {
        object_bytes(self.size_bytes, self.cipher.as_ref())
    }
}

fn each_file(
    store: &Store,
    mirror: &Mirror,
    selection: &Selection,
    mut show: impl FnMut(Wanted),
) -> Result<(), fichier_state::Error> {
    store.entries_below(mirror.root, |path, entry| {
        if let Some(copy) = entry.remote()
            && !entry.unmanaged
            && selection.wants(&path, false)
        {
            show(Wanted {
                path,
                url: copy.url.clone(),
                size_bytes: entry.stamp.size_bytes,
                fingerprint: copy.fingerprint,
                cipher: copy.cipher,
                whirlpool: copy.whirlpool,
                files: 1,
                is_confirmed: copy.is_confirmed(),
            });
        }
        ControlFlow::Continue(())
    })
}

impl Share {
    fn of(self, files: u64) -> u64 {
        match self {
            Share::Full => files,
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a share of a count of files"
            )]
            Share::Percent(percent) => {
                ((files as f64 * percent / 100.0).ceil() as u64).clamp(files.min(1), files)
            }
        }
    }
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Share, String> {
        let number = text.strip_suffix('%').unwrap_or(text).trim().parse::<f64>();
        match number {
            Ok(percent) if percent > 0.0 && percent <= 100.0 => Ok(Share::Percent(percent)),
            Ok(_) | Err(_) => Err(format!("`{text}` is not a share such as 5%")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_at_least_one_file_and_at_most_all() {
        let of = |text: &str, files| text.parse::<Share>().unwrap().of(files);
        assert_eq!([of("5%", 0), of("5%", 1), of("5%", 100), of("0.1%", 7)], [0, 1, 5, 1]);
        assert_eq!([of("100", 7), Share::Full.of(9)], [7, 9]);
        for bad in ["0%", "101%", "-1", "half", "", "NaN"] {
            assert!(bad.parse::<Share>().is_err(), "{bad}");
        }
    }
}
