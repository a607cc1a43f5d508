//! Ctrl-C and SIGTERM: the first asks for an orderly end, a second one ends at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::TERM_SIGNALS;
use signal_hook::flag;

/// Has the user asked to stop?
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

/// The exit code of a process that was told to stop twice, as shells show it for Ctrl-C.
const AT_ONCE: i32 = 130;

impl Stop {
    /// Listens for the signals from now on.
    pub fn on_signals() -> io::Result<Self> {
        let stop = Self::default();
        for signal in TERM_SIGNALS {
            // In this order the first signal sets the flag and the second finds it set.
            flag::register_conditional_shutdown(*signal, AT_ONCE, Arc::clone(&stop.0))?;
            flag::register(*signal, Arc::clone(&stop.0))?;
        }
        Ok(stop)
    }

    /// Asks to stop, as a signal does.
    pub fn request(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub fn is_requested(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}
