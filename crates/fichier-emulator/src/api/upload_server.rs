//! `upload/get_upload_server.cgi`: a node, and an id for one upload (docs/api-notes.md, B.2).

use serde_json::json;

use super::call::Call;
use crate::faults::Action;
use crate::reply::Reply;

/// Gives out an id; no `status` on success.
pub(crate) fn give(call: &mut Call) -> Reply {
    let mut id = call.state.numbers.mixed(10);
    let mut host = call.caller.places.node_host();
    if let Some(Action::ForeignNode(other)) = &call.action {
        host.clone_from(other);
    }
    if let Some(Action::BadUploadId(other)) = &call.action {
        id.clone_from(other);
    }
    call.state.uploads.give(id.clone(), call.now);
    Reply::ok(json!({"url": host, "id": id}))
}
