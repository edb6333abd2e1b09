//! Ctrl-C ends a load; a second one ends the process.

use std::io;
use std::thread;

use crate::load::Stop;
use crate::server::signals::Signals;

/// From now on the first SIGINT or SIGTERM sets `stop`, and the second ends the process at once.
pub(super) fn stop_at_signals(stop: Stop) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let mut signals = {
        let _entered = runtime.enter();
        Signals::install()?
    };
    thread::Builder::new().spawn(move || {
        runtime.block_on(signals.stop());
        stop.set();
        let signal = runtime.block_on(signals.stop());
        std::process::exit(signal.exit_code().into());
    })?;
    Ok(())
}
