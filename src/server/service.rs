//! From a request on a connection to the router and back: who asks, what is under way, what was
//! answered.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use tracing::Instrument;

use super::progress::{Progress, UnderWay};
use crate::auth::ClientCertificate;
use crate::observe::{Exchange, Peer, Received, Told, Transport};

/// What every request of one connection has in common.
#[derive(Debug, Clone)]
pub(super) struct Requests {
    pub(super) router: Router,
    pub(super) peer: Peer,
    /// Whether that is a proxy that is believed.
    pub(super) is_trusted: bool,
    pub(super) transport: Transport,
    /// Who the client is, where it has shown a certificate.
    pub(super) certificate: Option<Arc<ClientCertificate>>,
    pub(super) progress: Arc<Progress>,
    /// Whether requests are logged and counted.
    pub(super) logged: bool,
}

type Answering = Pin<Box<dyn Future<Output = Result<Response<Answer>, Infallible>> + Send>>;

impl Service<Request<Incoming>> for Requests {
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: Request<Incoming>) -> Answering {
        let mut exchange = self.logged.then(|| Exchange::begin(&request, self.peer, self.is_trusted));
        let under_way = self.progress.begin_request();
        let progress = Arc::clone(&self.progress);
        let mut request = request.map(|incoming| {
            let exchange = exchange.as_mut().filter(|_| !incoming.is_end_stream());
            Coming { received: exchange.map(Exchange::receives), incoming, ended: false, progress }
        });
        request.extensions_mut().insert(self.peer);
        request.extensions_mut().insert(self.transport);
        if let Some(exchange) = &exchange {
            request.extensions_mut().insert(exchange.id());
        }
        if let Some(certificate) = &self.certificate {
            request.extensions_mut().insert(Arc::clone(certificate));
        }
        let response = TowerToHyperService::new(self.router.clone()).call(request);
        Box::pin(answer(response, exchange, under_way))
    }
}

async fn answer(
    response: impl Future<Output = Result<Response<Body>, Infallible>>,
    mut exchange: Option<Exchange>,
    under_way: UnderWay,
) -> Result<Response<Answer>, Infallible> {
    let span = exchange.as_ref().map_or_else(tracing::Span::none, Exchange::span);
    let mut response = response.instrument(span).await?;
    if let Some(exchange) = &mut exchange {
        let told = response.extensions_mut().remove::<Told>();
        exchange.answered(response.status(), told);
    }
    Ok(response.map(|body| Answer { body, exchange, _under_way: under_way }))
}

/// A request's body as it comes in. Notes when it was not read to its end.
struct Coming {
    incoming: Incoming,
    ended: bool,
    /// Who counts its bytes.
    received: Option<Received>,
    progress: Arc<Progress>,
}

impl HttpBody for Coming {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(context));
        self.ended |= frame.is_none();
        let data = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref());
        if let (Some(data), Some(received)) = (data, &self.received) {
            received.add(data.len() as u64);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        if !self.ended && !self.incoming.is_end_stream() {
            self.progress.body_left();
        }
    }
}

/// A response's body as it goes out. The request is over when it is dropped.
pub(super) struct Answer {
    body: Body,
    exchange: Option<Exchange>,
    _under_way: UnderWay,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let data = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref());
        if let (Some(data), Some(exchange)) = (data, &mut self.exchange) {
            exchange.sent(data.len() as u64);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
