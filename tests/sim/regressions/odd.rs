//! Scenarios with odd habits of the service: answers that never come, results and hashes that are
//! never told, nodes that take little.

use super::{check, seconds};
use crate::disk::Ambush;
use crate::script::{Event, Spoiling};

#[test]
fn y101_a_question_about_a_file_is_not_repeated_when_no_reply_comes() {
    check(
        "the file is gone, so that each lost reply counts towards a ban",
        &["file/info.cgi: DoItThenReset"],
        vec![
            Event::Spoil { endpoint: 20, skip: 0, how: Spoiling::LoseReply },
            Event::Ambush { reads: 0, how: Ambush::Grow },
            seconds(14),
        ],
    );
}
