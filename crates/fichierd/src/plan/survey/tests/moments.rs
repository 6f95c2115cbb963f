//! The moment at which a file that is being written is looked at.

use super::*;

#[test]
fn z47_a_file_that_never_rests_is_not_taken_for_emptied_at_an_empty_moment() {
    let mut world = World::new(&["log", "quiet"]);
    world.record();
    world.settle = Duration::from_secs(3_600);
    fs::write(world.at("log"), "").unwrap();
    check(
        &world.survey_forced(None, &|_| true),
        expect![[r#"
        unsettled: log
    "#]],
    );
    // At rest it is what it is.
    world.settle = Duration::ZERO;
    check(
        &world.survey(None),
        expect![[r#"
        ~ log
    "#]],
    );
}
