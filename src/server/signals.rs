//! The signals that a service gets. All handlers are installed explicitly: a process with the number 1
//! has no default actions to rely on.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What somebody asks of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// SIGTERM or SIGINT: stop.
    Stop(StopSignal),
    /// SIGHUP: read the configuration again.
    Reload,
}

/// The two signals that stop a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopSignal {
    /// SIGTERM
    Terminate,
    /// SIGINT, Ctrl-C
    Interrupt,
}

impl StopSignal {
    /// The exit code of a process that the signal ended at once: 128 and the signal's number.
    pub fn exit_code(self) -> u8 {
        match self {
            StopSignal::Interrupt => 130,
            StopSignal::Terminate => 143,
        }
    }
}

/// The signals as they come in.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    /// From now on signals are ours to answer.
    pub fn install() -> io::Result<Self> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// The next wish. Cancelling loses none.
    pub async fn next(&mut self) -> Wish {
        tokio::select! {
            biased;
            Some(()) = self.terminate.recv() => Wish::Stop(StopSignal::Terminate),
            Some(()) = self.interrupt.recv() => Wish::Stop(StopSignal::Interrupt),
            Some(()) = self.hang_up.recv() => Wish::Reload,
            else => std::future::pending().await,
        }
    }

    /// The next wish to stop; others are passed over.
    pub async fn stop(&mut self) -> StopSignal {
        loop {
            if let Wish::Stop(signal) = self.next().await {
                return signal;
            }
        }
    }
}
