//! The name of a file or folder on the service, made from a local one and read back.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::names::cut::{must_be_cut, shorten};
use crate::names::table::{decode, encode};

/// The name of a file or folder as the service stores it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RemoteName(String);

impl RemoteName {
    /// The name under which a local file or folder is kept.
    ///
    /// Deterministic. A name whose encoded form has more than
    /// [`MAX_NAME_BYTES`](crate::names::MAX_NAME_BYTES) bytes, or looks
    /// like the outcome, is cut to `<stem>~<32 hexadecimal digits><.ext>`; see
    /// [`RemoteName::is_shortened_from`].
    ///
    /// ```
    /// use fichier_api::names::RemoteName;
    ///
    /// let name = RemoteName::encode(b" what's \"new\"?.txt");
    /// assert_eq!(name.as_str(), "␠what＇s ＂new＂?.txt");
    /// assert_eq!(name.decode(), b" what's \"new\"?.txt");
    /// ```
    pub fn encode(local: &[u8]) -> RemoteName {
        let encoded = encode(local);
        if must_be_cut(&encoded) {
            RemoteName(shorten(&encoded, local))
        } else {
            RemoteName(encoded)
        }
    }

    /// A name that the service reported, whatever it is.
    pub fn from_service(name: String) -> RemoteName {
        RemoteName(name)
    }

    /// The name as the service stores it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The local name. Of names that [`RemoteName::encode`] did not make, the closest reading.
    pub fn decode(&self) -> Vec<u8> {
        decode(&self.0)
    }

    /// Whether this is what `local` was cut to, so that [`RemoteName::decode`] cannot restore it.
    pub fn is_shortened_from(&self, local: &[u8]) -> bool {
        let encoded = encode(local);
        must_be_cut(&encoded) && shorten(&encoded, local) == self.0
    }
}

impl fmt::Display for RemoteName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for RemoteName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
