//! The accept loop, and what keeps it going when the system is short of something.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use rustix::io::Errno;
use tokio::time::Instant;

use super::connection::Connection;
use super::listener::{BACKLOG, Listener};
use super::phase::Phase;
use super::progress::Progress;
use super::{House, conversation};

/// Accepts connections until the server drains. The listener is closed on return.
pub(super) async fn run(listener: Listener, house: Arc<House>) {
    let mut phase = house.lifecycle.watch();
    let mut trouble = Trouble::default();
    loop {
        let accepted = tokio::select! {
            biased;
            () = phase.reached(Phase::Draining) => return take_in(&listener, &house),
            accepted = next(&listener, &house) => accepted,
        };
        match accepted {
            Ok(serving) => {
                tokio::spawn(serving);
                trouble.is_over();
            }
            Err(error) => trouble.wait_out(&error).await,
        }
    }
}

/// The next connection, once there is a place for one, as the task that serves it.
async fn next(listener: &Listener, house: &Arc<House>) -> io::Result<impl Future<Output = ()> + use<>> {
    let place = house.places.next().await;
    let (socket, peer) = listener.accept().await?;
    let connection = Connection::new(socket.with_files(house.files.clone()), Progress::new());
    Ok(conversation::serve(connection, peer, Arc::clone(house), place))
}

/// Takes in who stood at the door already when it was closed: the system has accepted them on our
/// behalf, and those that have sent a request get their answer.
fn take_in(listener: &Listener, house: &Arc<House>) {
    for _ in 0..BACKLOG {
        match next(listener, house).now_or_never() {
            Some(Ok(serving)) => _ = tokio::spawn(serving),
            Some(Err(_)) => {}
            None => return,
        }
    }
}

/// Errors in a row, and when one was logged last.
#[derive(Debug, Default)]
struct Trouble {
    pause: Duration,
    logged: Option<Instant>,
}

const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
const LOG_EVERY: Duration = Duration::from_secs(10);

impl Trouble {
    fn is_over(&mut self) {
        self.pause = Duration::ZERO;
    }

    /// A connection that went away before it was accepted is its own affair. What the machine is
    /// short of (descriptors, memory) comes back when connections end: wait, longer each time.
    async fn wait_out(&mut self, error: &io::Error) {
        let number = error.raw_os_error().map(Errno::from_raw_os_error);
        let short = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
        if !number.is_some_and(|number| short.contains(&number)) {
            tracing::debug!(%error, "a connection was gone before it was accepted");
            return tokio::task::yield_now().await;
        }
        if self.logged.is_none_or(|logged| logged.elapsed() >= LOG_EVERY) {
            self.logged = Some(Instant::now());
            tracing::error!(%error, "connections cannot be accepted for now; raise the limit on open files, or lower http.maxconnections");
        }
        self.pause = (self.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        tokio::time::sleep(self.pause).await;
    }
}
