//! One connection from its first byte to its last.

use std::pin::pin;
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulConnection;

use super::connection::{Connection, Greeting};
use super::phase::{Phase, PhaseWatch};
use super::progress::{Progress, Stage, Timeouts, Watchdog};
use super::refusal;
use super::service::Requests;
use super::{House, Place};
use crate::observe::Peer;

/// Serves a connection until either side ends it, a timeout does, or the server closes.
pub(super) async fn serve(connection: Connection, peer: Peer, house: Arc<House>, place: Place) {
    let mut phase = house.lifecycle.watch();
    let seated = tokio::select! {
        biased;
        seated = place.seated(house.limits.wait) => seated,
        () = phase.reached(Phase::Draining) => return,
    };
    let Ok(_seat) = seated else {
        tracing::warn!(%peer, "as many connections as http.maxconnections allows: one more is refused");
        return refusal::send(connection, &house.answers.busy).await;
    };
    converse(connection, peer, &house, phase).await;
}

async fn converse(mut connection: Connection, peer: Peer, house: &House, mut phase: PhaseWatch) {
    let greeting = tokio::select! {
        biased;
        greeting = connection.greeting() => greeting,
        () = tokio::time::sleep(house.limits.timeouts.headers) => return,
        () = phase.reached(Phase::Draining) => return,
    };
    let progress = connection.progress();
    let requests = Requests {
        router: house.router.clone(),
        peer,
        progress: Arc::clone(&progress),
        logged: house.logged,
    };
    let timeouts = house.limits.timeouts;
    match greeting {
        Err(_) | Ok(Greeting::Nothing) => {}
        Ok(Greeting::Tls) => {
            tracing::warn!(%peer, "a TLS handshake on the plain port was answered with HTTP 400: the client uses https for a registry that speaks http");
            refusal::send(connection, &house.answers.no_tls).await;
        }
        Ok(Greeting::Http2) if house.limits.http2 => {
            progress.is_multiplexed();
            let http = house.http2.serve_connection(TokioIo::new(connection), requests);
            drive(http, peer, progress, timeouts, phase).await;
        }
        Ok(Greeting::Http1 | Greeting::Http2) => {
            let http = house.http1.serve_connection(TokioIo::new(connection), requests);
            drive(http, peer, progress, timeouts, phase).await;
        }
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
