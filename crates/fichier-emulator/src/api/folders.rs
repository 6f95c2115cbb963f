//! Folders: `folder/mkdir`, `folder/mv`, `folder/rm` and `folder/share`
//! (docs/api-notes.md, B.14 to B.17).
//!
//! The service's words for most of these refusals are not recorded (section E); those here are
//! made up, and clients must cope with any.

use serde_json::json;

use super::call::Call;
use crate::faults::Action;
use crate::habits::{DotFolders, FolderTaken, FullFolder};
use crate::reply::Reply;
use crate::rules::names;
use crate::world::ROOT;

/// `folder/mkdir.cgi`: a name exists once in a folder.
pub(crate) fn make(call: &mut Call) -> Reply {
    let rules = call.state.rules.clone();
    if let Err(refusal) = call.state.limits.admit_folder(&rules, call.now) {
        call.violation(&refusal.broken);
        return Reply::locked(refusal.kind, rules.flood_answer);
    }
    let parent = call.fields.number("folder_id").unwrap_or(ROOT);
    let name = call.fields.text("name").unwrap_or_default().to_owned();
    let refusal = names::refusal(&name);
    if let Some(why) = refusal {
        call.trial(&format!("folder name `{name}` refused: {why}"));
        if !call.state.rules.mkdir_changes_names {
            return Reply::ko(200, "Invalid folder name", 543);
        }
    }
    if name.starts_with('.') && call.state.rules.dot_folders == DotFolders::Refused {
        return Reply::ko(200, "Invalid folder name", 543);
    }
    if call.state.account.folder(parent).is_none() {
        return Reply::not_found();
    }
    let name = if refusal.is_some() { names::mangled(&name) } else { name };
    let name = stored_name(call, name);
    if let Some((id, name)) = occupant(call, parent, &name) {
        match call.state.rules.on_folder_taken {
            FolderTaken::Refuse => return taken(),
            FolderTaken::Existing => {
                return Reply::ok(json!({"status": "OK", "folder_id": id, "name": name}));
            }
            FolderTaken::Duplicate => {}
        }
    }
    let state = &mut *call.state;
    let id = state.account.add_folder(parent, &name, state.clock.now(), &mut state.numbers);
    let mut reply = json!({"status": "OK", "folder_id": id, "name": name});
    if call.action == Some(Action::NoFolderId) {
        reply = json!({"status": "OK"});
    }
    Reply::ok(reply)
}

/// `folder/mv.cgi`: with `rename`, the destination is ignored, unless the rules say otherwise.
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
    let rename = stored_name(call, rename);
    let destination = call.fields.number("destination_folder_id");
    if let Some(destination) = destination.filter(|_| call.state.rules.folder_mv_does_both) {
        if is_refused(call, destination, &rename, id) {
            return taken();
        }
        if !call.state.account.move_folder(id, destination) {
            return Reply::not_found();
        }
    } else if is_refused(call, folder.parent, &rename, id) {
        return taken();
    }
    if let Some(folder) = call.state.account.folder_mut(id) {
        folder.name.clone_from(&rename);
    }
    Reply::ok(json!({"status": "OK", "old_name": folder.name, "new_name": rename}))
}

/// `folder/rm.cgi`: removes an empty folder; a switch says what happens to a full one.
pub(crate) fn remove(call: &mut Call) -> Reply {
    let id = call.fields.number("folder_id").unwrap_or(ROOT);
    if id == ROOT || call.state.account.folder(id).is_none() {
        return Reply::not_found();
    }
    // Removing files takes a while; until it is done, their folder is not empty
    // (docs/api-notes.md, B.17).
    if call.state.account.is_haunted(id, call.now) {
        return Reply::ko(200, "Folder is not empty", 558);
    }
    if !call.state.account.remove_folder(id) {
        call.trial("the folder is not empty");
        if call.state.rules.rm_full_folder == FullFolder::Refuse {
            return Reply::ko(200, "Folder is not empty", 558);
        }
        for file in call.state.account.remove_tree(id) {
            call.state.free(&file.content, &call.world.storage);
        }
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
    if is_refused(call, destination, name, id) {
        return taken();
    }
    if !call.state.account.move_folder(id, destination) {
        call.violation("a folder cannot go below itself");
        return Reply::ko(200, "Invalid destination", 552);
    }
    Reply::ok(json!({"status": "OK", "old_name": name, "new_name": name}))
}

/// The folder that has this name in a parent, with its name as it is written there.
fn occupant(call: &Call, parent: i64, name: &str) -> Option<(i64, String)> {
    let folds = call.state.rules.folders_fold_case;
    let same = |other: &str| other == name || folds && other.to_lowercase() == name.to_lowercase();
    let other = call.state.account.sub_folders(parent).find(|folder| same(&folder.name))?;
    Some((other.id, other.name.clone()))
}

/// Whether folder `id` may not be called `name` in a parent because of another one there.
fn is_refused(call: &Call, parent: i64, name: &str, id: i64) -> bool {
    call.state.rules.on_folder_taken != FolderTaken::Duplicate
        && occupant(call, parent, name).is_some_and(|(other, as_written)| {
            // A change of case alone is a change.
            other != id || as_written == name
        })
}

fn stored_name(call: &Call, name: String) -> String {
    if call.state.rules.compose_names { names::composed(&name) } else { name }
}

fn taken() -> Reply {
    Reply::ko(200, "A folder with that name exists", 547)
}
