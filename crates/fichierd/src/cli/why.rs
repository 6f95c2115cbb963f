//! `fichierd why`: is this path on the service, and if not, why not?

use std::path::PathBuf;

use clap::Args;

use super::{beside, output, service};
use crate::base::Exit;
use crate::config::Config;
use crate::daemon::control::{Reply, Request};
use crate::status::WhyAnswer;

#[derive(Args, Debug)]
pub(crate) struct WhyArgs {
    /// A file or folder on this machine; need not exist
    path: PathBuf,
}

pub(crate) async fn run(args: WhyArgs, config: &Config) -> anyhow::Result<Exit> {
    // The service has another current folder, so the path is made absolute here.
    let path = std::path::absolute(&args.path)?;
    let reply = match service::reply(config, &Request::Why { path: path.clone() }).await? {
        Some(reply) => reply,
        None => beside::explain(config, &path)?,
    };
    let Reply::Why(answer) = reply else { return service::show(reply) };
    output::line(&text(&answer))?;
    Ok(Exit::Done)
}

fn text(answer: &WhyAnswer) -> String {
    let mirror = answer.mirror.as_deref().unwrap_or("none");
    let mut lines = vec![
        output::harmless(&answer.path),
        format!("  mirror:   {mirror}"),
        format!("  verdict:  {}", answer.verdict),
    ];
    lines.extend(answer.recorded.iter().map(|recorded| format!("  recorded: {recorded}")));
    lines.extend(answer.problem.iter().map(|problem| format!("  problem:  {problem}")));
    lines.extend(answer.next_try.iter().map(|next| format!("  next try: {next}")));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_shows_only_what_is_known() {
        let mut answer = WhyAnswer {
            mirror: Some("photos".to_owned()),
            path: "/srv/photos/a\tb".to_owned(),
            verdict: "excluded by \"*.tmp\"".to_owned(),
            ..WhyAnswer::default()
        };
        let excluded = "/srv/photos/a\\tb\n  mirror:   photos\n  verdict:  excluded by \"*.tmp\"";
        assert_eq!(text(&answer), excluded);
        answer.problem = Some("cannot be read".to_owned());
        answer.next_try = Some("2026-05-04T12:00:00Z".parse().unwrap());
        let more = "\n  problem:  cannot be read\n  next try: 2026-05-04T12:00:00Z";
        assert_eq!(text(&answer), format!("{excluded}{more}"));
    }
}
