//! Recognises an enciphered file that is on the service and on no record: rclone wrote it, or the
//! records were lost.
//!
//! The nonce in its header tells how the local file would look if it were that one. If the hash is the
//! same then, the file is, and is taken on record without a byte sent. If not, the local one is sent.
//!
//! Invariant: a file is sent after [`MOST_TRIES`] at the latest, whatever the download servers do.

use fichier_api::{ErrorKind, FileUrl, Whirlpool};
use fichier_state::{Cipher, ForeignFile};
use rclone_formats::crypt::Nonce;
use rclone_formats::crypt::size::HEADER_BYTES;

use crate::base::Crypt;
use crate::base::state::blocking;
use crate::base::words::chain;
use crate::disk::Hashed;
use crate::disk::hash::hash_enciphered;
use crate::plan::Placement;
use crate::plan::gather::read;
use crate::remote::error::{RemoteError, stops_everything};
use crate::remote::execute::{Executor, Sending};

/// How often a header is asked for that does not come; then the file is sent.
const MOST_TRIES: u32 = 3;

const NO_HEADER_HINT: &str = "it is tried again by itself, and sent if that does not help";

impl Executor {
    /// Takes `file` on record if it is the file of `place`, which is sent otherwise. Costs one call,
    /// and none after a download server could not be reached.
    pub(super) async fn recognise(
        &self,
        place: Placement,
        file: ForeignFile,
        sending: &mut Sending,
    ) -> Result<(), RemoteError> {
        let form = self.remote.form.crypt().zip(file.whirlpool);
        let tries = self.remote.state.read(|s| s.tries(self.remote.mirror, &place.path))?;
        let Some((crypt, whirlpool)) = form.filter(|_| tries < MOST_TRIES) else {
            sending.unrecognised.push(place);
            return Ok(());
        };
        if let Some(why) = &sending.unreachable {
            return self.remote.further_problem(&place.path, &no_header(why), NO_HEADER_HINT);
        }
        let header = self.header(&file.url, &mut sending.unreachable).await?;
        if let Some(why) = &sending.unreachable {
            return self.remote.problem(&place.path, &no_header(why), NO_HEADER_HINT);
        }
        let cipher = header.map(|nonce| crypt.cipher(nonce));
        let same =
            cipher.and_then(|cipher| blocking(|| self.same(&place, crypt, &cipher, whirlpool)));
        match same {
            Some(hashed) => {
                let place = Placement { fingerprint: Some(hashed.fingerprint), ..place };
                self.adopt(&place, file, cipher).await
            }
            None => {
                sending.unrecognised.push(place);
                Ok(())
            }
        }
    }

    /// The nonce in the header of a file; `None` if it has no header, or none is given.
    async fn header(
        &self,
        url: &FileUrl,
        unreachable: &mut Option<String>,
    ) -> Result<Option<Nonce>, RemoteError> {
        match self.remote.client.download_start(url, HEADER_BYTES).await {
            Ok(header) => Ok(Nonce::from_header(&header).ok()),
            Err(error) if matches!(error.kind, ErrorKind::Unreachable(_)) => {
                *unreachable = Some(chain(&error));
                Ok(None)
            }
            Err(error) if stops_everything(&error) => Err(error.into()),
            Err(_) => Ok(None),
        }
    }

    /// The local file, if it becomes the object with this hash. One that cannot be read is not the
    /// same: when it is sent, that is told.
    fn same(
        &self,
        place: &Placement,
        crypt: &Crypt,
        cipher: &Cipher,
        whirlpool: Whirlpool,
    ) -> Option<Hashed> {
        let encryptor = crypt.encryptor(cipher);
        let enciphered = |file| hash_enciphered(file, encryptor);
        let hashed = read(&self.source.scanner, &place.path, &place.seen, enciphered).ok()?;
        (hashed.whirlpool == Some(whirlpool)).then_some(hashed)
    }
}

fn no_header(why: &str) -> String {
    format!("it could not be compared with what is on 1fichier: {why}")
}
