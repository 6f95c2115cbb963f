//! `fichierd pause`: begin nothing new, also after a restart.

use super::{beside, service};
use crate::base::Exit;
use crate::config::Config;
use crate::daemon::control::Request;

pub(crate) async fn run(config: &Config) -> anyhow::Result<Exit> {
    match service::forward(config, &Request::Pause).await? {
        Some(exit) => Ok(exit),
        None => beside::pause(config, true),
    }
}
