//! The remedies that the program prints for a refused account work: a restart of the service, or
//! `fichierd resume`, lets one call through a long hold-off, and all goes on if it succeeds.

use fichier_emulator::{Action, Fault};
use fichier_testkit::{Machine, until, write};

use crate::PROGRAM;

/// Seconds of the service that pass in one: an hour, the hold-off, does not end during a test.
const SCALE: u32 = 50;

fn suspended() -> Fault {
    let text = r#"{"status":"KO","message":"Compte suspendu, contactez le support"}"#;
    Fault::always("*", Action::Json(403, text.to_owned()))
}

/// A mirrored folder whose account is suspended then, which the status tells.
fn with_a_suspended_account() -> Machine {
    let mut world = Machine::at_scale(PROGRAM, SCALE);
    write(&world.source("photos").join("one"), "one");
    world.start();
    world.until_mirrored("photos");
    until("it is idle", || (world.mirror("photos")["state"] == "idle").then_some(()));
    world.emulator.inject(suspended());
    write(&world.source("photos").join("two"), "two");
    until("the status tells it", || is_told(&world).then_some(()));
    world
}

/// Whether the status tells the locked account, in the service's own words, and what to do.
fn is_told(world: &Machine) -> bool {
    let Some(status) = world.status() else { return false };
    let told = status["degraded"].as_array().unwrap().iter().any(|state| {
        let text = |key: &str| state[key].as_str().unwrap_or_default().to_owned();
        text("kind") == "account_locked"
            && text("cause").contains("Compte suspendu, contactez le support")
            && text("what_to_do").contains("fichierd resume")
    });
    told && status["hold_off"]["kind"] == "account_locked"
}

#[test]
fn y31_after_a_locked_account_a_restart_lets_one_call_through_and_all_goes_on() {
    let mut world = with_a_suspended_account();
    world.service().signal(rustix::process::Signal::TERM);
    assert_eq!(world.take_service().ended(), Some(0));
    assert!(is_told(&world), "also while no service runs");
    world.emulator.clear_faults();
    world.start();
    world.until_mirrored("photos");
    until("nothing is wrong", || {
        world.status().unwrap()["degraded"].as_array().unwrap().is_empty().then_some(())
    });
}

#[test]
fn y32_resume_lets_one_call_through_and_not_again_at_once() {
    let world = with_a_suspended_account();
    let before = world.emulator.calls();
    world.run(&["resume"]).expect(0).says("one call is made in spite of the hold-off");
    until("it was made", || (world.emulator.calls() > before).then_some(()));
    world.run(&["resume"]).expect(0).says("the next is possible at");
    assert!(is_told(&world));
    assert_eq!(world.emulator.calls(), before + 1);
    world.emulator.clear_faults();
    until("it is possible again", || {
        let said = world.run(&["resume"]).expect(0).stdout;
        said.contains("one call is made").then_some(())
    });
    world.until_mirrored("photos");
}

#[test]
fn y33_a_refused_key_is_shown_once_by_a_run_over_several_mirrors() {
    let mut world = Machine::of(PROGRAM);
    world.add_mirror("docs", "");
    world.add_mirror("music", "");
    for mirror in ["photos", "docs", "music"] {
        write(&world.source(mirror).join("one"), "one");
    }
    world.emulator.revoke_key();
    world.run(&["sync"]).expect(77).says("refused the API key");
    assert_eq!(world.emulator.calls(), 1);
}
