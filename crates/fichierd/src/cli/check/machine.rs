//! Checks this machine: configuration, key, certificates, state folder, room, limits of the kernel.

use std::path::Path;
use std::{fs, io};

use rustix::fs::{Access, access, statvfs};

use super::Finding;
use crate::base::words::{bytes, count, counted};
use crate::config::key::KeyError;
use crate::config::{Config, SecretFileError};

const KEY_INTO_FILE: &str = "write the key from https://1fichier.com/console/params.pl into that \
                             file, readable by its owner alone";

/// Folders that one instance of inotify watches (`disk::watch`); for more, further instances are
/// needed.
const FOLDERS_AN_INSTANCE: u64 = 2_000;
/// Watches below which there is a warning, since a tree of medium size needs more; 65,536 was the
/// kernel's own default.
const FEW_WATCHES: u64 = 65_536;
/// Bytes of free room below which there is a warning, since the state may need more: a million
/// files take about 500 MiB, and twice that with the copy before an upgrade.
const LITTLE_ROOM: u64 = 256 << 20;
/// Bytes of free room below which there is an error: nothing can be recorded, and so nothing sent.
const NO_ROOM: u64 = 8 << 20;

pub(super) fn configuration(config: &Config) -> Finding {
    let path = config.path.display();
    match config.mirrors.len() {
        0 => Finding::warning(
            "configuration",
            format!("{path}: no mirror is configured"),
            format!("add a [[mirror]] with source and target to {path}"),
        ),
        1 => Finding::good("configuration", format!("{path}: 1 mirror")),
        many => Finding::good("configuration", format!("{path}: {many} mirrors")),
    }
}

pub(super) fn key(config: &Config) -> Finding {
    match config.account.key.read() {
        Ok(_) => Finding::good("key", format!("API key: {}", config.account.key)),
        Err(error) => {
            let remedy = match &error {
                KeyError::Nowhere => {
                    "the key is made at https://1fichier.com/console/params.pl".to_owned()
                }
                KeyError::File(error) => file_remedy(error, KEY_INTO_FILE),
                KeyError::Malformed { .. } => KEY_INTO_FILE.to_owned(),
            };
            Finding::error("key", format!("API key: {}", error.what()), remedy)
        }
    }
}

/// What to do about a file that should hold a secret; `write` says what belongs into it.
pub(super) fn file_remedy(error: &SecretFileError, write: &str) -> String {
    match error {
        SecretFileError::TooOpen { path, .. } => format!("chmod 600 {}", path.display()),
        SecretFileError::Unreadable { source, .. }
            if source.kind() == io::ErrorKind::PermissionDenied =>
        {
            "give the command as the owner of the file, or as root: sudo fichierd check".to_owned()
        }
        SecretFileError::Unreadable { .. }
        | SecretFileError::TooLong { .. }
        | SecretFileError::NotText { .. } => write.to_owned(),
    }
}

pub(super) fn ca_file(path: &Path) -> Finding {
    let shown = path.display();
    let remedy = "correct `ca_file` in the configuration";
    match fs::read_to_string(path) {
        Ok(text) if text.contains("-----BEGIN CERTIFICATE-----") => {
            Finding::good("certificates", format!("certificates: {shown}"))
        }
        Ok(_) => Finding::error(
            "certificates",
            format!("{shown} holds no certificate in PEM form"),
            remedy,
        ),
        Err(error) => {
            Finding::error("certificates", format!("{shown} cannot be read: {error}"), remedy)
        }
    }
}

/// Whether the folder, or the first of its parents that exists, can be written to.
pub(super) fn state_dir(path: &Path) -> Finding {
    const ABOUT: &str = "state_folder";
    let shown = path.display();
    let remedy = format!("install -d -m 700 -o fichierd -g fichierd {shown}");
    let Some(existing) = path.ancestors().find(|ancestor| ancestor.exists()) else {
        return Finding::error(ABOUT, format!("state folder {shown}: no parent exists"), remedy);
    };
    let there = existing.display();
    if !existing.is_dir() {
        let what = format!("state folder {shown}: {there} is no folder");
        return Finding::error(ABOUT, what, "correct `state_dir` in the configuration");
    }
    let may = Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK;
    match access(existing, may) {
        Err(error) => {
            let what = format!("state folder {shown}: {there} cannot be written to: {error}");
            Finding::error(ABOUT, what, remedy)
        }
        Ok(()) if existing == path => Finding::good(ABOUT, format!("state folder {shown}")),
        Ok(()) => Finding::good(ABOUT, format!("state folder {shown}, will be made")),
    }
}

/// Checks the free room on the disk of the state.
pub(super) fn room(path: &Path) -> Option<Finding> {
    let existing = path.ancestors().find(|ancestor| ancestor.is_dir())?;
    let system = statvfs(existing).ok()?;
    Some(room_of(path, system.f_bavail.saturating_mul(system.f_frsize)))
}

pub(super) fn room_of(path: &Path, free: u64) -> Finding {
    const ABOUT: &str = "room";
    let what = format!("room for the state: {}", bytes(free));
    let remedy = format!("make room on its disk: df -h {}", path.display());
    match free {
        0..NO_ROOM => Finding::error(ABOUT, what, remedy),
        NO_ROOM..LITTLE_ROOM => Finding::warning(ABOUT, what, remedy),
        LITTLE_ROOM.. => Finding::good(ABOUT, what),
    }
}

/// Checks that the kernel lets this many folders be watched.
pub(super) fn watches(inotify: &Path, folders: u64, mirrors: u64) -> Finding {
    const ABOUT: &str = "watches";
    let read = |name: &str| {
        let text = fs::read_to_string(inotify.join(name)).ok()?;
        text.trim().parse::<u64>().ok()
    };
    let (Some(watches), Some(instances)) = (read("max_user_watches"), read("max_user_instances"))
    else {
        let what = "the limits of inotify are hidden from this process; `fichierd status` tells \
                    whether they were high enough";
        return Finding::good(ABOUT, what);
    };
    let raise = |name: &str, to: u64| {
        format!(
            "sysctl -w fs.inotify.{name}={to}; and put fs.inotify.{name}={to} into \
             /etc/sysctl.d/60-fichierd.conf"
        )
    };
    let there = counted(folders, "folder");
    if watches < FEW_WATCHES || watches < folders {
        let enough = (2 * folders).max(524_288).next_power_of_two();
        let what =
            format!("at most {} can be watched, and {there} would be", counted(watches, "folder"));
        return Finding::warning(ABOUT, what, raise("max_user_watches", enough));
    }
    let needed = folders / FOLDERS_AN_INSTANCE + mirrors;
    if instances < needed {
        let what = format!("{instances} instances of inotify, and {needed} are needed");
        let enough = (2 * needed).max(512).next_power_of_two();
        return Finding::warning(ABOUT, what, raise("max_user_instances", enough));
    }
    let what =
        format!("inotify: {} watches for {there}, {instances} instances a user", count(watches));
    Finding::good(ABOUT, what)
}
