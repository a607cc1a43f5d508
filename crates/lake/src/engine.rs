//! The runtime and the Delta engine that all tables of one lake share.

use std::future::Future;
use std::sync::Arc;

use affluent_core::lake::Lake;
use delta_kernel_default_engine::executor::tokio::TokioMultiThreadExecutor;
use delta_kernel_default_engine::{DefaultEngine, DefaultEngineBuilder};
use tokio::runtime::{Builder, Runtime};

use crate::Error;

/// A lake together with what it takes to read and write its tables from plain threads.
#[derive(Clone)]
pub struct Engine {
    lake: Lake,
    runtime: Arc<Runtime>,
    delta: Arc<DefaultEngine<TokioMultiThreadExecutor>>,
}

impl Engine {
    pub fn new(lake: Lake) -> Result<Self, Error> {
        // Commits and small files are all that is async here; data files are written by plain threads.
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(8)
            .thread_name("lake-io")
            .enable_all()
            .build()
            .map_err(|source| Error::Io { action: "start threads for", path: "lake".into(), source })?;
        let executor = Arc::new(TokioMultiThreadExecutor::new(runtime.handle().clone()));
        let delta = DefaultEngineBuilder::new(lake.store().clone()).with_task_executor(executor).build();
        Ok(Self { lake, runtime: Arc::new(runtime), delta: Arc::new(delta) })
    }

    pub fn lake(&self) -> &Lake {
        &self.lake
    }

    /// Runs a future to its end. Must not be called from async code.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    pub(crate) fn delta(&self) -> &dyn delta_kernel::Engine {
        self.delta.as_ref()
    }
}
