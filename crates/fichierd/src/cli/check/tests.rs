//! Each finding, good and bad, on a machine that is imitated in a folder.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;
use crate::base::words::WIDTH;

/// A machine in a folder: configuration, key, state, source, limits.
fn machine(watches: &str) -> (tempfile::TempDir, Config) {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    for folder in ["state", "photos", "inotify", "units"] {
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

fn found(dir: &Path, config: &Config) -> Vec<Finding> {
    let host =
        Host { inotify: dir.join("inotify"), units: vec![dir.join("units")], is_root: false };
    let mut findings = findings(config, &host);
    // The room on the disk depends on the machine that runs the test.
    findings.retain(|finding| finding.about != "room");
    findings
}

fn said(dir: &Path, config: &Config) -> String {
    let short = |text: &str| text.replace(dir.to_str().unwrap(), "");
    let lines: Vec<_> = found(dir, config)
        .into_iter()
        .map(|mut finding| {
            finding.what = short(&finding.what);
            finding.remedy = finding.remedy.as_deref().map(&short);
            finding.text()
        })
        .collect();
    let text = lines.join("\n");
    let widest = text.lines().map(|line| line.chars().count()).max().unwrap();
    assert!(widest <= WIDTH, "{widest} columns:\n{text}");
    text
}

#[test]
fn a_machine_that_is_ready_is_told_so() {
    let (dir, config) = machine("524288\n");
    expect_test::expect![[r#"
        ok       /config.toml: 1 mirror
        ok       API key: /api_key
        ok       state folder /state
        ok       mirror photos: /photos
        ok       mirror photos: its entries can be read (1 looked at)
        ok       inotify: 524,288 watches for 1 folder, 128 instances a user"#]]
    .assert_eq(&said(dir.path(), &config));
}

#[test]
fn a_missing_source_and_low_limits_are_warnings_with_a_remedy() {
    let (dir, mut config) = machine("8192\n");
    config.mirrors[0].source = dir.path().join("not-mounted");
    expect_test::expect![[r#"
        ok       /config.toml: 1 mirror
        ok       API key: /api_key
        ok       state folder /state
        warning  mirror photos: the source /not-mounted does not exist; the mirror waits
                 what to do: mount its disk, or correct `source` in /config.toml; see:
                   ls -ld /not-mounted
        warning  at most 8,192 folders can be watched, and 0 folders would be
                 what to do: sysctl -w fs.inotify.max_user_watches=524288; and put
                   fs.inotify.max_user_watches=524288 into
                   /etc/sysctl.d/60-fichierd.conf"#]]
    .assert_eq(&said(dir.path(), &config));
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
                 what to do: add a [[mirror]] with source and target to /config.toml
        error    API key: /api_key may be read by others (mode 0644)
                 what to do: chmod 600 /api_key
        error    /config.toml holds no certificate in PEM form
                 what to do: correct `ca_file` in the configuration
        error    state folder /api_key: /api_key is no folder
                 what to do: correct `state_dir` in the configuration
        ok       the limits of inotify are hidden from this process; `fichierd status`
                   tells whether they were high enough"#]]
    .assert_eq(&said(dir.path(), &config));
}

#[test]
fn each_finding_that_is_not_good_has_a_remedy_and_the_json_shows_it() {
    let (dir, mut config) = machine("8192\n");
    fs::set_permissions(dir.path().join("api_key"), fs::Permissions::from_mode(0o644)).unwrap();
    config.mirrors[0].source = dir.path().join("not-mounted");
    let found = found(dir.path(), &config);
    let bad: Vec<_> = found.iter().filter(|finding| finding.level != Level::Ok).collect();
    assert_eq!(bad.len(), 3, "{found:#?}");
    for finding in bad {
        assert!(finding.remedy.as_ref().is_some_and(|remedy| !remedy.is_empty()), "{finding:?}");
        let json = serde_json::to_value(finding).unwrap();
        assert!(json["level"] == "warning" || json["level"] == "error", "{json}");
        assert!(json["about"].is_string() && json["mend"].is_string(), "{json}");
    }
}

#[test]
fn watches_and_instances_are_measured_against_the_folders() {
    let limits = |watches: &str, instances: &str, folders| {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("max_user_watches"), watches).unwrap();
        fs::write(dir.path().join("max_user_instances"), instances).unwrap();
        machine::watches(dir.path(), folders, 2)
    };
    assert_eq!(limits("70000", "128", 60_000).level, Level::Ok);
    let few = limits("70000", "128", 400_000);
    assert_eq!(few.level, Level::Warning);
    let remedy = few.remedy.unwrap();
    assert!(remedy.contains("sysctl -w fs.inotify.max_user_watches=1048576"), "{remedy}");
    let instances = limits("524288", "128", 400_000);
    assert!(instances.remedy.unwrap().contains("max_user_instances=512"), "{}", instances.what);
}

#[test]
fn room_for_the_state_is_enough_little_or_none() {
    let of = |free| machine::room_of(Path::new("/var/lib/fichierd"), free).level;
    assert_eq!(
        [of(1 << 30), of(100 << 20), of(1 << 20)],
        [Level::Ok, Level::Warning, Level::Error]
    );
}

#[test]
fn a_source_that_is_another_than_on_record_is_told() {
    let (dir, config) = machine("524288\n");
    let mirror = &config.mirrors[0];
    let mut store = fichier_state::Store::open(&config.state_dir).unwrap();
    let other = crate::disk::RootIdentity {
        uuid: Some("another file system".to_owned()),
        inode: 7,
        top: vec![b"old".to_vec()],
    };
    store
        .write(|w| {
            let row = w.add_mirror(&mirror.name, &mirror.source, &mirror.target)?;
            let copy = fichier_state::RemoteCopy {
                url: fichier_api::FileUrl::parse("https://1fichier.com/?0123456789abcdefghij")
                    .unwrap(),
                whirlpool: fichier_api::Whirlpool::from_bytes([1; 64]),
                fingerprint: fichier_api::Fingerprint::from_bytes([1; 32]),
                remote_name: None,
                confirmed_s: 1,
                origin: fichier_state::Origin::Sent,
                unsettled: false,
                cipher: None,
            };
            w.put_entry(&fichier_state::Entry {
                folder: row.root,
                name: b"old".to_vec(),
                stamp: fichier_state::Stamp { size_bytes: 1, mtime_ns: 1, ctime_ns: 1, inode: 1 },
                metadata: fichier_state::Metadata::default(),
                content: fichier_state::Content::File(copy),
                racy: false,
                unmanaged: false,
            })?;
            w.update_mirror(&fichier_state::Mirror { identity: Some(other.to_text()), ..row })
        })
        .unwrap();
    store.close().unwrap();
    let found = found(dir.path(), &config);
    let source = found.iter().find(|finding| finding.about == "source").unwrap();
    let has_id = crate::disk::root::identify(&mirror.source).unwrap().uuid.is_some();
    assert_eq!(source.level == Level::Warning, has_id, "{source:?}");
    if has_id {
        assert!(source.what.contains("on another file system"), "{source:?}");
        assert!(source.remedy.as_ref().unwrap().contains("fichierd approve photos"), "{source:?}");
    }
}

#[test]
fn what_the_services_user_may_not_read_is_counted() {
    let (dir, config) = machine("524288\n");
    let photos = dir.path().join("photos");
    fs::create_dir(photos.join("private")).unwrap();
    fs::write(photos.join("private/b.jpg"), "b").unwrap();
    fs::write(photos.join("secret.jpg"), "s").unwrap();
    let mode = |name: &str, mode| {
        fs::set_permissions(photos.join(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    mode("private", 0o700);
    mode("secret.jpg", 0o600);
    mode("a.jpg", 0o644);
    let passwd = "root:x:0:0::/:/bin/sh\nfichierd:x:987:987::/:/bin/false\n";
    let group = "root:x:0:\nfichierd:x:987:\nphotos:x:1200:ann,fichierd\n";
    let reader = sources::Reader::from(987, passwd, group).unwrap();
    assert_eq!((reader.user.as_str(), &*reader.gids), ("fichierd", &[987, 1200][..]));
    let (found, folders) = sources::look(&config, &config.mirrors[0], Some(&reader), None);
    let permissions = found.iter().find(|finding| finding.about == "permissions").unwrap();
    assert_eq!(permissions.level, Level::Warning);
    assert!(permissions.what.contains("fichierd may not read 2 of 3 paths"), "{permissions:?}");
    assert!(permissions.remedy.as_ref().unwrap().contains("setfacl"), "{permissions:?}");
    assert_eq!(folders, 1, "what cannot be read is not watched");
    mode("private", 0o755);
    mode("secret.jpg", 0o644);
    mode("private/b.jpg", 0o644);
    let (found, folders) = sources::look(&config, &config.mirrors[0], Some(&reader), None);
    assert!(found.iter().all(|finding| finding.level == Level::Ok), "{found:?}");
    assert_eq!(folders, 2);
}

#[test]
fn a_unit_that_drifted_is_told_with_what_differs_and_drop_ins_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let folders = [dir.path().join("etc"), dir.path().join("usr")];
    assert!(unit::Unit::installed(&folders).is_none());
    fs::create_dir_all(folders[1].join("fichierd.service.d")).unwrap();
    let path = folders[1].join("fichierd.service");
    // Another place for the program is no drift.
    fs::write(&path, unit::SHIPPED.replace("/usr/bin/fichierd", "/opt/fichierd")).unwrap();
    assert_eq!(unit::Unit::installed(&folders).unwrap().finding().level, Level::Ok);
    let old = unit::SHIPPED
        .replace("WatchdogSec=60\n", "")
        .replace("ProtectHome=read-only", "ProtectHome=no");
    fs::write(&path, old).unwrap();
    fs::write(folders[1].join("fichierd.service.d/own.conf"), "[Service]\nAmbientCapabilities=\n")
        .unwrap();
    let installed = unit::Unit::installed(&folders).unwrap();
    let drift = installed.finding();
    assert_eq!(drift.level, Level::Warning);
    for words in
        ["lacks ProtectHome=read-only WatchdogSec=60", "in addition ProtectHome=no", "own.conf"]
    {
        assert!(drift.what.contains(words), "{words}: {drift:?}");
    }
    assert!(drift.remedy.unwrap().contains("systemctl daemon-reload"));
    assert_eq!(installed.setting("AmbientCapabilities"), Some(""));
}
