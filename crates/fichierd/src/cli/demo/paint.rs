//! How the demonstration looks: a table that grows by a row an act, at most 79 columns wide.
//!
//! On a terminal the row at work moves; elsewhere only finished rows are printed. Colour only on
//! a terminal, and never with `NO_COLOR`.

use std::io::{self, IsTerminal};
use std::time::Duration;

use crate::base::words::{bytes, count};
use crate::cli::progress::Shown;

/// Bold, green, and the like, or nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paint {
    colour: bool,
}

/// The row at work.
pub(super) struct Row {
    shown: Shown,
    title: String,
}

/// A finished row.
pub(super) struct Line<'a> {
    pub(super) title: &'a str,
    /// What it was done to: `12 files`.
    pub(super) what: String,
    pub(super) calls: u64,
    pub(super) rclone_calls: Option<u64>,
    pub(super) sent_bytes: u64,
    pub(super) took: Duration,
}

impl Paint {
    /// For what goes to stdout.
    pub(super) fn for_stdout() -> Paint {
        let refused = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Paint { colour: io::stdout().is_terminal() && !refused("NO_COLOR") && !dumb }
    }

    pub(super) fn bold(self, text: &str) -> String {
        self.in_style("1", text)
    }

    pub(super) fn dim(self, text: &str) -> String {
        self.in_style("2", text)
    }

    pub(super) fn green(self, text: &str) -> String {
        self.in_style("32", text)
    }

    pub(super) fn red(self, text: &str) -> String {
        self.in_style("1;31", text)
    }

    fn in_style(self, style: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{style}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// The names of the columns.
    pub(super) fn heading(self) -> String {
        self.dim(&format!("{:<43}{:>7}{:>9}{:>11}{:>9}", "", "calls", "rclone", "sent", "time"))
    }

    /// A finished row.
    pub(super) fn line(self, line: &Line<'_>) -> String {
        let rclone = line.rclone_calls.map_or_else(|| "-".to_owned(), count);
        let seconds = format!("{:.1} s", line.took.as_secs_f64());
        format!(
            "  {} {:<23}{:>16}{}{}{:>11}{}",
            self.green("✓"),
            line.title,
            line.what,
            self.bold(&format!("{:>7}", count(line.calls))),
            self.dim(&format!("{rclone:>9}")),
            if line.sent_bytes == 0 { "-".to_owned() } else { bytes(line.sent_bytes) },
            self.dim(&format!("{seconds:>9}")),
        )
    }

    /// The row below the acts.
    pub(super) fn sum(self, calls: u64, rclone_calls: u64, sent_bytes: u64) -> String {
        let (calls, rclone) = (count(calls), count(rclone_calls));
        let numbers = format!("{calls:>7}{rclone:>9}{:>11}", bytes(sent_bytes));
        self.bold(&format!("    {:<39}{numbers}", "together"))
    }
}

impl Row {
    /// Shows that `title` is at work; nothing if stderr is no terminal.
    pub(super) fn begin(title: &str) -> Row {
        Row { shown: Shown::spinner(title.to_owned()), title: title.to_owned() }
    }

    /// What is going on right now.
    pub(super) fn say(&self, what: &str) {
        self.shown.say(format!("{:<23} {what}", self.title));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(paint: Paint) -> String {
        paint.line(&Line {
            title: "copies, one of 5 MiB",
            what: "123,456 files".to_owned(),
            calls: 12_345,
            rclone_calls: Some(123_456),
            sent_bytes: 1_234_567_890,
            took: Duration::from_millis(59_949),
        })
    }

    #[test]
    fn rows_stay_within_eighty_columns_and_below_their_heading() {
        let plain = Paint { colour: false };
        let (heading, row) = (plain.heading(), line(plain));
        assert_eq!(heading.chars().count(), 79);
        assert_eq!(row.chars().count(), 79, "{row}");
        assert!(row.ends_with(" 12,345  123,456   1.14 GiB   59.9 s"), "{row}");
        assert!(plain.sum(183, 2_429, 1_234_567_890).ends_with(" 183    2,429   1.14 GiB"));
    }

    #[test]
    fn colour_is_only_around_the_text() {
        let coloured = line(Paint { colour: true });
        let styles = ["\x1b[32m", "\x1b[1m", "\x1b[2m", "\x1b[0m"];
        let bare = styles.iter().fold(coloured.clone(), |text, style| text.replace(style, ""));
        assert_ne!(coloured, bare);
        assert_eq!(bare, line(Paint { colour: false }));
    }
}
