//! The `remote` commands against the emulated service.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use clap::Parser;
use fichier_emulator::{Action, Emulator, EndPage, Fault, HashLag, NamesChanged, Offer, Rules};

use super::*;
use crate::cli::{Cli, Command, Configured, exit_of};

mod decrypt;

const SCALE: u32 = 1_000;

/// An account, and a configuration that leads to it.
struct World {
    dir: tempfile::TempDir,
    emulator: Emulator,
    config: Config,
}

impl World {
    async fn new() -> World {
        World::with(|_| {}).await
    }

    async fn with(set: impl FnOnce(&mut Rules)) -> World {
        let mut rules = Rules::scaled(SCALE);
        set(&mut rules);
        let dir = tempfile::tempdir().unwrap();
        let emulator = Emulator::builder().rules(rules).start().await.unwrap();
        let key = dir.path().join("api_key");
        fs::write(&key, emulator.api_key()).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        let text = format!(
            "state_dir = \"{root}/state\"\n[account]\napi_key_file = \"{root}/api_key\"\n\
             api_url = \"{url}\"\n[pace]\ncalls_per_second = 2\ntime_scale = {SCALE}\n[[mirror]]\n\
             name = \"photos\"\nsource = \"{root}/photos\"\ntarget = \"/backups/photos\"\n",
            root = dir.path().display(),
            url = emulator.api_url(),
        );
        fs::write(dir.path().join("config.toml"), text).unwrap();
        let config = Config::load(Some(&dir.path().join("config.toml"))).unwrap();
        World { dir, emulator, config }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    /// Runs `fichierd remote` with these arguments; each a word.
    async fn remote(&self, words: &[&str]) -> Result<Exit, (Exit, String)> {
        let line = ["fichierd", "remote"].into_iter().chain(words.iter().copied());
        let command = Cli::try_parse_from(line).unwrap().command;
        let Command::Configured(Configured::Remote(args)) = command else {
            panic!("not a remote command");
        };
        let ended = run(args, &self.config).await;
        ended.map_err(|error| (exit_of(&error), format!("{error:#}")))
    }

    /// Every file as `folder/name`, sorted.
    fn files(&self) -> Vec<String> {
        let files = self.emulator.files().into_iter();
        let mut names: Vec<_> = files
            .map(|file| format!("{}/{}", file.path.trim_end_matches('/'), file.name))
            .collect();
        names.sort();
        names
    }
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_uploaded_comes_back_the_same() {
    let world = World::new().await;
    fs::write(world.path("it's $5.txt"), "some text\n").unwrap();
    world.remote(&["mkdir", "--parents", "/a/b"]).await.unwrap();
    let file = world.path("it's $5.txt");
    let sent = world.remote(&["upload", file.to_str().unwrap(), "/a/b"]).await;
    assert_eq!(sent, Ok(Exit::Done));
    assert_eq!(world.files(), ["/a/b/it＇s ＄5.txt"]);

    fs::create_dir(world.path("back")).unwrap();
    let back = world.path("back");
    world.remote(&["download", "/a/b/it's $5.txt", back.to_str().unwrap()]).await.unwrap();
    assert_eq!(text(&back.join("it's $5.txt")), "some text\n");
    assert_eq!(fs::read_dir(&back).unwrap().count(), 1, "no temporary file is left");
    world.emulator.assert_no_violations();
}

#[tokio::test(flavor = "multi_thread")]
async fn files_and_folders_are_moved_renamed_copied_and_removed() {
    let world = World::new().await;
    for folder in ["/x", "/y/sub"] {
        world.emulator.add_folder(folder);
    }
    world.emulator.add_file("/x", "one", b"1");
    world.emulator.add_file("/x", "two", b"22");
    world.remote(&["cp", "/x/one", "/x/two", "/y"]).await.unwrap();
    world.remote(&["mv", "/x/one", "/x/three"]).await.unwrap();
    world.remote(&["mv", "/x/two", "/y/sub/four"]).await.unwrap();
    world.remote(&["mv", "/y/sub", "/x/renamed"]).await.unwrap();
    world.remote(&["rm", "/y/one"]).await.unwrap();
    assert_eq!(world.files(), ["/x/renamed/four", "/x/three", "/y/two"]);
    world.remote(&["rm", "/y/two"]).await.unwrap();
    world.remote(&["rm", "/y"]).await.unwrap();
    assert!(!world.emulator.folders().contains(&"/y".to_owned()));
    world.emulator.assert_no_violations();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_do_harm_is_refused_and_nothing_happens() {
    let world = World::new().await;
    world.emulator.add_folder("/backups/photos");
    world.emulator.add_file("/backups/photos", "a.jpg", b"a");
    world.emulator.add_file("/backups/photos", "b.jpg", b"b");
    fs::write(world.path("a.jpg"), "other").unwrap();
    let local = world.path("a.jpg");
    let refused = async |words: &[&str]| world.remote(words).await.unwrap_err();
    let lack = "belongs to mirror `photos`, whose backup would lack it; to do it all the same, add \
                --force";
    let cases: [(&[&str], String); 6] = [
        (&["rm", "/backups/photos/a.jpg"], format!("/backups/photos/a.jpg {lack}")),
        (&["mv", "/backups", "/elsewhere"], format!("/backups {lack}")),
        (
            &["rm", "--force", "/backups"],
            "/backups is not empty; only empty folders are removed".to_owned(),
        ),
        (
            &["mv", "--force", "/backups/photos/a.jpg", "/backups/photos/b.jpg"],
            "/backups/photos/b.jpg exists already".to_owned(),
        ),
        (
            &["upload", local.to_str().unwrap(), "/backups/photos"],
            "`a.jpg` is in use in that folder".to_owned(),
        ),
        (
            &["download", "/backups/photos/a.jpg", local.to_str().unwrap()],
            format!("{} exists already", local.display()),
        ),
    ];
    for (words, expected) in cases {
        assert_eq!(refused(words).await, (Exit::Failed, expected));
    }
    assert_eq!(world.files(), ["/backups/photos/a.jpg", "/backups/photos/b.jpg"]);
    assert_eq!(text(&local), "other");
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_costs_one_listing_for_each_folder() {
    let world = World::new().await;
    world.emulator.add_folder("/a/b");
    world.emulator.add_file("/a/b", "c", b"c");
    let before = world.emulator.requests().len();
    world.remote(&["ls", "/a/b"]).await.unwrap();
    assert_eq!(world.emulator.calls_since(before), ["folder/ls.cgi"; 3]);
    let missing = world.remote(&["info", "/a/b/d"]).await.unwrap_err();
    assert_eq!(missing, (Exit::Failed, "there is no /a/b/d in the account".to_owned()));
    assert_eq!(world.remote(&["link", "/a/b/c", "--json"]).await, Ok(Exit::Done));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_key_ends_with_77_and_is_not_shown() {
    let world = World::new().await;
    world.emulator.revoke_key();
    let (exit, message) = world.remote(&["account"]).await.unwrap_err();
    assert_eq!(exit, Exit::Refused);
    assert!(!message.contains(world.emulator.api_key()), "{message}");
}

const FOR_EVER: std::time::Duration = std::time::Duration::from_secs(1000 * 24 * 3600);

async fn uploads(world: &World) -> Result<Exit, (Exit, String)> {
    fs::write(world.path("a"), "some text").unwrap();
    world.emulator.add_folder("/x");
    let file = world.path("a");
    world.remote(&["upload", file.to_str().unwrap(), "/x"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn y56_an_unclear_result_of_an_upload_is_looked_up_in_its_folder() {
    let page = EndPage { text: "<html>temporary page</html>".to_owned(), lasts: FOR_EVER };
    let untold = HashLag { result: FOR_EVER, ..HashLag::default() };
    let world = World::with(|rules| rules.end_page = Some(page)).await;
    assert_eq!(uploads(&world).await, Ok(Exit::Done), "a page in place of the result");
    let world = World::with(|rules| rules.remove_told = true).await;
    assert_eq!(uploads(&world).await, Ok(Exit::Done), "links to remove it without an account");
    let world = World::with(|rules| rules.hash_lag = untold).await;
    assert_eq!(uploads(&world).await, Ok(Exit::Done), "the listing tells the hash");
    let world = World::new().await;
    world.emulator.inject(Fault::once("end.pl", Action::Status(500, "oops".to_owned())));
    assert_eq!(uploads(&world).await, Ok(Exit::Done), "the node fails");
    assert_eq!(world.files(), ["/x/a"]);
    let lag = HashLag { result: FOR_EVER, listing: FOR_EVER, info: FOR_EVER };
    let world = World::with(|rules| rules.hash_lag = lag).await;
    assert_eq!(uploads(&world).await, Ok(Exit::TryLater), "there, and not confirmed");
    assert_eq!(world.files(), ["/x/a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn y56_an_upload_that_went_to_nobody_or_was_lost_is_not_called_uploaded() {
    let world = World::new().await;
    world.emulator.inject(Fault::always("upload.cgi", Action::Anonymous));
    let (exit, message) = uploads(&world).await.unwrap_err();
    assert_eq!(exit, Exit::Refused);
    assert!(message.contains("not in the account"), "{message}");
    let world = World::with(|rules| rules.files_stored = Some(0)).await;
    assert_eq!(uploads(&world).await, Ok(Exit::Problems));
}

#[tokio::test(flavor = "multi_thread")]
async fn y52_a_name_that_a_move_changes_is_told() {
    let set = |rules: &mut Rules| {
        rules.drop_last_dot = true;
        rules.names_changed = NamesChanged::AtRename;
    };
    let world = World::with(set).await;
    world.emulator.add_folder("/y");
    world.emulator.add_file("/x", "one", b"1");
    world.emulator.add_file("/x", "two", b"2");
    assert_eq!(world.remote(&["mv", "/x/one", "/x/end."]).await, Ok(Exit::Done));
    assert_eq!(world.remote(&["mv", "/x/two", "/y/dot."]).await, Ok(Exit::Done));
    assert_eq!(world.files(), ["/x/end", "/y/dot"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn y49_the_account_shows_both_kinds_of_storage_and_what_may_expire() {
    let world = World::with(|rules| rules.hot_for = Some(FOR_EVER)).await;
    world.emulator.add_file("/x", "one", b"12345");
    world.emulator.set_offer(Offer::Access);
    let remote = crate::config::connect::connect(&world.config).unwrap().0;
    let account = remote.account().await.unwrap();
    let text = account::shown(account);
    assert!(text.contains("hot storage:  5 B") && text.contains("cold storage: 0 B of"), "{text}");
    assert!(text.contains("nobody downloads for 30 days"), "{text}");
}
