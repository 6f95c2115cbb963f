//! The attributes of one file: `file/info`, `file/scan` and `file/chattr`
//! (docs/api-notes.md, B.6, B.7 and B.12).

use serde_json::{Value, json};

use super::call::Call;
use super::listings;
use crate::base::dates;
use crate::reply::Reply;
use crate::world::{File, link_id};

/// `file/info.cgi`: no `status` on success.
pub(crate) fn info(call: &mut Call) -> Reply {
    let Some(file) = file_asked_for(call) else { return Reply::not_found() };
    let given = call.fields.text("pass").unwrap_or_default();
    if !file.password.is_empty() && file.password != given && file.anonymous {
        let why = if given.is_empty() { "Password not provided" } else { "Invalid password" };
        return Reply::ko(403, &format!("{why}. Resource not allowed"), 631);
    }
    let mut reply = json!({
        "url": file.link(), "filename": file.name, "size": file.size,
        "date": dates::write(file.date), "checksum": file.whirlpool,
        "content-type": listings::content_type(&file.name), "description": file.description,
        "pass": u8::from(!file.password.is_empty()), "no_ssl": u8::from(file.no_ssl),
        "inline": u8::from(file.inline), "cdn": u8::from(file.cdn),
    });
    if let Some(fields) = reply.as_object_mut() {
        let rules = &call.state.rules;
        file.tell_hash(fields, "checksum", rules, rules.hash_lag.info);
    }
    // Only the owner learns where a file is.
    if !file.anonymous {
        reply["folder_id"] = file.folder.into();
        reply["path"] = call.state.account.path(file.folder).trim_start_matches('/').into();
    }
    Reply::ok(reply)
}

/// `file/scan.cgi`: no file here has a virus.
pub(crate) fn scan(call: &mut Call) -> Reply {
    match file_asked_for(call) {
        Some(_) => Reply::ok(json!({"status": "OK", "date": dates::write(call.state.clock.now())})),
        None => Reply::not_found(),
    }
}

/// `file/chattr.cgi`: sets the attributes that the call names, for each of its links.
pub(crate) fn change(call: &mut Call) -> Reply {
    let links = call.batch("urls");
    let fields = std::mem::take(&mut call.fields);
    if fields.text("pass").is_some_and(|pass| (1..6).contains(&pass.chars().count())) {
        return Reply::ko(200, "Password too short", 531);
    }
    let mut updated = Vec::new();
    for link in &links {
        let id = link.as_str().and_then(link_id).unwrap_or_default();
        let Some(file) = call.state.account.file_mut(id).filter(|file| !file.anonymous) else {
            continue;
        };
        if let Some(name) = fields.text("filename").filter(|_| links.len() == 1) {
            file.name = name.to_owned();
        }
        if let Some(description) = fields.text("description") {
            file.description = description.to_owned();
        }
        if let Some(password) = fields.text("pass") {
            file.password = password.to_owned();
        }
        for (name, flag) in
            [("no_ssl", &mut file.no_ssl), ("inline", &mut file.inline), ("cdn", &mut file.cdn)]
        {
            if let Some(value) = fields.number(name) {
                *flag = value != 0;
            }
        }
        updated.push(link.clone());
    }
    if updated.is_empty() {
        return Reply::not_found();
    }
    Reply::ok(json!({"status": "OK", "updated": updated.len(), "urls": Value::Array(updated)}))
}

/// The file of `url`, or of `folder_id` and `filename`, which must be exact.
pub(crate) fn file_asked_for(call: &Call) -> Option<File> {
    let account = &call.state.account;
    let file = match (call.fields.text("url"), call.fields.text("filename")) {
        (Some(link), _) => call.known_file(link_id(link)?)?,
        (None, Some(name)) => {
            let folder = call.fields.number("folder_id")?;
            account.files_in(folder).find(|file| file.name == name)?
        }
        (None, None) => return None,
    };
    Some(file.clone())
}
