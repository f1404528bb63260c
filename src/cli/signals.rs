//! Signals as numbers on a channel. A signal that the process was told to ignore stays ignored.

use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::sys::signals::{HANGUP, INTERRUPT, TERMINATE, is_ignored};

/// Starts to listen. From here on these signals do not end the process by themselves.
pub(super) fn listen() -> mpsc::UnboundedReceiver<i32> {
    let (sender, receiver) = mpsc::unbounded_channel();
    let (ready, listening) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let Ok(runtime) = runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async move {
            let mut streams = Vec::new();
            for number in [HANGUP, INTERRUPT, TERMINATE] {
                if is_ignored(number).unwrap_or(false) {
                    continue;
                }
                if let Ok(stream) = signal(SignalKind::from_raw(number)) {
                    streams.push((number, stream));
                }
            }
            // The build may have ended before it heard of this.
            let _ = ready.send(());
            let tasks: Vec<_> = streams
                .into_iter()
                .map(|(number, mut stream)| {
                    let sender = sender.clone();
                    tokio::spawn(async move { while stream.recv().await.is_some() && sender.send(number).is_ok() {} })
                })
                .collect();
            for task in tasks {
                // A listener ends only with the process.
                let _ = task.await;
            }
        });
    });
    // Without a runtime there is nothing to wait for.
    let _ = listening.recv();
    receiver
}
