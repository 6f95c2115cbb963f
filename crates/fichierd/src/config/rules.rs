//! The rules for a configuration: they turn the text as typed into the values that the program
//! needs.
//!
//! All complaints are collected, so that a file with three mistakes can be corrected in one go.
//! The folders and the mirrors have rules of their own in [`super::mirrors`].

use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use url::{Host, Url};

use super::encrypt::Credentials;
use super::file::{AccountFile, ConfigFile, PaceFile};
use super::message::Complaint;
use super::surroundings::Surroundings;
use super::{AccountConfig, Config, PaceSettings, pace_file_in};
use super::{metrics, mirrors, notify};
use crate::config::key::KeySource;

/// The address of the real service.
const API_URL: &str = "https://api.1fichier.com/v1";
/// Calls a second by default; this rate has been reported safe (docs/api-notes.md, A.5).
const CALLS_PER_SECOND: f64 = 1.0;
/// Calls a second that may be configured, the published limit (docs/api-notes.md, A.5); a higher
/// rate is refused.
const MOST_CALLS_PER_SECOND: f64 = 3.0;
const PARALLEL_UPLOADS: usize = 2;
const PARALLEL_DOWNLOADS: usize = 4;
/// Transfers at the same time that may be configured; a higher number is refused. Each one holds a
/// thread and a connection, and more of them do not fill a line any better.
const MOST_PARALLEL: usize = 16;
/// The largest time scale; a larger one is refused, because the spacing of calls would fall below a
/// millisecond.
const MOST_TIME_SCALE: i64 = 1_000;

/// The mistakes found so far.
#[derive(Default)]
pub(super) struct Complaints(pub(super) Vec<Complaint>);

impl Complaints {
    /// Adds a complaint with its remedy.
    pub(super) fn add(
        &mut self,
        span: Option<Range<usize>>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.0.push(Complaint { message: message.into(), span, help: Some(help.into()) });
    }
}

/// Checks the text as typed and completes it with the defaults.
///
/// # Errors
///
/// All mistakes, at least one.
pub(super) fn config(
    path: &Path,
    file: ConfigFile,
    around: &Surroundings,
) -> Result<Config, Vec<Complaint>> {
    let mut complaints = Complaints::default();
    let state_span = file.state_dir.as_ref().map(Spanned::span);
    let state_dir = match optional_path(file.state_dir, "state_dir", &mut complaints) {
        Some(given) => given,
        None => around.state_dir(path).unwrap_or_else(|| {
            complaints.add(None, "there is no folder for the state", "set state_dir");
            PathBuf::new()
        }),
    };
    let control_socket = optional_path(file.control_socket, "control_socket", &mut complaints)
        .unwrap_or_else(|| around.control_socket(&state_dir));
    let other_sockets = around.other_sockets(path, &state_dir, &control_socket);
    let default_key = KeySource::default_in(around, path);
    let account = account(file.account, default_key, &mut complaints);
    let pace_file = optional_path(file.pace.file.clone(), "file", &mut complaints);
    let pace_file = pace_file.unwrap_or_else(|| pace_file_in(&state_dir));
    let pace = pace(&file.pace, pace_file, &account.api_url, &mut complaints);
    let spans: Vec<_> = file.mirror.iter().map(mirrors::Spans::of).collect();
    let credentials = Credentials { around, config: path };
    let names: Vec<_> = file.notify.iter().map(|it| it.name.clone()).collect();
    let named = file.notify.iter().flat_map(|it| it.mirrors.iter().cloned());
    let named: Vec<_> = named.collect();
    let receivers = file.notify.into_iter();
    let notify: Vec<_> =
        receivers.filter_map(|it| notify::rules(it, &credentials, &mut complaints)).collect();
    let mirrors = file.mirror.into_iter();
    let mirrors: Vec<_> =
        mirrors.map(|mirror| mirrors::mirror(mirror, &credentials, &mut complaints)).collect();
    mirrors::together(&mirrors, &spans, &mut complaints);
    let known: Vec<_> = mirrors.iter().map(|mirror| mirror.name.as_str()).collect();
    notify::together(&names, &named, &known, &mut complaints);
    mirrors::apart_from_state(&mirrors, &spans, &state_dir, state_span, &mut complaints);
    let metrics = metrics::metrics(file.metrics, &mirrors, &mut complaints);
    if complaints.0.is_empty() {
        let path = path.to_path_buf();
        Ok(Config {
            path,
            state_dir,
            control_socket,
            other_sockets,
            account,
            pace,
            metrics,
            mirrors,
            notify,
        })
    } else {
        Err(complaints.0)
    }
}

/// Checks a path, which must be absolute and without `.` and `..`, which would hide where it leads.
pub(super) fn path(typed: Spanned<PathBuf>, key: &str, complaints: &mut Complaints) -> PathBuf {
    let span = typed.span();
    let path = typed.into_inner();
    if !path.is_absolute() {
        complaints.add(
            Some(span),
            format!("`{key}` must be a whole path"),
            "begin it with `/`: a service has no current folder, and `~` is not expanded",
        );
    } else if path.components().any(|part| part == std::path::Component::ParentDir) {
        complaints.add(Some(span), format!("`{key}` contains `..`"), "write the path it leads to");
    }
    // This drops doubled and trailing slashes, so that equal folders are equal paths.
    path.components().collect()
}

fn optional_path(
    typed: Option<Spanned<PathBuf>>,
    key: &str,
    complaints: &mut Complaints,
) -> Option<PathBuf> {
    typed.map(|typed| path(typed, key, complaints))
}

fn account(
    file: AccountFile,
    default_key: KeySource,
    complaints: &mut Complaints,
) -> AccountConfig {
    let key = match optional_path(file.api_key_file, "api_key_file", complaints) {
        Some(path) => KeySource::File(path),
        None => default_key,
    };
    let api_url = match file.api_url {
        Some(typed) => api_url(&typed, complaints),
        None => API_URL.to_owned(),
    };
    let ca_file = optional_path(file.ca_file, "ca_file", complaints);
    AccountConfig { key, api_url, ca_file, use_cdn: file.use_cdn.unwrap_or(false) }
}

fn api_url(typed: &Spanned<String>, complaints: &mut Complaints) -> String {
    let text = typed.get_ref().trim_end_matches('/');
    let mut wrong = |message: &str, help: &str| complaints.add(Some(typed.span()), message, help);
    let example = "write it like \"https://api.1fichier.com/v1\"";
    match Url::parse(text) {
        Err(error) => wrong(&format!("`api_url` is not an address: {error}"), example),
        Ok(url) if !matches!(url.scheme(), "http" | "https") => {
            wrong("`api_url` is not an http address", example);
        }
        Ok(url) if url.scheme() == "http" && !is_loopback(&url) => {
            wrong("`api_url` would send the API key unencrypted", "use https");
        }
        Ok(url) if has_extras(&url) => {
            wrong("`api_url` has a user, a query or a fragment", example);
        }
        Ok(_) => {}
    }
    text.to_owned()
}

fn has_extras(url: &Url) -> bool {
    !url.username().is_empty()
        || url.password().is_some()
        || url.query().is_some()
        || url.fragment().is_some()
}

pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn pace(
    file: &PaceFile,
    pace_file: PathBuf,
    api_url: &str,
    complaints: &mut Complaints,
) -> PaceSettings {
    let mut settings = PaceSettings {
        calls_per_second: CALLS_PER_SECOND,
        parallel_uploads: PARALLEL_UPLOADS,
        parallel_downloads: PARALLEL_DOWNLOADS,
        time_scale: 1,
        file: pace_file,
    };
    if let Some(typed) = &file.calls_per_second {
        settings.calls_per_second = *typed.get_ref();
        // The comparison is written so that "not a number" is refused too.
        let possible = *typed.get_ref() > 0.0 && *typed.get_ref() <= MOST_CALLS_PER_SECOND;
        if !possible {
            complaints.add(
                Some(typed.span()),
                "`calls_per_second` must be above 0 and at most 3",
                "the service publishes 3 as its limit and locks addresses well below it; 1 is safe",
            );
        }
    }
    if let Some(typed) = &file.parallel_uploads {
        let help = "2 uploads fill most lines";
        settings.parallel_uploads = parallel(typed, "parallel_uploads", help, complaints);
    }
    if let Some(typed) = &file.parallel_downloads {
        let help = "4 downloads fill most lines";
        settings.parallel_downloads = parallel(typed, "parallel_downloads", help, complaints);
    }
    if let Some(typed) = &file.time_scale {
        settings.time_scale = time_scale(typed, api_url, complaints);
    }
    settings
}

fn parallel(typed: &Spanned<i64>, key: &str, help: &str, complaints: &mut Complaints) -> usize {
    match usize::try_from(*typed.get_ref()) {
        Ok(count) if (1..=MOST_PARALLEL).contains(&count) => count,
        _ => {
            let message = format!("`{key}` must be between 1 and {MOST_PARALLEL}");
            complaints.add(Some(typed.span()), message, help);
            1
        }
    }
}

fn time_scale(typed: &Spanned<i64>, api_url: &str, complaints: &mut Complaints) -> u32 {
    let scale = *typed.get_ref();
    let loopback = Url::parse(api_url).is_ok_and(|url| is_loopback(&url));
    if scale != 1 && !loopback {
        complaints.add(
            Some(typed.span()),
            "`time_scale` is only for an emulator on this machine",
            "remove it: against the real service it would break the limits and lock the account",
        );
    }
    match u32::try_from(scale) {
        Ok(factor) if (1..=MOST_TIME_SCALE).contains(&scale) => factor,
        _ => {
            complaints.add(
                Some(typed.span()),
                format!("`time_scale` must be between 1 and {MOST_TIME_SCALE}"),
                "1 is real time",
            );
            1
        }
    }
}
