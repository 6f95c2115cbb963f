//! `fichierd remote download --decrypt`: files and folders of an encrypted mirror.

use std::sync::Arc;

use fichier_emulator::Damage;
use rclone_formats::crypt::names::{Encoding, NameScheme};
use rclone_formats::crypt::{Encryptor, Keys};

use super::*;
use crate::base::{Crypt, Form};

fn form(scheme: NameScheme) -> Form {
    let keys = Keys::derive(b"a password", None).unwrap();
    Form::Crypt(Arc::new(Crypt::new(keys, scheme).unwrap()))
}

fn forms() -> Vec<Form> {
    let standard = |encoding| NameScheme::Standard { encoding, folders: true };
    let encodings = [Encoding::Base32, Encoding::Base64, Encoding::Base32768];
    let mut forms: Vec<Form> = encodings.map(standard).map(form).to_vec();
    forms.push(form(NameScheme::Off { suffix: ".bin".to_owned() }));
    forms
}

fn sealed(form: &Form, plain: &[u8]) -> Vec<u8> {
    let cipher = form.new_cipher().unwrap();
    let mut object = Vec::new();
    let mut encryptor: Encryptor = form.crypt().unwrap().encryptor(&cipher);
    encryptor.push(plain, |bytes| object.extend_from_slice(bytes));
    encryptor.finish(|bytes| object.extend_from_slice(bytes));
    object
}

fn bytes(size: usize) -> Vec<u8> {
    (0..=250).cycle().take(size).collect()
}

/// Stores a file below `/backups/photos`, in this form. Returns its link and its stored path.
fn store(world: &World, form: &Form, path: &str, plain: &[u8]) -> (String, String) {
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
    let mut folder = "/backups/photos".to_owned();
    for part in folders.split('/').filter(|part| !part.is_empty()) {
        folder = format!("{folder}/{}", form.folder_name(part.as_bytes()).as_str());
    }
    let name = form.file_name(name.as_bytes());
    let link = world.emulator.add_file(&folder, name.as_str(), &sealed(form, plain));
    (link, format!("{folder}/{}", name.as_str()))
}

impl World {
    async fn decrypt(&self, form: &Form, words: &[&str]) -> Result<Exit, (Exit, String)> {
        let line = ["fichierd", "remote", "download"].into_iter().chain(words.iter().copied());
        let command = Cli::try_parse_from(line).unwrap().command;
        let Command::Configured(Configured::Remote(args)) = command else { unreachable!() };
        let RemoteCommand::Download(download) = args.command else { unreachable!() };
        let (client, _) = connect(&self.config).unwrap();
        let tree = Tree::new(client.clone());
        let mut remote = Remote { client, tree, config: &self.config, json: true };
        let ended = download::read(download, form.clone(), &mut remote).await;
        ended.map_err(|error| (exit_of(&error), format!("{error:#}")))
    }

    /// The files below a folder, and their contents.
    fn below(&self, name: &str) -> Vec<(String, Vec<u8>)> {
        let mut found = Vec::new();
        let mut folders = vec![self.path(name)];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let below = path.strip_prefix(self.path(name)).unwrap();
                found.push((below.to_str().unwrap().to_owned(), fs::read(&path).unwrap()));
            }
        }
        found.sort();
        found
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_found_by_its_plain_and_by_its_stored_path_and_deciphered() {
    for form in forms() {
        let world = World::new().await;
        let plain = bytes(70_000);
        let (link, stored) = store(&world, &form, "summer's day/it's $5.txt", &plain);
        fs::create_dir(world.path("back")).unwrap();
        let typed = [stored.as_str(), "/backups/photos/summer's day/it's $5.txt", &link];
        for (number, typed) in typed.into_iter().enumerate() {
            let dest = world.path(&format!("back/{number}"));
            fs::create_dir(&dest).unwrap();
            let ended = world.decrypt(&form, &[typed, dest.to_str().unwrap()]).await;
            assert_eq!(ended, Ok(Exit::Done), "{typed}");
            let name = format!("back/{number}");
            assert!(world.below(&name) == [("it's $5.txt".to_owned(), plain.clone())], "{typed}");
        }
        world.emulator.assert_no_violations();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_comes_with_all_that_can_be_read_in_it() {
    for form in forms() {
        let world = World::new().await;
        let files = [("a", 0), ("b/c", 65_536), ("b/d e/f", 15), ("z", 200_000)];
        let mut expected: Vec<_> =
            files.iter().map(|(path, size)| ((*path).to_owned(), bytes(*size))).collect();
        expected.sort();
        for (path, plain) in &expected {
            store(&world, &form, path, plain);
        }
        world.emulator.add_file("/backups/photos/.fichierd/versions", "old", b"?");
        let back = world.path("back");
        let words = ["/backups/photos", back.to_str().unwrap()];
        assert_eq!(world.decrypt(&form, &words).await, Ok(Exit::Done));
        assert!(world.below("back") == expected);
        // The folder is there by now, and gets another one in it.
        assert_eq!(world.decrypt(&form, &words).await, Ok(Exit::Done));
        assert!(world.below("back/photos") == expected);
        let (exit, said) = world.decrypt(&form, &words).await.unwrap_err();
        assert_eq!(exit, Exit::Failed);
        assert!(said.ends_with("back/photos exists already"), "{said}");
        world.emulator.assert_no_violations();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_damaged_or_cannot_be_read_is_left_out_and_told_and_the_rest_comes() {
    let (world, form) = (World::new().await, form(NameScheme::default()));
    let (damaged, _) = store(&world, &form, "damaged", &bytes(70_000));
    world.emulator.damage_content(&damaged, Damage::Silent);
    store(&world, &form, "whole", b"whole");
    store(&world, &form, "whole", b"another one of that name");
    world.emulator.add_file("/backups/photos", "put there by hand.txt", b"plain");
    let foreign = form.file_name(b"foreign");
    world.emulator.add_file("/backups/photos", foreign.as_str(), b"not encrypted at all");
    let back = world.path("back");
    let words = ["/backups/photos", back.to_str().unwrap()];
    assert_eq!(world.decrypt(&form, &words).await, Ok(Exit::Problems));
    let names: Vec<_> = world.below("back").into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["whole"], "no other name, and no unfinished file");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_or_flipped_object_leaves_no_file_of_that_name() {
    let form = form(NameScheme::default());
    let object = sealed(&form, &bytes(200_000));
    let flipped = |at: usize| {
        let mut object = object.clone();
        object[at] ^= 1;
        object
    };
    let cut = |length: usize| object[..length].to_vec();
    let cases: [Vec<u8>; 9] = [
        cut(1),
        cut(31),
        cut(65_583),
        cut(131_136),
        cut(object.len() - 1),
        flipped(0),
        flipped(20),
        flipped(40),
        flipped(70_000),
    ];
    for (number, damaged) in cases.into_iter().enumerate() {
        let world = World::new().await;
        let name = form.file_name(b"a");
        let link = world.emulator.add_file("/backups/photos", name.as_str(), &object);
        // The listing tells what was sent; these are other bytes.
        world.emulator.truncate_content(&link, 10, Damage::Silent);
        let other = world.emulator.add_file("/elsewhere", "b", &damaged);
        for (place, dest) in [("/backups/photos/a", "of the record"), (other.as_str(), "of itself")]
        {
            // What is cut at the end of a block is whole for all that its listing tells.
            if place == other && damaged.len() == 131_136 {
                continue;
            }
            let to = world.path(dest);
            let (exit, said) =
                world.decrypt(&form, &[place, to.to_str().unwrap()]).await.unwrap_err();
            assert_eq!(exit, Exit::TryLater, "{number}: {said}");
            assert!(!to.exists(), "{number}: {said}");
        }
        let left: Vec<_> = fs::read_dir(world.dir.path()).unwrap().flatten().collect();
        let is_unfinished = |entry: &fs::DirEntry| {
            entry.file_name().to_string_lossy().starts_with(".fichierd-download")
        };
        assert!(!left.iter().any(is_unfinished), "{number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_password_reads_nothing_and_a_plain_mirror_needs_none() {
    let (world, form) = (World::new().await, form(NameScheme::default()));
    let (_, stored) = store(&world, &form, "a", b"secret");
    let keys = Keys::derive(b"another password", None).unwrap();
    let other = Form::Crypt(Arc::new(Crypt::new(keys, NameScheme::default()).unwrap()));
    let to = world.path("a");
    let refused = world.decrypt(&other, &[&stored, to.to_str().unwrap()]).await.unwrap_err();
    assert!(refused.1.contains("was encrypted with another password or salt"), "{refused:?}");
    assert!(!to.exists());
    let plain = world.remote(&["download", "--decrypt", "photos", &stored]).await.unwrap_err();
    assert_eq!(plain, (Exit::Usage, "the mirror `photos` is not encrypted".to_owned()));
    let none = world.remote(&["download", "--decrypt", "videos", &stored]).await.unwrap_err();
    assert_eq!(none, (Exit::Usage, "there is no mirror `videos`".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_whose_hash_nobody_tells_is_compared_by_its_size() {
    let untold = HashLag { result: FOR_EVER, listing: FOR_EVER, info: FOR_EVER };
    let world = World::with(|rules| rules.hash_lag = untold).await;
    let form = form(NameScheme::default());
    let (link, stored) = store(&world, &form, "a", &bytes(200_000));
    let to = world.path("whole");
    assert_eq!(world.decrypt(&form, &[&stored, to.to_str().unwrap()]).await, Ok(Exit::Done));
    assert!(fs::read(&to).unwrap() == bytes(200_000));
    world.emulator.truncate_content(&link, 131_136, Damage::Silent);
    let to = world.path("cut");
    let (exit, said) = world.decrypt(&form, &[&stored, to.to_str().unwrap()]).await.unwrap_err();
    assert_eq!(exit, Exit::TryLater);
    assert!(said.contains("bytes, got 131136"), "{said}");
    assert!(!to.exists());
}
