//! `[metrics]`: where other programs can read how the service is; by default on the control socket
//! alone.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use super::MirrorConfig;
use super::mirrors::resolved;
use super::rules::{Complaints, path};

/// Where the metrics can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetricsConfig {
    /// An address of this machine on which they are told over HTTP.
    pub listen: Option<SocketAddr>,
    /// A file for the textfile collector of node_exporter.
    pub textfile: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MetricsFile {
    listen: Option<Spanned<String>>,
    textfile: Option<Spanned<PathBuf>>,
}

/// Checks what was typed: the address must be one of this machine, since there is no password.
pub(super) fn metrics(
    file: MetricsFile,
    mirrors: &[MirrorConfig],
    complaints: &mut Complaints,
) -> MetricsConfig {
    MetricsConfig {
        listen: file.listen.and_then(|typed| address(&typed, complaints)),
        textfile: file.textfile.map(|typed| textfile(typed, mirrors, complaints)),
    }
}

fn address(typed: &Spanned<String>, complaints: &mut Complaints) -> Option<SocketAddr> {
    let mut wrong = |message: &str, help: &str| complaints.add(Some(typed.span()), message, help);
    match typed.get_ref().parse::<SocketAddr>() {
        Err(_) => {
            let help = "write it like \"127.0.0.1:7576\" or \"[::1]:7576\"";
            wrong("`listen` is not an address with a port", help);
        }
        Ok(address) if !address.ip().is_loopback() => wrong(
            "`listen` would tell everybody in the network how this machine is",
            "use 127.0.0.1 or [::1]; for other machines, put a proxy with a password before it",
        ),
        Ok(address) if address.port() == 0 => {
            wrong("`listen` has the port 0, which is another one each time", "name a port");
        }
        Ok(address) => return Some(address),
    }
    None
}

fn textfile(
    typed: Spanned<PathBuf>,
    mirrors: &[MirrorConfig],
    complaints: &mut Complaints,
) -> PathBuf {
    let span = typed.span();
    let textfile = path(typed, "textfile", complaints);
    if textfile.extension().is_none_or(|end| end != "prom") {
        let help = "node_exporter reads no other files";
        complaints.add(Some(span.clone()), "the name of `textfile` must end in `.prom`", help);
    }
    let folder = resolved(textfile.parent().unwrap_or(Path::new("/")));
    for mirror in mirrors.iter().filter(|it| folder.starts_with(resolved(&it.source))) {
        complaints.add(
            Some(span.clone()),
            format!("`textfile` lies inside the source of mirror `{}`", mirror.name),
            "it would be sent each time that it is written; put it elsewhere",
        );
    }
    textfile
}
