//! Signals as numbers on a channel. A signal that the process was told to ignore stays ignored.
//!
//! The first one asks the build to end, the second one to end at once. Where it does neither in time, the process ends
//! all the same: nothing that a build is stuck on makes orca deaf.

use std::time::Duration;

use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::sys::signals::{HANGUP, INTERRUPT, TERMINATE, is_ignored};

/// How long a build may take to end after the first signal: the grace of its tasks, and as much again for itself.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long it may take after the second one.
const LAST_PATIENCE: Duration = Duration::from_secs(2);

/// Starts to listen. From here on these signals do not end the process by themselves.
pub(super) fn listen() -> mpsc::UnboundedReceiver<i32> {
    let (sender, receiver) = mpsc::unbounded_channel();
    // Where there is no runtime to be had, signals end the process as ever.
    let Ok(runtime) = runtime::Builder::new_current_thread().enable_all().build() else { return receiver };
    let mut streams = Vec::new();
    {
        let _within = runtime.enter();
        for number in [HANGUP, INTERRUPT, TERMINATE] {
            if is_ignored(number).unwrap_or(false) {
                continue;
            }
            if let Ok(stream) = signal(SignalKind::from_raw(number)) {
                streams.push((number, stream));
            }
        }
    }
    std::thread::spawn(move || {
        runtime.block_on(async move {
            let (heard, mut hears) = mpsc::unbounded_channel();
            for (number, mut stream) in streams {
                let heard = heard.clone();
                tokio::spawn(async move { while stream.recv().await.is_some() && heard.send(number).is_ok() {} });
            }
            let Some(first) = hears.recv().await else { return };
            // A build that is over does not listen any more.
            let _ = sender.send(first);
            if let Ok(Some(again)) = timeout(PATIENCE, hears.recv()).await {
                let _ = sender.send(again);
                sleep(LAST_PATIENCE).await;
            }
            // It is stuck: on a disk, or on a reader that does not read. To end at once is safe at any instant, and the
            // processes of tasks end with orca.
            crate::sys::terminal::give_back();
            std::process::exit(128 + first);
        });
    });
    receiver
}
