//! Folders: `folder/mkdir`, `folder/mv`, `folder/rm` and `folder/share`
//! (docs/api-notes.md, B.14 to B.17).
//!
//! The service's words for most of these refusals are not recorded (section E); those here are
//! made up, and clients must cope with any.

use serde_json::json;

use super::Call;
use crate::account::ROOT;
use crate::faults::Action;
use crate::names;
use crate::reply::Reply;

/// `folder/mkdir.cgi`: a name exists once in a folder.
pub(crate) fn make(call: &mut Call) -> Reply {
    let parent = call.fields.number("folder_id").unwrap_or(ROOT);
    let name = call.fields.text("name").unwrap_or_default().to_owned();
    if let Some(why) = names::refusal(&name) {
        call.violation(&format!("folder name `{name}` refused: {why}"));
        return Reply::ko(200, "Invalid folder name", 543);
    }
    if call.state.account.folder(parent).is_none() {
        return Reply::not_found();
    }
    if call.state.account.sub_folder(parent, &name).is_some() {
        return taken();
    }
    let state = &mut *call.state;
    let id = state.account.add_folder(parent, &name, state.clock.now(), &mut state.numbers);
    let mut reply = json!({"status": "OK", "folder_id": id, "name": name});
    if call.action == Some(Action::NoFolderId) {
        reply = json!({"status": "OK"});
    }
    Reply::ok(reply)
}

/// `folder/mv.cgi`: with `rename`, the destination is ignored.
pub(crate) fn move_or_rename(call: &mut Call) -> Reply {
    let id = call.fields.number("folder_id").unwrap_or(ROOT);
    let Some(folder) = call.state.account.folder(id).filter(|folder| folder.id != ROOT).cloned()
    else {
        return Reply::not_found();
    };
    let Some(rename) = call.fields.text("rename").map(str::to_owned) else {
        let destination = call.fields.number("destination_folder_id").unwrap_or(ROOT);
        return move_to(call, id, &folder.name, destination);
    };
    if let Some(why) = names::refusal(&rename) {
        call.violation(&format!("folder name `{rename}` refused: {why}"));
        return Reply::ko(200, "Invalid folder name", 543);
    }
    if call.state.account.sub_folder(folder.parent, &rename).is_some() {
        return taken();
    }
    if let Some(folder) = call.state.account.folder_mut(id) {
        folder.name.clone_from(&rename);
    }
    Reply::ok(json!({"status": "OK", "old_name": folder.name, "new_name": rename}))
}

/// `folder/rm.cgi`: only an empty folder goes.
pub(crate) fn remove(call: &mut Call) -> Reply {
    let id = call.fields.number("folder_id").unwrap_or(ROOT);
    if id == ROOT || call.state.account.folder(id).is_none() {
        return Reply::not_found();
    }
    // A removal takes its time, and the folder is not empty before (docs/api-notes.md, B.17).
    if call.state.account.is_haunted(id, call.now) {
        return Reply::ko(200, "Folder is not empty", 558);
    }
    if !call.state.account.remove_folder(id) {
        call.violation("the folder is not empty");
        return Reply::ko(200, "Folder is not empty", 558);
    }
    Reply::ok(json!({"status": "OK"}))
}

/// `folder/share.cgi`: only the public address is emulated.
pub(crate) fn share(call: &mut Call) -> Reply {
    let id = call.fields.number("folder_id").unwrap_or(ROOT);
    let wanted = call.fields.is_set("share");
    let address = format!("https://1fichier.com/dir/{}", call.state.numbers.mixed(8));
    let Some(folder) = call.state.account.folder_mut(id) else { return Reply::not_found() };
    folder.shared = wanted.then_some(address);
    let mut reply = json!({"status": "OK"});
    if let Some(address) = &folder.shared {
        reply["url"] = address.as_str().into();
    }
    Reply::ok(reply)
}

fn move_to(call: &mut Call, id: i64, name: &str, destination: i64) -> Reply {
    if call.state.account.folder(destination).is_none() {
        return Reply::not_found();
    }
    if call.state.account.sub_folder(destination, name).is_some() {
        return taken();
    }
    if !call.state.account.move_folder(id, destination) {
        call.violation("a folder cannot go below itself");
        return Reply::ko(200, "Invalid destination", 552);
    }
    Reply::ok(json!({"status": "OK", "old_name": name, "new_name": name}))
}

fn taken() -> Reply {
    Reply::ko(200, "A folder with that name exists", 547)
}
