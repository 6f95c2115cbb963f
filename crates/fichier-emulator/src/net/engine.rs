//! The threads that a service on sockets runs on.

use std::io;
use std::net::TcpListener as StdListener;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::{self, Runtime};

/// How long open connections may go on after the service was stopped.
const SHUTDOWN: Duration = Duration::from_secs(2);

/// The runtime that the service runs on.
#[derive(Debug)]
pub(crate) struct Engine(Option<Runtime>);

impl Engine {
    /// For a service without sockets: it runs on the caller's threads.
    pub(crate) fn none() -> Engine {
        Engine(None)
    }

    pub(crate) fn start() -> io::Result<Engine> {
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("emulator")
            .enable_all()
            .build()?;
        Ok(Engine(Some(runtime)))
    }

    /// Serves a socket until the runtime ends. Inside, where there is none, nothing is served.
    pub(crate) fn listen<F>(
        &self,
        listener: StdListener,
        serve: impl FnOnce(TcpListener) -> F,
    ) -> io::Result<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let Some(runtime) = &self.0 else { return Ok(()) };
        let _entered = runtime.enter();
        let serving = serve(TcpListener::from_std(listener)?);
        runtime.spawn(serving);
        Ok(())
    }

    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.0 {
            runtime.spawn(work);
        }
    }

    /// Ends all of it, and returns when the ports are free.
    pub(crate) async fn stop(&mut self) {
        if let Some(runtime) = self.0.take() {
            let ended = tokio::task::spawn_blocking(move || {
                runtime.shutdown_timeout(SHUTDOWN);
            });
            if let Err(error) = ended.await {
                tracing::warn!("the emulator did not end well: {error}");
            }
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // A runtime must not be waited for where it may be dropped: in another runtime.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
