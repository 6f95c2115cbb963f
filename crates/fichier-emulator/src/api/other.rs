//! The endpoints that a mirror does not need: remote upload, FTP users, vouchers
//! (docs/api-notes.md, B.19 to B.21).
//!
//! They keep what they are told and never fetch anything: a remote upload stays pending.

use serde_json::{Value, json};

use super::call::Call;
use crate::base::dates;
use crate::reply::Reply;

/// The reply; `None` if there is no such endpoint.
pub(crate) fn answer(call: &mut Call) -> Option<Reply> {
    Some(match call.endpoint {
        "remote/request.cgi" => request(call),
        "remote/ls.cgi" => jobs(call),
        "remote/info.cgi" => job(call),
        "ftp/process.cgi" => Reply::ok(json!({"status": "OK"})),
        "ftp/users/ls.cgi" => ftp_users(call),
        "ftp/users/add.cgi" => add_ftp_user(call),
        "ftp/users/rm.cgi" => remove_ftp_user(call),
        "vouchers/ls.cgi" => Reply::ok(json!({"status": "OK", "count": 0, "data": []})),
        "vouchers/check.cgi" | "vouchers/use.cgi" => Reply::not_found(),
        _ => return None,
    })
}

fn request(call: &mut Call) -> Reply {
    let urls = call.batch("urls");
    let now = call.state.clock.now();
    call.state.extras.remote.push((now, urls.clone()));
    let id = call.state.extras.remote.len();
    let headers = call.fields.0.get("headers").cloned().unwrap_or_default();
    Reply::ok(json!({
        "status": "OK", "id": id, "date": dates::write(now), "urls": urls, "headers": headers,
    }))
}

fn jobs(call: &mut Call) -> Reply {
    let jobs: Vec<Value> = (1..)
        .zip(&call.state.extras.remote)
        .map(|(id, (date, _)): (usize, _)| {
            json!({"id": id, "request_date": dates::write(*date), "execution_date": pending()})
        })
        .collect();
    Reply::ok(json!({"status": "OK", "data": jobs}))
}

/// `remote/info.cgi`: no `status` on success.
fn job(call: &mut Call) -> Reply {
    let id = call.fields.number("id").unwrap_or(0);
    let position = usize::try_from(id - 1).ok();
    let Some((date, urls)) = position.and_then(|at| call.state.extras.remote.get(at)) else {
        return Reply::not_found();
    };
    Reply::ok(json!({
        "id": id, "request_date": dates::write(*date), "execution_date": pending(),
        "links": urls, "result": [],
    }))
}

/// The observed date of a job that has not run (docs/api-notes.md, A.6).
fn pending() -> String {
    dates::write(0)
}

fn ftp_users(call: &mut Call) -> Reply {
    let users: Vec<Value> = call
        .state
        .extras
        .ftp_users
        .iter()
        .map(|(user, folder)| json!({"user": user, "folder_id": folder}))
        .collect();
    Reply::ok(json!({"status": "OK", "users": users}))
}

fn add_ftp_user(call: &mut Call) -> Reply {
    let (Some(user), Some(_)) = (call.fields.text("user"), call.fields.text("pass")) else {
        return Reply::ko(400, "Missing parameter", 571);
    };
    let user = (user.to_owned(), call.fields.number("folder_id").unwrap_or(0));
    call.state.extras.ftp_users.push(user);
    Reply::ok(json!({"status": "OK"}))
}

fn remove_ftp_user(call: &mut Call) -> Reply {
    let user = call.fields.text("user").unwrap_or_default().to_owned();
    let users = &mut call.state.extras.ftp_users;
    let before = users.len();
    users.retain(|(name, _)| *name != user);
    if users.len() == before { Reply::not_found() } else { Reply::ok(json!({"status": "OK"})) }
}
