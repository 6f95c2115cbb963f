//! `check --online`: can this machine send, and would a restore work?

use fichier_emulator::{Offer, Rules};

use crate::tree;
use crate::world::{World, write};

#[test]
fn an_online_check_tells_of_the_account_and_gets_a_file_back() {
    for mirrored in [false, true] {
        let world = World::new();
        if mirrored {
            write(&world.source("photos").join("one"), "one");
            world.run(&["sync"]).expect(0);
        }
        let ran = world.run(&["check", "--online"]).expect(0);
        let ran = ran.says("account: Premium, until 20").says("storage: ").says(" of ");
        ran.says("a test file arrived whole").says("came back as it was sent");
        // A mirror has its canary downloaded too.
        assert_eq!(world.emulator.downloads().len(), 1 + usize::from(mirrored));
        let left = world.emulator.files().len() - tree::snapshots(&world.emulator).len();
        assert_eq!(left, usize::from(mirrored), "the file is removed");
        world.emulator.assert_no_violations();
        if mirrored {
            world.assert_at_rest();
        }
    }
}

#[test]
fn a_machine_that_may_not_download_is_told_so_on_the_first_day() {
    let world = World::new();
    world.emulator.set_rules(Rules { downloads_need_cdn: true, ..Rules::scaled(1_000) });
    let ran = world.run(&["check", "--online"]).expect(3).says("a test file arrived whole");
    ran.says("nothing can be restored from here").says("CDN credits").says("#913");
    assert_eq!(world.emulator.files(), []);
    world.emulator.assert_no_violations();
}

#[test]
fn an_account_that_may_not_upload_is_told_so_and_nothing_is_sent() {
    let world = World::new();
    world.emulator.set_upload_forbidden(true);
    world.run(&["check", "--online"]).expect(3).says("forbids uploads");
    assert_eq!(world.emulator.calls(), 1);
    let world = World::new();
    world.emulator.set_offer(Offer::None);
    world.run(&["check", "--online"]).expect(77).says("neither Premium nor Access");
    let world = World::new();
    world.emulator.revoke_key();
    world.run(&["check", "--online"]).expect(77).says("refused the API key");
    world.run(&["check"]).expect(0);
}
