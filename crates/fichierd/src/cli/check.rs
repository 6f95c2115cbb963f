//! `fichierd check`: is this configuration right, and is this machine ready for it?
//!
//! Reads and looks, and changes nothing; with `--online` ([`online`]) it asks the service too, and
//! makes the state folder for the pacer's memory; with `--probe` ([`probe`]) it finds out how the
//! service behaves. An error is what would keep the service
//! from starting (exit code 78); a warning is what it would live with: a disk that is not
//! mounted yet, a limit that is low.

mod online;
mod probe;

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use fichier_state::Store;
use rustix::fs::{Access, access};

use super::{interruptible, output};
use crate::config::Config;
use crate::exit::Exit;
use crate::traits::Traits;

/// Below this, a tree of medium size cannot be watched; 65,536 was the kernel's own default.
const FEW_WATCHES: u64 = 65_536;

#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    /// Check this file instead of the installed configuration
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Also ask 1fichier what the account allows, send a tiny file, and get it back
    #[arg(long)]
    online: bool,
    /// Also find out how 1fichier behaves where its documentation is silent: about 40 calls in a
    /// folder that is removed again, some minutes
    #[arg(long)]
    probe: bool,
    /// Print what the probe found as JSON, and nothing else
    #[arg(long, requires = "probe")]
    json: bool,
}

/// `global` is the file named by `--config`.
pub(crate) async fn run(args: CheckArgs, global: Option<&Path>) -> anyhow::Result<Exit> {
    let config = Config::load(args.file.as_deref().or(global))?;
    let findings = findings(&config, Path::new("/proc/sys/fs/inotify"));
    for finding in findings.iter().filter(|_| !args.json) {
        output::line(&finding.text())?;
    }
    if let Some(known) = known_traits(&config).filter(|_| !args.probe) {
        output::line(&known.text())?;
    }
    if findings.iter().any(|finding| matches!(finding, Finding::Error(_))) {
        return Ok(Exit::Config);
    }
    let mut exit = Exit::Done;
    if args.online {
        let say =
            |finding: &Finding| if args.json { Ok(()) } else { output::line(&finding.text()) };
        exit = interruptible(online::run(&config, say)).await?;
    }
    if args.probe && exit == Exit::Done {
        exit = interruptible(probe::run(&config, args.json)).await?;
    }
    Ok(exit)
}

/// How much is known of how 1fichier behaves; nothing before there is a state file.
fn known_traits(config: &Config) -> Option<Finding> {
    let store = Store::open_read_only(&config.state_dir).ok()?;
    let rows = Traits::read(&store).ok()?.rows();
    let known = rows.iter().filter(|(_, answer)| answer.is_some()).count();
    Some(Finding::Good(match known {
        0 => "how 1fichier behaves where its documentation is silent is not known, and assumed \
              with care; find out with: fichierd check --probe"
            .to_owned(),
        known => format!("how 1fichier behaves: {known} of {} answers are known", rows.len()),
    }))
}

#[derive(Debug, PartialEq, Eq)]
enum Finding {
    Good(String),
    Warning(String),
    Error(String),
}

impl Finding {
    fn text(&self) -> String {
        match self {
            Finding::Good(what) => format!("ok       {what}"),
            Finding::Warning(what) => format!("warning  {what}"),
            Finding::Error(what) => format!("error    {what}"),
        }
    }
}

fn findings(config: &Config, inotify: &Path) -> Vec<Finding> {
    let mut findings = vec![configuration(config), key(config)];
    findings.extend(config.account.ca_file.as_deref().map(ca_file));
    findings.push(state_dir(&config.state_dir));
    findings.extend(config.mirrors.iter().map(|mirror| source(&mirror.name, &mirror.source)));
    findings.push(watches(inotify));
    findings
}

fn configuration(config: &Config) -> Finding {
    let path = config.path.display();
    match config.mirrors.len() {
        0 => Finding::Warning(format!("{path}: no mirror is configured")),
        1 => Finding::Good(format!("{path}: 1 mirror")),
        many => Finding::Good(format!("{path}: {many} mirrors")),
    }
}

fn key(config: &Config) -> Finding {
    match config.account.key.read() {
        Ok(_) => Finding::Good(format!("API key: {}", config.account.key)),
        Err(error) => Finding::Error(format!("API key: {error}")),
    }
}

fn ca_file(path: &Path) -> Finding {
    match fs::read_to_string(path) {
        Ok(text) if text.contains("-----BEGIN CERTIFICATE-----") => {
            Finding::Good(format!("certificates: {}", path.display()))
        }
        Ok(_) => Finding::Error(format!("{} holds no certificate in PEM form", path.display())),
        Err(error) => Finding::Error(format!("{} cannot be read: {error}", path.display())),
    }
}

/// Whether the folder, or the first of its parents that exists, can be written to.
fn state_dir(path: &Path) -> Finding {
    let shown = path.display();
    let Some(existing) = path.ancestors().find(|ancestor| ancestor.exists()) else {
        return Finding::Error(format!("state folder {shown}: none of its parents exists"));
    };
    if !existing.is_dir() {
        return Finding::Error(format!(
            "state folder {shown}: {} is no folder",
            existing.display()
        ));
    }
    let may = Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK;
    match access(existing, may) {
        Err(error) => Finding::Error(format!(
            "state folder {shown}: {} cannot be written to: {error}",
            existing.display()
        )),
        Ok(()) if existing == path => Finding::Good(format!("state folder {shown}")),
        Ok(()) => Finding::Good(format!("state folder {shown}, will be made")),
    }
}

/// A source that is not there is waited for: disks come late.
fn source(name: &str, path: &Path) -> Finding {
    let shown = path.display();
    match fs::read_dir(path).map(|mut entries| entries.next().is_none()) {
        Ok(false) => Finding::Good(format!("mirror {name}: {shown}")),
        Ok(true) => Finding::Warning(format!(
            "mirror {name}: {shown} is empty; if it was not before, that is taken for a disk that \
             is not mounted"
        )),
        Err(error) => Finding::Warning(format!(
            "mirror {name}: {shown} cannot be read ({error}); the mirror waits until it can"
        )),
    }
}

fn watches(inotify: &Path) -> Finding {
    let read = |name: &str| {
        let text = fs::read_to_string(inotify.join(name)).ok()?;
        text.trim().parse::<u64>().ok()
    };
    let (Some(watches), Some(instances)) = (read("max_user_watches"), read("max_user_instances"))
    else {
        let what = "the limits of inotify are hidden from this process; `fichierd status` tells \
                    whether they were high enough";
        return Finding::Good(what.to_owned());
    };
    if watches < FEW_WATCHES {
        return Finding::Warning(format!(
            "at most {watches} folders can be watched; raise it: sysctl -w \
             fs.inotify.max_user_watches=524288"
        ));
    }
    Finding::Good(format!("inotify: {watches} watches, {instances} instances a user"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A machine in a folder: configuration, key, state, source, limits.
    fn machine(watches: &str) -> (tempfile::TempDir, Config) {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for folder in ["state", "photos", "inotify"] {
            fs::create_dir(at(folder)).unwrap();
        }
        fs::write(at("photos/a.jpg"), "a").unwrap();
        fs::write(at("api_key"), "0123456789abcdefghijABCDEFGHIJ_-\n").unwrap();
        fs::set_permissions(at("api_key"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(at("inotify/max_user_watches"), watches).unwrap();
        fs::write(at("inotify/max_user_instances"), "128\n").unwrap();
        let root = dir.path().display();
        let text = format!(
            "state_dir = \"{root}/state\"\naccount.api_key_file = \"{root}/api_key\"\n\
             [[mirror]]\nname = \"photos\"\nsource = \"{root}/photos\"\ntarget = \"/photos\"\n"
        );
        fs::write(at("config.toml"), text).unwrap();
        let config = Config::load(Some(&at("config.toml"))).unwrap();
        (dir, config)
    }

    fn said(dir: &Path, config: &Config) -> String {
        let lines = findings(config, &dir.join("inotify"));
        let lines: Vec<_> = lines.iter().map(Finding::text).collect();
        lines.join("\n").replace(dir.to_str().unwrap(), "")
    }

    #[test]
    fn a_machine_that_is_ready_is_told_so() {
        let (dir, config) = machine("524288\n");
        expect_test::expect![[r#"
            ok       /config.toml: 1 mirror
            ok       API key: /api_key
            ok       state folder /state
            ok       mirror photos: /photos
            ok       inotify: 524288 watches, 128 instances a user"#]]
        .assert_eq(&said(dir.path(), &config));
    }

    #[test]
    fn a_missing_source_and_low_limits_are_warnings() {
        let (dir, mut config) = machine("8192\n");
        config.mirrors[0].source = dir.path().join("not-mounted");
        expect_test::expect![[r#"
            ok       /config.toml: 1 mirror
            ok       API key: /api_key
            ok       state folder /state
            warning  mirror photos: /not-mounted cannot be read (No such file or directory (os error 2)); the mirror waits until it can
            warning  at most 8192 folders can be watched; raise it: sysctl -w fs.inotify.max_user_watches=524288"#]].assert_eq(&said(dir.path(), &config));
    }

    #[test]
    fn a_key_for_all_eyes_and_a_state_folder_that_is_a_file_are_errors() {
        let (dir, mut config) = machine("");
        let key = dir.path().join("api_key");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
        config.state_dir = key;
        config.account.ca_file = Some(dir.path().join("config.toml"));
        config.mirrors.clear();
        expect_test::expect![[r#"
            warning  /config.toml: no mirror is configured
            error    API key: /api_key may be read by others (mode 0644); run: chmod 600 /api_key
            error    /config.toml holds no certificate in PEM form
            error    state folder /api_key: /api_key is no folder
            ok       the limits of inotify are hidden from this process; `fichierd status` tells whether they were high enough"#]].assert_eq(&said(dir.path(), &config));
    }
}
