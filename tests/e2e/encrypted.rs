//! The life of an encrypted mirror, as its administrator drives it: sent, restored, recovered on a new
//! machine, with a wrong password, and encrypted again with another one.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use fichier_testkit::{Machine, tree, until, write};
use rustix::process::Signal;

use crate::PROGRAM;
use crate::restoring::next_second;

const PASSWORD: &str = "correct horse battery staple";

fn set_password(world: &Machine, password: &str) {
    let file = world.path("password");
    fs::write(&file, format!("{password}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
}

/// A mirror with a few files, encrypted and sent.
fn encrypted() -> Machine {
    let mut world = Machine::of(PROGRAM);
    set_password(&world, PASSWORD);
    let password = world.path("password").display().to_string();
    world.add_mirror("photos", &format!("encrypt = {{ password_file = \"{password}\" }}"));
    for n in 0..20 {
        write(&world.source("photos").join(format!("album {n}/photo {n}")), format!("bytes {n}"));
    }
    write(&world.source("photos").join("empty"), "");
    write(&world.source("photos").join("large"), "x".repeat(200_000));
    world.run(&["sync"]).expect(0).says("22 sent");
    world
}

fn restored(world: &Machine, name: &str) -> tree::Tree {
    let dest = world.path(name);
    world.run(&["restore", "photos", dest.to_str().unwrap()]).expect(0);
    assert!(dest.join("empty").exists());
    tree::on_disk(&dest)
}

#[test]
fn an_encrypted_mirror_comes_back_also_on_a_machine_that_has_nothing_but_key_and_password() {
    let world = encrypted();
    let stored = world.emulator.files();
    assert!(stored.iter().all(|file| !file.name.contains("photo") && !file.name.contains("large")));
    let there = tree::on_disk(&world.source("photos"));
    assert_eq!(restored(&world, "one"), there);
    world.run(&["verify", "photos", "--full"]).expect(0);
    world.run(&["drill", "photos"]).expect(0);
    let listed = world.run(&["ls", "photos"]).expect(0);
    listed.says("album 3").says("large");

    // Records and configuration are gone.
    let sent = world.emulator.bytes_received();
    fs::remove_dir_all(world.path("state")).unwrap();
    let config = fs::read_to_string(world.config()).unwrap();
    let bare: String =
        config.split_inclusive('\n').take_while(|line| !line.starts_with("[[mirror]]")).collect();
    fs::write(world.config(), bare).unwrap();
    let target = "/backup/photos";
    let refused = world.run(&["recover", "--target", target]).expect(78);
    assert!(refused.stderr.contains("--password-file"), "{}", refused.stderr);
    let password = world.path("password").display().to_string();
    set_password(&world, "a wrong one");
    let wrong = world.run(&["recover", "--target", target, "--password-file", &password]);
    let wrong = wrong.expect(78);
    assert!(wrong.stderr.contains("is not the one"), "{}", wrong.stderr);
    set_password(&world, PASSWORD);
    let ran = world.run(&["recover", "--target", target, "--password-file", &password]).expect(0);
    ran.says("recovered `photos` from ").says("2 of 2 files as recorded");

    // The configuration is still bare, so that the files are locked without the password.
    let dest = world.path("two");
    let dest_text = dest.to_str().unwrap();
    let locked = world.run(&["restore", "photos", dest_text]).expect(3);
    assert!(locked.stdout.contains("--password-file"), "{}", locked.stdout);
    world.run(&["restore", "photos", dest_text, "--password-file", &password]).expect(0);
    assert_eq!(tree::on_disk(&dest), there);

    fs::write(world.config(), config).unwrap();
    world.run(&["sync"]).expect(0);
    assert_eq!(world.emulator.bytes_received(), sent, "nothing is sent again");
}

#[test]
fn a_wrong_or_missing_password_ends_a_run_before_its_first_call() {
    let world = encrypted();
    let before = world.emulator.calls();
    set_password(&world, "a wrong one");
    // The remedies of a held mirror do nothing before it is held, and say so.
    for how in ["--encrypt-again", "--take-over"] {
        let early = world.run(&["approve", how, "photos"]).expect(4);
        early.says("nothing was approved").says("fichierd sync photos");
    }
    let ran = world.run(&["sync"]).expect(78);
    ran.says("the password, or the salt, is not the one").says("approve --encrypt-again photos");
    world.run(&["status"]).says("the password is not the one of the files");
    world.run(&["approve", "photos"]).expect(4);
    fs::remove_file(world.path("password")).unwrap();
    let missing = world.run(&["sync"]).expect(78);
    assert!(missing.stderr.contains("password_file"), "{}", missing.stderr);
    assert_eq!(world.emulator.calls_since(before), Vec::<String>::new());

    set_password(&world, "a wrong one");
    world.run(&["sync"]).expect(78);
    world.run(&["approve", "--encrypt-again", "photos"]).expect(0).says("sent again, encrypted");
    world.run(&["sync"]).expect(0).says("22 sent");
    assert_eq!(restored(&world, "three"), tree::on_disk(&world.source("photos")));
}

#[test]
fn e19_a_version_of_a_former_password_comes_back_with_the_file_of_that_password() {
    let world = encrypted();
    let before = tree::on_disk(&world.source("photos"));
    let then = next_second();
    write(&world.source("photos").join("album 3/photo 3"), "edited");
    let former = world.path("former");
    fs::copy(world.path("password"), &former).unwrap();
    set_password(&world, "another one");
    world.run(&["sync"]).expect(78);
    world.run(&["approve", "--encrypt-again", "photos"]).expect(0);
    world.run(&["sync"]).expect(0).says("22 sent");

    let dest = world.path("then");
    let restore = ["restore", "photos", dest.to_str().unwrap(), "--at", &then];
    let locked = world.run(&restore).expect(3);
    assert!(locked.stdout.contains("--password-file"), "{}", locked.stdout);
    assert!(!dest.join("album 3/photo 3").exists());
    let with_former = [&restore[..], &["--password-file", former.to_str().unwrap()]].concat();
    world.run(&with_former).expect(0);
    assert_eq!(tree::on_disk(&dest), before);

    // `status` asks whether they are to go, and they go when that is wanted.
    let asked = world.run(&["status"]).says("stored plain or with a former password");
    asked.says("22 earlier versions").says("fichierd approve --remove-plain photos");
    let approved = world.run(&["approve", "--remove-plain", "photos"]).expect(0);
    approved.says("approved: 22 versions in a former form").says("can no longer be restored");
    world.run(&["status"]).says("(195 KiB), being");
    world.run(&["sync"]).expect(0);
    let status = world.run(&["status"]).expect(0);
    assert!(!status.stdout.contains("former password"), "{}", status.stdout);
    world.run(&["approve", "--remove-plain", "photos"]).expect(0).says("nothing is held");
    assert_eq!(restored(&world, "now"), tree::on_disk(&world.source("photos")));
}

#[test]
fn a_running_service_refuses_a_changed_password_and_goes_on_with_the_one_it_has() {
    let mut world = encrypted();
    world.start();
    let refuses = |world: &Machine| {
        let told = world.status().map(|status| status.to_string());
        told.is_some_and(|told| told.contains("has another password, or salt, than its files"))
    };
    set_password(&world, "another one");
    world.service().signal(Signal::HUP);
    until("the reload is refused", || refuses(&world).then_some(()));
    set_password(&world, PASSWORD);
    world.service().signal(Signal::HUP);
    until("the reload is taken", || (!refuses(&world)).then_some(()));
    let files = world.emulator.files().len();
    write(&world.source("photos").join("later"), "sent with the right password");
    until("the file is sent", || (world.emulator.files().len() > files).then_some(()));
    let service = world.take_service();
    service.signal(Signal::TERM);
    assert_eq!(service.ended(), Some(0));
    assert_eq!(restored(&world, "four"), tree::on_disk(&world.source("photos")));
}
