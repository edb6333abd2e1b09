//! One connection from its first byte to its last.

use std::pin::pin;
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulConnection;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until};

use super::connection::{Connection, Greeting};
use super::phase::{Phase, PhaseWatch};
use super::progress::{Progress, Stage, Timeouts, Watchdog};
use super::refusal;
use super::service::Requests;
use super::tls::{Secured, Tls};
use super::{House, Place};
use crate::observe::metrics::{Handshake, metrics};
use crate::observe::{Peer, Transport};

/// Serves a connection until either side ends it, a timeout does, or the server closes.
pub(super) async fn serve(connection: Connection, peer: Peer, house: Arc<House>, place: Place) {
    let _counted = house.logged.then(Counted::new);
    let mut phase = house.lifecycle.watch();
    let seated = tokio::select! {
        biased;
        seated = place.seated(house.limits.wait) => seated,
        () = phase.reached(Phase::Draining) => return,
    };
    let due = Instant::now() + house.limits.timeouts.headers;
    let Ok(_seat) = seated else {
        metrics().connections_refused.inc();
        tracing::warn!(%peer, "as many connections as http.maxconnections allows: one more is refused");
        return turn_away(connection, &house, due, phase).await;
    };
    converse(connection, peer, &house, due, phase).await;
}

/// A connection that counts among those that are open.
struct Counted;

impl Counted {
    fn new() -> Self {
        metrics().connections.inc();
        metrics().connections_open.inc();
        Self
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        metrics().connections_open.dec();
    }
}

/// Tells a connection that there is no seat for it, in TLS where it has come for that.
async fn turn_away(mut connection: Connection, house: &House, due: Instant, mut phase: PhaseWatch) {
    let busy = &house.answers.busy;
    let told = async {
        let Some(tls) = &house.tls else { return refusal::send(connection, busy).await };
        match connection.greeting().await {
            Ok(Greeting::Tls) => {
                if let Ok(Some(secured)) = tls.accept(connection).await {
                    refusal::send(secured.stream, busy).await;
                }
            }
            Ok(_) => refusal::send(connection, busy).await,
            Err(_) => {}
        }
    };
    tokio::select! {
        biased;
        () = told => {}
        () = sleep_until(due) => {}
        () = phase.reached(Phase::Draining) => {}
    }
}

async fn converse(
    mut connection: Connection,
    peer: Peer,
    house: &House,
    due: Instant,
    mut phase: PhaseWatch,
) {
    let greeting = tokio::select! {
        biased;
        greeting = connection.greeting() => greeting,
        () = sleep_until(due) => return,
        () = phase.reached(Phase::Draining) => return,
    };
    let requests = Requests {
        router: house.router.clone(),
        peer,
        is_trusted: peer.is_trusted(&house.trusted_proxies),
        transport: Transport::Plain,
        certificate: None,
        progress: connection.progress(),
        logged: house.logged,
    };
    match (greeting, &house.tls) {
        (Err(_) | Ok(Greeting::Nothing), _) => {}
        (Ok(Greeting::Tls), Some(tls)) => {
            let Some(secured) = shake_hands(tls, connection, peer, due, &mut phase).await else { return };
            let Secured { stream, http2, certificate } = secured;
            let requests = Requests { transport: Transport::Encrypted, certificate, ..requests };
            speak(stream, http2, requests, house, phase).await;
        }
        (Ok(_), Some(_)) => {
            tracing::warn!(%peer, "a request in plain HTTP was answered with HTTP 400: the client uses http for a registry that speaks https");
            refusal::send(connection, &house.answers.tls_only).await;
        }
        (Ok(Greeting::Tls), None) => {
            tracing::warn!(%peer, "a TLS handshake on the plain port was answered with HTTP 400: the client uses https for a registry that speaks http");
            refusal::send(connection, &house.answers.no_tls).await;
        }
        (Ok(greeting), None) => {
            let http2 = greeting == Greeting::Http2 && house.limits.http2;
            speak(connection, http2, requests, house, phase).await;
        }
    }
}

/// The connection, encrypted, unless that comes to nothing, or is not done when it is due, or was all that was wanted.
async fn shake_hands(
    tls: &Tls,
    connection: Connection,
    peer: Peer,
    due: Instant,
    phase: &mut PhaseWatch,
) -> Option<Secured> {
    let secured = tokio::select! {
        biased;
        secured = tls.accept(connection) => secured,
        () = sleep_until(due) => {
            metrics().handshakes.of(Handshake::TimedOut).inc();
            tracing::debug!(%peer, "no complete TLS handshake within http.headertimeout");
            return None;
        }
        () = phase.reached(Phase::Draining) => return None,
    };
    let outcome = if secured.is_ok() { Handshake::Done } else { Handshake::Failed };
    metrics().handshakes.of(outcome).inc();
    secured.inspect_err(|error| tracing::info!(%peer, %error, "a TLS handshake failed")).ok().flatten()
}

/// Speaks HTTP on a connection, encrypted or not.
async fn speak<S>(stream: S, http2: bool, requests: Requests, house: &House, phase: PhaseWatch)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (peer, progress, timeouts) = (requests.peer, Arc::clone(&requests.progress), house.limits.timeouts);
    if http2 {
        progress.is_multiplexed();
        let http = house.http2.serve_connection(TokioIo::new(stream), requests);
        drive(http, peer, progress, timeouts, phase).await;
    } else {
        let http = house.http1.serve_connection(TokioIo::new(stream), requests);
        drive(http, peer, progress, timeouts, phase).await;
    }
}

/// Lets hyper do its work until the connection ends.
async fn drive<C>(http: C, peer: Peer, progress: Arc<Progress>, timeouts: Timeouts, phase: PhaseWatch)
where
    C: GracefulConnection<Error = hyper::Error>,
{
    let mut http = pin!(http);
    let mut overdue = Watchdog::new(progress, timeouts);
    let (mut draining, mut closing) = (phase.clone(), phase);
    let mut draining = pin!(draining.reached(Phase::Draining));
    let mut closing = pin!(closing.reached(Phase::Closing));
    let mut drained = false;
    loop {
        tokio::select! {
            biased;
            ended = http.as_mut() => return log_end(peer, ended),
            stage = &mut overdue => return log_timeout(peer, stage),
            () = closing.as_mut() => {
                tracing::debug!(%peer, "a connection was still busy at the end of http.draintimeout and is dropped");
                return;
            }
            () = draining.as_mut(), if !drained => {
                drained = true;
                http.as_mut().graceful_shutdown();
                overdue.drain();
            }
        }
    }
}

fn log_end(peer: Peer, ended: Result<(), hyper::Error>) {
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "a connection broke");
    }
}

fn log_timeout(peer: Peer, stage: Stage) {
    match stage {
        Stage::NextRequest => tracing::debug!(%peer, "no request within http.keepalivetimeout"),
        Stage::Headers => tracing::debug!(%peer, "no complete headers within http.headertimeout"),
        Stage::Request => tracing::warn!(
            %peer,
            "a request was dropped: no byte in either direction within http.idletimeout"
        ),
    }
}
