//! `fichierd pause`: begin nothing new, also after a restart.

use super::{beside, service};
use crate::config::Config;
use crate::control::Request;
use crate::exit::Exit;

pub(crate) async fn run(config: &Config) -> anyhow::Result<Exit> {
    match service::forward(config, &Request::Pause).await? {
        Some(exit) => Ok(exit),
        None => beside::pause(config, true),
    }
}
