//! Listings: `file/ls.cgi` and `folder/ls.cgi` (docs/api-notes.md, B.5 and B.13).
//!
//! Rows come in no meaningful order and are cut at the cap without a word, as the service does.
//! With `listing_lag`, new files are missing in a listing for a while and removed ones are still
//! in it.

use serde_json::{Value, json};

use super::call::Call;
use crate::base::dates;
use crate::faults::Action;
use crate::habits::DotFolders;
use crate::reply::Reply;
use crate::rules::Rules;
use crate::world::{File, Folder, ROOT};

/// The number that stands for all files of the account.
const ALL_FILES: i64 = -1;

/// `file/ls.cgi`: the files of one folder, or of the account.
pub(crate) fn files(call: &mut Call) -> Reply {
    let folder = call.fields.number("folder_id").unwrap_or(ROOT);
    if let Err(reply) = admit(call, folder) {
        return reply;
    }
    if folder != ALL_FILES && call.state.account.folder(folder).is_none() {
        return unknown_folder(call, json!({"status": "OK", "count": 0, "items": []}));
    }
    let items = rows(call, folder);
    Reply::ok(json!({"status": "OK", "count": items.len(), "items": items}))
}

/// `folder/ls.cgi`: a folder, its sub-folders, and its files on request.
pub(crate) fn folder(call: &mut Call) -> Reply {
    let id = call.fields.number("folder_id").unwrap_or(ROOT);
    if let Err(reply) = admit(call, id) {
        return reply;
    }
    let Some(folder) = call.state.account.folder(id).cloned() else {
        let nothing = json!({"status": "OK", "folder_id": ROOT, "name": "", "files": 0,
            "size": null, "sub_folders": []});
        return unknown_folder(call, nothing);
    };
    call.state.uploads.forget_lost_replies(id);
    let visible = call.state.account.visible_in(id, call.now);
    let total: u64 = visible.iter().map(|file| file.size).sum();
    let count = visible.len();
    let mut reply = json!({
        "status": "OK", "folder_id": id, "name": folder.name, "files": count,
        "size": if count == 0 { Value::Null } else { total.into() },
    });
    if id != ROOT {
        reply["create_date"] = create_date(call, &folder).into();
        reply["pass"] = 0.into();
    }
    if let Some(shared) = &folder.shared {
        reply["shared"] = shared.as_str().into();
    }
    let sub_folders = sub_folders(call, id);
    if !(sub_folders.is_empty() && call.state.rules.sub_folders_missing_on_leaf) {
        reply["sub_folders"] = sub_folders.into();
    }
    if call.fields.is_set("files") {
        reply["items"] = rows(call, id).into();
    }
    if call.action == Some(Action::EmptyListing) {
        reply["files"] = 0.into();
        reply["size"] = Value::Null;
    }
    if let Some(Action::PartialListing(rows)) = call.action {
        reply["files"] = count.min(rows).into();
    }
    Reply::ok(reply)
}

fn admit(call: &mut Call, folder: i64) -> Result<(), Reply> {
    let rules = call.state.rules.clone();
    if call.endpoint == "folder/ls.cgi" && !rules.folder_ls_counts {
        return Ok(());
    }
    call.state.limits.admit_listing(folder, &rules, call.now).map_err(|refusal| {
        call.violation(&refusal.broken);
        Reply::locked(refusal.kind, rules.flood_answer)
    })
}

fn unknown_folder(call: &Call, nothing: Value) -> Reply {
    if call.state.rules.unknown_folder_lists_empty {
        Reply::ok(nothing)
    } else {
        Reply::not_found()
    }
}

fn rows(call: &mut Call, folder: i64) -> Vec<Value> {
    if call.action == Some(Action::EmptyListing) {
        return Vec::new();
    }
    if folder != ALL_FILES {
        call.state.uploads.forget_lost_replies(folder);
    }
    let after = call.fields.text("sent_after").and_then(dates::read).unwrap_or(i64::MIN);
    let before = call.fields.text("sent_before").and_then(dates::read).unwrap_or(i64::MAX);
    let account = &call.state.account;
    let files: Vec<&File> = if folder == ALL_FILES {
        account.files().filter(|file| !file.anonymous).collect()
    } else {
        account.visible_in(folder, call.now)
    };
    files
        .into_iter()
        .filter(|file| (after..=before).contains(&file.date))
        .take(most_rows(call))
        .map(|file| row(file, &call.state.rules))
        .collect()
}

fn row(file: &File, rules: &Rules) -> Value {
    let mut row = json!({
        "url": file.link(), "filename": file.name, "size": file.size,
        "date": dates::write(file.date), "checksum": file.whirlpool,
        "content-type": content_type(&file.name), "pass": u8::from(!file.password.is_empty()),
        "acl": 0, "cdn": u8::from(file.cdn),
    });
    if let Some(fields) = row.as_object_mut() {
        file.tell_hash(fields, "checksum", rules, rules.hash_lag.listing);
    }
    row
}

fn sub_folders(call: &mut Call, parent: i64) -> Vec<Value> {
    if call.action == Some(Action::EmptyListing) {
        return Vec::new();
    }
    let mut folders: Vec<Folder> = call.state.account.sub_folders(parent).cloned().collect();
    if call.state.rules.dot_folders == DotFolders::Hidden {
        folders.retain(|folder| !folder.name.starts_with('.'));
    }
    call.state.shuffler.shuffle(&mut folders);
    folders
        .iter()
        .take(most_rows(call))
        .map(|folder| {
            json!({"id": folder.id, "name": folder.name, "pass": 0,
                "create_date": create_date(call, folder)})
        })
        .collect()
}

fn most_rows(call: &Call) -> usize {
    let cap = call.state.rules.listing_cap;
    if let Some(Action::PartialListing(rows)) = call.action { cap.min(rows) } else { cap }
}

fn create_date(call: &Call, folder: &Folder) -> String {
    if call.state.rules.empty_create_date.as_deref() == Some(&folder.name) {
        return String::new();
    }
    dates::write(folder.created)
}

/// The media type that the service would guess from the name.
pub(crate) fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("txt") => "text/plain",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("zip") => "application/zip",
        _ => "application/octet-stream",
    }
}
