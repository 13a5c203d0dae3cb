//! A few database readers, lent to one question at a time.

use super::AskError;
use crate::limits::READERS_MAX;
use crate::store::{Reader, StoreError};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tokio::sync::Semaphore;

/// The readers. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Readers(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    idle: Mutex<Vec<Reader>>,
    free: Semaphore,
}

impl Readers {
    /// Readers of a data directory, opened when first needed.
    pub(crate) fn new(dir: PathBuf) -> Readers {
        Readers(Arc::new(Inner { dir, idle: Mutex::default(), free: Semaphore::new(READERS_MAX) }))
    }

    /// Asks on a thread that may wait for the disk.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, AskError> {
        let _permit = self.0.free.acquire().await.map_err(|_| AskError::Stopped)?;
        let shared = self.0.clone();
        let answer = tokio::task::spawn_blocking(move || {
            let idle = shared.idle.lock().expect("nothing panics while it holds this lock").pop();
            let mut reader = match idle {
                Some(reader) => reader,
                None => Reader::open(&shared.dir)?,
            };
            let answer = question(&mut reader);
            shared.idle.lock().expect("nothing panics while it holds this lock").push(reader);
            answer
        });
        Ok(answer.await.map_err(|_| AskError::Stopped)??)
    }
}
