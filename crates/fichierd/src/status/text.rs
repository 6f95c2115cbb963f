//! The status as a person reads it, in 80 columns.
//!
//! The first line of a mirror answers "is it safe?"; what needs a decision comes with the
//! command that makes it. Zeros are left out: a healthy mirror is three lines long.

mod proofs;

use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;

use super::{
    AccountStatus, DegradedStatus, FormerNext, FormerStatus, Kind, MirrorState, MirrorStatus,
    NotifiedStatus, ProblemStatus, Status,
};
use crate::base::when;
use crate::base::words::{bytes, count, counted, duration, paragraph};

/// Draws the status as it is at `now`.
pub fn render(status: &Status, now: Timestamp) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail; `line` keeps that in one place.
    line(&mut out, 0, &headline(status));
    if let Some(account) = &status.account {
        line(&mut out, 0, &account_line(account, now));
    }
    for it in &status.notified {
        line(&mut out, 0, &notified_line(it));
    }
    for it in status.degraded.iter().filter(|it| it.mirror.is_none()) {
        degraded_lines(&mut out, 0, it, now);
    }
    let stop = status.degraded.iter().find(|it| it.mirror.is_none() && it.stops);
    for mirror in &status.mirrors {
        out.push('\n');
        let of_it = status.degraded.iter().filter(|it| it.mirror.as_ref() == Some(&mirror.name));
        let of_it: Vec<&DegradedStatus> = of_it.collect();
        line(&mut out, 0, &format!("{}: {}", mirror.name, head(mirror, &of_it, stop)));
        mirror_lines(&mut out, mirror, &of_it, now);
    }
    if status.mirrors.is_empty() {
        let text = "No mirror is configured: add a [[mirror]] block with `source` and `target` to \
                    the configuration.";
        line(&mut out, 0, text);
    }
    out
}

fn headline(status: &Status) -> String {
    let version = &status.version;
    match (status.running, status.paused) {
        (true, false) => {
            format!("fichierd {version} is running, {} so far", counted(status.calls_made, "call"))
        }
        (true, true) => format!("fichierd {version} is paused; go on with: fichierd resume"),
        (false, _) => format!("fichierd {version} is not running; this is what it recorded last"),
    }
}

fn notified_line(it: &NotifiedStatus) -> String {
    let told = match it.told_age_s {
        Some(age_s) => format!("told {} ago", duration(Duration::from_secs(age_s))),
        None => "not told anything yet".to_owned(),
    };
    match it.waiting {
        0 => format!("Alerts to {}: {told}", it.name),
        waiting => format!("Alerts to {}: {told}, {} waits", it.name, counted(waiting, "message")),
    }
}

fn account_line(account: &AccountStatus, now: Timestamp) -> String {
    let mut text = format!("Account: {}", account.offer);
    if let Some(end) = account.subscription_end {
        let left = if end > now { format!("for {} more", until(now, end)) } else { "ENDED".into() };
        let _ok = write!(text, ", {left}");
    }
    if let Some(storage) = storage(account.used_bytes, account.allowed_bytes, account.hot_bytes) {
        let _ok = write!(text, ", {storage}");
    }
    if let Some(left) = account.available_bytes {
        let size = bytes(left.unsigned_abs());
        let what = if left < 0 { "too much stored" } else { "left" };
        let _ok = write!(text, ", {size} {what}");
    }
    if let Some(days) = account.expires_after_days {
        let _ok = write!(
            text,
            "; with this offer 1fichier may remove files that nobody downloads for {days} days"
        );
        if let Some(first) = account.first_expiry {
            let since = if first <= now { "since" } else { "from" };
            let _ok = write!(text, ", the oldest upload on record {since} {}", when::day(first));
        }
    }
    text
}

/// How much of each kind of storage is used, as far as it is known.
fn storage(cold: Option<u64>, allowed: Option<u64>, hot: Option<u64>) -> Option<String> {
    let cold = match (cold, allowed) {
        (Some(used), Some(allowed)) => format!("{} of {}", bytes(used), bytes(allowed)),
        (Some(used), None) => bytes(used),
        (None, _) => return hot.map(|hot| format!("{} used in hot storage", bytes(hot))),
    };
    Some(match hot {
        Some(hot) => format!("{cold} used in cold and {} in hot storage", bytes(hot)),
        None => format!("{cold} used"),
    })
}

fn degraded_lines(out: &mut String, indent: usize, it: &DegradedStatus, now: Timestamp) {
    line(out, indent, &state_head(it));
    let next = it.next_try.filter(|at| *at > now).map(|at| until(now, at));
    let next = next.map(|left| format!("; next look in {left}"));
    line(out, indent + 2, &format!("{}{}", it.cause, next.unwrap_or_default()));
    line(out, indent + 2, &format!("what to do: {}", it.what_to_do));
}

fn state_head(it: &DegradedStatus) -> String {
    let since = it.since_age_s.map(|age_s| duration(Duration::from_secs(age_s)));
    let since = since.map(|age| format!(" for {age}")).unwrap_or_default();
    let word = if it.stops { "STOPPED" } else { "DEGRADED" };
    format!("{word}{since}: {}", it.title)
}

/// Answers whether the mirror is safe, in a few words: the states below are not told here too.
fn head(
    mirror: &MirrorStatus,
    degraded: &[&DegradedStatus],
    stop: Option<&DegradedStatus>,
) -> String {
    let open = mirror.completeness.open().filter(|_| mirror.state != MirrorState::Never);
    let is_stopped = degraded.iter().any(|it| it.stops);
    let text = match (mirror.state, stop) {
        (MirrorState::Working, _) | (MirrorState::Never, None) => mirror.what.clone(),
        (_, Some(stop)) => format!("stopped: {}", stop.title),
        (_, None) if is_stopped => "stopped".to_owned(),
        (MirrorState::Held, None) if !degraded.is_empty() => word(mirror.state).to_owned(),
        (MirrorState::Idle, None) if !degraded.is_empty() => "degraded".to_owned(),
        (_, None) if mirror.what.is_empty() => return word(mirror.state).to_owned(),
        (_, None) => return mirror.what.clone(),
    };
    match open {
        Some(open) if mirror.state != MirrorState::Working => {
            format!("{text}; not complete: {open}")
        }
        Some(_) | None => text,
    }
}

fn mirror_lines(
    out: &mut String,
    mirror: &MirrorStatus,
    degraded: &[&DegradedStatus],
    now: Timestamp,
) {
    line(out, 2, &format!("{} -> {}", mirror.source.display(), mirror.target));
    line(out, 2, &safe_line(mirror));
    // The problems are listed one by one, with what to do about each.
    for it in degraded.iter().filter(|it| it.kind != Kind::Problems || mirror.problems.is_empty()) {
        degraded_lines(out, 2, it, now);
    }
    for text in asides(mirror, degraded) {
        line(out, 2, &text);
    }
    if mirror.problem_count > 0 {
        let head = match degraded.iter().find(|it| it.kind == Kind::Problems) {
            Some(it) => format!("{} ({}):", state_head(it), count(mirror.problem_count)),
            None => format!("{}:", counted(mirror.problem_count, "problem")),
        };
        line(out, 2, &head);
        for problem in &mirror.problems {
            problem_lines(out, problem, mirror, now);
        }
        let hidden = mirror.problem_count.saturating_sub(mirror.problems.len() as u64);
        if hidden > 0 {
            line(out, 4, &format!("… and {} more", count(hidden)));
        }
    }
}

fn safe_line(mirror: &MirrorStatus) -> String {
    let safe = format!("{} safe ({})", counted(mirror.files, "file"), bytes(mirror.bytes));
    let complete = match mirror.last_success_age_s {
        Some(age) => format!("complete {} ago", duration(Duration::from_secs(age))),
        None => "never complete yet".to_owned(),
    };
    if mirror.pending_files == 0 {
        return format!("{safe}, {complete}");
    }
    let pending = (count(mirror.pending_files), bytes(mirror.pending_bytes));
    format!("{safe}, {} not confirmed yet ({}), {complete}", pending.0, pending.1)
}

/// Lines about facts that are shown only where there are any.
fn asides(mirror: &MirrorStatus, degraded: &[&DegradedStatus]) -> Vec<String> {
    let mut lines = Vec::new();
    if mirror.versions_files > 0 {
        let kept = counted(mirror.versions_files, "earlier version");
        let back = mirror.history_from.map(|from| format!(", back to {}", when::day(from)));
        let size = bytes(mirror.versions_bytes);
        lines.push(format!("{kept} kept ({size}){}", back.unwrap_or_default()));
    }
    if mirror.unmanaged > 0 {
        let left = counted(mirror.unmanaged, "remote file");
        lines.push(format!(
            "{left} excluded or rejected since; remove: fichierd prune {}",
            mirror.name
        ));
    }
    if mirror.foreign > 0 {
        lines.push(format!(
            "{} in the target not ours, left alone",
            counted(mirror.foreign, "remote file")
        ));
    }
    lines.extend(proofs::lines(mirror));
    if mirror.encryption.as_ref().is_some_and(|it| !it.password_kept) {
        lines.push(
            "nobody has confirmed that the password is kept in another place, without which \
             nothing can be restored: fichierd recovery-sheet --with-secrets, then: fichierd \
             recovery-sheet --confirm"
                .to_owned(),
        );
    }
    if let Some(cut) = mirror.encryption.as_ref().map(|it| it.cut_names).filter(|cut| *cut > 0) {
        let are = if cut == 1 { "name is" } else { "names are" };
        lines.push(format!(
            "{} {are} too long when encrypted and stored shorter: fichierd restores them, rclone \
             cannot read them; see: fichierd check",
            count(cut)
        ));
    }
    if let Some(former) = mirror.encryption.as_ref().and_then(|it| it.former.as_ref()) {
        lines.push(former_line(former, &mirror.name));
    }
    if let Some(by_size) = mirror.completeness.by_size() {
        lines.push(format!(
            "{by_size}: 1fichier tells no hash of them, and they are too large to be downloaded \
             as a proof by itself; to prove them: fichierd verify {} --full",
            mirror.name
        ));
    }
    for path in &mirror.unsettled {
        lines.push(format!("being written, or sent while it was: {path}"));
    }
    let watch = &mirror.watch;
    match watch.mode.as_str() {
        "watching" | "off" | "" => {}
        "polling" if degraded.iter().any(|it| it.kind == Kind::Polling) => {}
        "polling" => lines.push("not watched, looked at from time to time".to_owned()),
        other => {
            lines.push(format!("{other} watched: {}", counted(watch.watched, "folder")));
        }
    }
    lines
}

fn former_line(former: &FormerStatus, mirror: &str) -> String {
    let files = counted(former.files, "earlier version");
    let head = format!("{files} stored plain or with a former password ({})", bytes(former.bytes));
    match former.next {
        FormerNext::Sending => format!("{head}, until they expire"),
        FormerNext::Asks => format!(
            "{head}, until they expire; to remove them now: fichierd approve --remove-plain {mirror}"
        ),
        FormerNext::Going => format!("{head}, being removed"),
    }
}

fn problem_lines(out: &mut String, problem: &ProblemStatus, mirror: &MirrorStatus, now: Timestamp) {
    let next = match problem.next_try {
        Some(next) if next > now => format!("next try in {}", until(now, next)),
        Some(_) => "next try now".to_owned(),
        None => "not tried again by itself".to_owned(),
    };
    line(out, 4, &problem.place(mirror));
    line(out, 6, &format!("{}; {next}", problem.what));
    if !problem.hint.is_empty() {
        line(out, 6, &problem.hint);
    }
}

fn word(state: MirrorState) -> &'static str {
    match state {
        MirrorState::Idle => "up to date",
        MirrorState::Working => "working",
        MirrorState::Waiting => "waiting",
        MirrorState::Held => "held, a decision is needed",
        MirrorState::Problem => "cannot go on",
        MirrorState::Offline => "the service does not run",
        MirrorState::Never => "not mirrored yet",
    }
}

/// Adds a paragraph, wrapped between words, continued two columns further in.
fn line(out: &mut String, indent: usize, text: &str) {
    *out += &paragraph(text, &" ".repeat(indent), &" ".repeat(indent + 2));
    out.push('\n');
}

fn until(now: Timestamp, then: Timestamp) -> String {
    duration(Duration::try_from(then.duration_since(now)).unwrap_or_default())
}
