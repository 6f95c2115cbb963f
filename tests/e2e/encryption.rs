//! The passwords of an encrypted mirror, from the side of the administrator: are they readable, and
//! are they kept in another place?

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use fichier_testkit::{Machine, write};
use rclone_formats::conf::{Conf, CryptSection};

use crate::PROGRAM;

const PASSWORD: &str = "correct horse battery staple";
const ASKS: &str = "nobody has confirmed that";

fn password_file(world: &Machine) -> PathBuf {
    world.path("photos.password")
}

fn set_password(world: &Machine, password: &str, mode: u32) {
    fs::write(password_file(world), password).unwrap();
    fs::set_permissions(password_file(world), fs::Permissions::from_mode(mode)).unwrap();
}

/// A machine with an encrypted mirror, and another one that is not.
fn encrypted() -> Machine {
    let mut world = Machine::of(PROGRAM);
    set_password(&world, PASSWORD, 0o600);
    let password = password_file(&world).display().to_string();
    world.add_mirror("photos", &format!("encrypt = {{ password_file = \"{password}\" }}"));
    world.add_plain_mirror("music");
    world
}

/// What was said, without the breaks of its lines.
fn words_of(said: &str) -> String {
    said.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn is_kept(world: &Machine) -> [serde_json::Value; 2] {
    let status = world.run(&["status", "--json"]).expect(0).stdout;
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    [0, 1].map(|at| status["mirrors"][at]["encryption"]["password_kept"].clone())
}

#[test]
fn status_and_check_ask_for_the_sheet_until_it_is_confirmed_for_the_password_in_use() {
    let world = encrypted();
    world.run(&["check"]).expect(0).says(ASKS).says("fichierd recovery-sheet --confirm");
    world.run(&["status"]).expect(0).says(ASKS);
    assert_eq!(is_kept(&world), [false.into(), serde_json::Value::Null]);

    let sheet = world.run(&["recovery-sheet"]).expect(0).says("[photos-crypt]").stdout;
    assert!(!sheet.contains(PASSWORD) && !sheet.contains("music-crypt"), "{sheet}");
    let sheet = world.run(&["recovery-sheet", "--with-secrets"]).expect(0);
    let sheet = sheet.says("THIS SHEET HOLDS PASSWORDS").stdout;
    let conf: String = sheet.lines().map(|line| format!("{}\n", line.trim())).collect();
    let (_, conf) = conf.split_once("rclone.conf:\n").unwrap();
    let (conf, _) = conf.split_once("rclone ls").unwrap();
    let section = Conf::parse(conf).unwrap().section("photos-crypt").map(CryptSection::read);
    let section = section.unwrap().unwrap();
    assert_eq!(section.password(), PASSWORD.as_bytes());
    assert_eq!(section.remote, "fichier:backup/photos");
    world.run(&["status"]).expect(0).says(ASKS);

    world.run(&["recovery-sheet", "--confirm"]).expect(0).says("photos: recorded");
    assert_eq!(is_kept(&world), [true.into(), serde_json::Value::Null]);
    for command in ["status", "check"] {
        let said = world.run(&[command]).expect(0).stdout;
        assert!(!said.contains(ASKS), "{said}");
    }

    set_password(&world, "another one", 0o600);
    world.run(&["check"]).expect(0).says(ASKS);
}

#[test]
fn a_running_service_takes_the_confirmation() {
    let mut world = encrypted();
    world.start();
    world.run(&["status"]).expect(0).says(ASKS);
    world.run(&["recovery-sheet", "--confirm"]).expect(0).says("photos: recorded");
    assert_eq!(is_kept(&world), [true.into(), serde_json::Value::Null]);
}

#[test]
fn a_password_that_cannot_be_read_is_told_before_anything_needs_it() {
    let world = encrypted();
    set_password(&world, PASSWORD, 0o644);
    let path = password_file(&world).display().to_string();
    let said = words_of(&world.run(&["check"]).expect(78).stdout);
    assert!(said.contains("photos.password may be read by others (mode 0644)"), "{said}");
    assert!(said.contains(&format!("what to do: chmod 600 {path}")), "{said}");
    for option in ["--with-secrets", "--confirm"] {
        let ran = world.run(&["recovery-sheet", option]).expect(78);
        assert_eq!(ran.stdout, "", "{option}");
        let said = format!("mirror photos: `password_file` cannot be used: {path} may be read");
        assert!(ran.stderr.contains(&said), "{}", ran.stderr);
    }
    world.run(&["recovery-sheet"]).expect(0).says(&path);
    set_password(&world, "\n", 0o600);
    let said = words_of(&world.run(&["check"]).expect(78).stdout);
    assert!(said.contains("photos.password is empty"), "{said}");
    assert_eq!(is_kept(&world), [false.into(), serde_json::Value::Null]);
}

#[test]
fn check_warns_of_an_obscured_password_and_of_names_that_become_too_long() {
    let world = encrypted();
    let obscured = rclone_formats::conf::obscure(PASSWORD.as_bytes(), [7; 16]);
    set_password(&world, &obscured, 0o600);
    let source = world.source("photos");
    for name in ["x".repeat(143), "y".repeat(144)] {
        write(&source.join(name), "");
    }
    fs::create_dir(source.join("z".repeat(200))).unwrap();
    let ran = world.run(&["check"]).expect(0).says("looks like an obscured password");
    let said = words_of(&ran.stdout);
    assert!(said.contains("the encrypted names of 2 of 3 paths are too long, such as"), "{said}");
    assert!(!ran.stdout.contains(&obscured), "{}", ran.stdout);

    world.run(&["sync"]).expect(0);
    let cut = |world: &Machine| world.mirror("photos")["encryption"]["cut_names"].clone();
    assert_eq!(cut(&world), 2);
    world.run(&["status"]).says("2 names are too long when encrypted");
    fs::remove_dir(source.join("z".repeat(200))).unwrap();
    world.run(&["sync"]).expect(0);
    assert_eq!(cut(&world), 1);
}
