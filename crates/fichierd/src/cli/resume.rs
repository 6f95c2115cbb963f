//! `fichierd resume`: go on after a pause.

use super::{beside, service};
use crate::base::Exit;
use crate::config::Config;
use crate::daemon::control::Request;

pub(crate) async fn run(config: &Config) -> anyhow::Result<Exit> {
    match service::forward(config, &Request::Resume).await? {
        Some(exit) => Ok(exit),
        None => beside::pause(config, false),
    }
}
