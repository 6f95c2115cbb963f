//! Where one upload goes: a node that the service names, and an id there.

use serde::Deserialize;
use serde_json::json;

use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::pace::Lane;
use crate::transport::{ALSO_BY_GET, ApiAddress};
use crate::upload::node_reply;
use crate::wire::fields;

/// The call, which the transport makes in either way.
const OPEN: &str = ALSO_BY_GET;

/// Where one upload goes. Good for one [`Client::send_files`], then for asking its result.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UploadSlot {
    /// About ten letters and digits.
    pub id: String,
    /// The host of the node, and its port if that is not the usual one. The result is only there.
    pub node: String,
}

/// The reply. Needs both: the host, also as a whole address, and the id.
#[derive(Deserialize)]
pub(crate) struct Node {
    #[serde(deserialize_with = "fields::needed_text")]
    url: String,
    #[serde(deserialize_with = "fields::needed_text")]
    id: String,
}

impl Client {
    /// Names a node that will take one upload. Costs one call; one more, once in the life of the
    /// client, where the service wants to be asked by GET (H.2).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::UnexpectedReply`] also if the node is no host of the service, which would get
    /// the key, or if the id is not made of letters and digits.
    ///
    /// Source: docs/api-notes.md, B.2.
    pub async fn open_upload(&self) -> Result<UploadSlot, Error> {
        let node: Node = self.call(OPEN, Lane::Call, true, &json!({})).await?;
        let slot = node.slot(self.transport().address());
        slot.map_err(|kind| Error { endpoint: OPEN, attempts: 1, kind })
    }

    /// The address of something on a slot's node.
    pub(crate) fn node(&self, slot: &UploadSlot, path: &str) -> Result<url::Url, ErrorKind> {
        self.transport().address().node(&slot.node, path)
    }
}

impl Node {
    pub(crate) fn slot(self, address: &ApiAddress) -> Result<UploadSlot, ErrorKind> {
        let node = address.node_host(&self.url)?;
        let slot = UploadSlot { id: self.id.trim().to_owned(), node };
        slot.check(address).map(|()| slot)
    }
}

impl UploadSlot {
    /// Whether the node may be shown the key, and the id goes into an address as it is.
    pub(crate) fn check(&self, address: &ApiAddress) -> Result<(), ErrorKind> {
        if !node_reply::is_upload_id(&self.id) {
            return Err(ErrorKind::unexpected(
                "the id of the upload is not made of letters and digits",
            ));
        }
        address.node(&self.node, "/").map(|_| ())
    }
}
