//! Files are moved, renamed, copied and removed: `file/mv`, `file/rename`,
//! `file/cp`, `file/rm` (docs/api-notes.md, B.8 to B.11).
//!
//! Batches are carried out link by link; the reply counts and lists the links that were done. A
//! switch says what happens when a name is in use: [`NameTaken`].

use serde_json::{Value, json};

use super::call::Call;
use crate::habits::{NameTaken, RemoveUnknown};
use crate::reply::Reply;
use crate::rules::names;
use crate::world::{File, ROOT, link_id};

/// `file/rm.cgi`: removes files; an anonymous one needs the code of its removal link.
pub(crate) fn remove(call: &mut Call) -> Reply {
    let asked = call.batch("files");
    let mut removed = Vec::new();
    for item in &asked {
        let link = item.get("url").and_then(Value::as_str).unwrap_or_default();
        let code = item.get("code").and_then(Value::as_str).unwrap_or_default();
        let id = link_id(link).unwrap_or_default();
        let may = call.known_file(id).is_some_and(|f| !f.anonymous || f.removal_code == code);
        if may && call.state.remove_file(id, &call.world.storage, call.now) {
            removed.push(link);
        }
    }
    if removed.is_empty() && call.state.rules.remove_unknown == RemoveUnknown::NotFound {
        return Reply::not_found();
    }
    Reply::ok(json!({"status": "OK", "removed": removed.len(), "urls": removed}))
}

/// `file/mv.cgi`: moves files, and renames a single one on the way.
pub(crate) fn move_files(call: &mut Call) -> Reply {
    let links = call.batch("urls");
    let Some(folder) = call.fields.number("destination_folder_id") else {
        call.violation("`destination_folder_id` is missing");
        return Reply::ko(400, "Missing parameter", 571);
    };
    if call.state.account.folder(folder).is_none() {
        return Reply::not_found();
    }
    let rename = call.fields.text("rename").map(str::to_owned);
    if rename.is_some() && links.len() != 1 {
        call.violation("`rename` with several links");
    }
    let rename = rename.filter(|_| links.len() == 1);
    let mut moved = Vec::new();
    for link in &links {
        let Some(file) = own_file(call, link) else { continue };
        if rename.as_deref() == Some(file.name.as_str()) {
            return no_file_renamed();
        }
        // Within one folder the new name is ignored, without an error.
        let is_here = file.folder == folder;
        let name = match rename.as_deref().filter(|_| !is_here) {
            Some(name) => match stored_name(call, name) {
                Some(stored) => stored,
                None => continue,
            },
            None => file.name.clone(),
        };
        let Some(name) = place(call, folder, &name, &file.id) else { continue };
        call.state.account.move_file(&file.id, folder);
        if let Some(file) = call.state.account.file_mut(&file.id) {
            file.name = name;
        }
        let link = relinked(call, &file.id);
        let lag = call.state.rules.real(call.state.rules.move_lag);
        if !is_here && !lag.is_zero() {
            let id = link_id(&link).unwrap_or_default();
            call.state.account.trail(id, file.folder, call.now + lag);
        }
        moved.push(link);
    }
    if moved.is_empty() {
        return nothing_done(call, &links);
    }
    let mut reply = json!({"status": "OK", "moved": moved.len(), "urls": moved});
    if let Some(rename) = rename {
        reply["filename"] = names::renamed(&rename, &call.state.rules).0.unwrap_or(rename).into();
    }
    Reply::ok(reply)
}

/// `file/rename.cgi`: gives files other names where they are.
pub(crate) fn rename(call: &mut Call) -> Reply {
    let items = call.batch("urls");
    let mut renamed = Vec::new();
    let mut known = false;
    for item in &items {
        let link = item.get("url").cloned().unwrap_or_default();
        let Some(file) = own_file(call, &link) else { continue };
        known = true;
        let Some(name) = item.get("filename").and_then(Value::as_str) else { continue };
        let Some(name) = stored_name(call, name) else { continue };
        if name == file.name {
            continue;
        }
        let Some(name) = place(call, file.folder, &name, &file.id) else { continue };
        if let Some(file) = call.state.account.file_mut(&file.id) {
            file.name.clone_from(&name);
        }
        renamed.push(json!({"url": link, "old_filename": file.name, "new_filename": name}));
    }
    match (renamed.is_empty(), known) {
        (true, true) => no_file_renamed(),
        (true, false) => Reply::not_found(),
        (false, _) => Reply::ok(json!({"status": "OK", "renamed": renamed.len(), "urls": renamed})),
    }
}

/// `file/cp.cgi`: a new link, a new date, the same content.
pub(crate) fn copy(call: &mut Call) -> Reply {
    let links = call.batch("urls");
    let folder = call.fields.number("folder_id").unwrap_or(ROOT);
    if call.fields.has("destination_folder_id") {
        call.violation("`destination_folder_id` is not a field of this call");
    }
    if call.state.account.folder(folder).is_none() {
        return Reply::not_found();
    }
    let rename = call.fields.text("rename").map(str::to_owned).filter(|_| links.len() == 1);
    let mut copied = Vec::new();
    for link in &links {
        let id = link.as_str().and_then(link_id).unwrap_or_default();
        let Some(file) = call.known_file(id).cloned() else { continue };
        let name = rename.clone().unwrap_or_else(|| file.name.clone());
        let Some(name) = stored_name(call, &name) else { continue };
        let Some(name) = place(call, folder, &name, "") else { continue };
        let id = call.state.numbers.lower(20);
        let copy = File {
            id,
            name,
            folder,
            anonymous: false,
            date: call.state.clock.now(),
            hidden_until: None,
            unknown_until: None,
            stored: None,
            ..file
        };
        copied.push(json!({"from_url": link, "to_url": copy.link()}));
        call.state.account.add_file(copy);
    }
    if copied.is_empty() {
        return nothing_done(call, &links);
    }
    let mut reply = json!({"status": "OK", "copied": copied.len(), "urls": copied});
    if let Some(rename) = rename {
        reply["filename"] = rename.into();
    }
    Reply::ok(reply)
}

fn own_file(call: &Call, link: &Value) -> Option<File> {
    let id = link.as_str().and_then(link_id)?;
    call.known_file(id).filter(|file| !file.anonymous).cloned()
}

/// The name that the service stores instead of `name`; `None` if it refuses the name.
fn stored_name(call: &mut Call, name: &str) -> Option<String> {
    let (stored, careless) = names::renamed(name, &call.state.rules);
    if careless {
        call.violation(&format!("the name `{name}` is not one that the service keeps"));
    }
    stored
}

/// Makes room in a folder for a file called `name`. Returns the name that it gets, or `None` if
/// the name is in use and the file stays where it was.
fn place(call: &mut Call, folder: i64, name: &str, id: &str) -> Option<String> {
    let Some(other) = call.state.account.name_is_taken(folder, name, id) else {
        return Some(name.to_owned());
    };
    let other = other.id.clone();
    match call.state.rules.on_name_taken {
        NameTaken::Duplicate => Some(name.to_owned()),
        NameTaken::Refuse => None,
        NameTaken::Rename => (1..)
            .map(|n| format!("{name} ({n})"))
            .find(|free| call.state.account.name_is_taken(folder, free, id).is_none()),
        NameTaken::Overwrite => {
            call.state.remove_file(&other, &call.world.storage, call.now);
            Some(name.to_owned())
        }
    }
}

/// The link of a moved file, which is a new one under `mv_changes_link`.
fn relinked(call: &mut Call, id: &str) -> String {
    if call.state.rules.mv_changes_link
        && let Some(mut file) = call.state.account.remove_file(id)
    {
        file.id = call.state.numbers.lower(20);
        let link = file.link();
        call.state.account.add_file(file);
        return link;
    }
    format!("https://1fichier.com/?{id}")
}

fn no_file_renamed() -> Reply {
    Reply::ko(200, "No file has been renamed", 312)
}

/// The refusal when none of the links was carried out: they are unknown, or their names are taken.
fn nothing_done(call: &Call, links: &[Value]) -> Reply {
    if links.iter().any(|link| own_file(call, link).is_some()) {
        // The service's words for a name in use are not recorded (docs/api-notes.md, G.1 row 12).
        return Reply::ko(200, "A file of that name exists", 318);
    }
    Reply::not_found()
}
