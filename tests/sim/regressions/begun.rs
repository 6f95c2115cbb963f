//! Scenarios with lost or doubted records, and with work that was begun and not finished.

use super::{change, check};

#[test]
fn y90_a_move_to_which_no_reply_comes_is_looked_for_before_it_is_repeated() {
    check(
        "links change, so that a repetition asks for what is gone",
        &["file/mv.cgi: DoItThenReset", "mv changes the link"],
        Vec::new(),
    );
}
