//! Speaks HTTP/2 to a client and HTTP/1.1 to the registry, and changes what the registry says.

use std::net::SocketAddr;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_LENGTH, HOST};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Uri, client, server};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};

/// Changes an answer of the registry.
type Lie = fn(&mut Response<Vec<u8>>);

/// The address at which the registry is heard to lie. It listens until the test process ends.
pub(crate) fn before(registry: SocketAddr, lie: Lie) -> SocketAddr {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0))).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || runtime.block_on(listen(listener, registry, lie)));
    address
}

async fn listen(listener: TcpListener, registry: SocketAddr, lie: Lie) {
    while let Ok((stream, _)) = listener.accept().await {
        let answer = service_fn(move |request| translate(request, registry, lie));
        let builder = server::conn::http2::Builder::new(TokioExecutor::new());
        tokio::spawn(builder.serve_connection(TokioIo::new(stream), answer));
    }
}

async fn translate(
    request: Request<Incoming>,
    registry: SocketAddr,
    lie: Lie,
) -> hyper::Result<Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    let path = head.uri.path_and_query().cloned().unwrap();
    let mut asked = Request::new(Full::new(body.collect().await?.to_bytes()));
    (*asked.method_mut(), *asked.uri_mut(), *asked.headers_mut()) =
        (head.method, Uri::from(path), head.headers);
    asked.headers_mut().insert(HOST, registry.to_string().parse().unwrap());
    let stream = TcpStream::connect(registry).await.unwrap();
    let (mut sender, connection) = client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let (head, body) = sender.send_request(asked).await?.into_parts();
    let mut answer = Response::from_parts(head, body.collect().await?.to_bytes().to_vec());
    lie(&mut answer);
    Ok(answer.map(|body| Full::new(body.into())))
}

/// What is shorter is no payload.
const PAYLOAD: usize = 4 << 10;

/// One bit of each payload is another one.
pub(crate) fn flip_a_bit(answer: &mut Response<Vec<u8>>) {
    if answer.body().len() > PAYLOAD {
        answer.body_mut().last_mut().into_iter().for_each(|byte| *byte ^= 1);
    }
}

/// Who is asked for something says that it is not there.
pub(crate) fn deny(answer: &mut Response<Vec<u8>>) {
    if answer.status() == StatusCode::OK {
        *answer.status_mut() = StatusCode::NOT_FOUND;
    }
}

/// A payload ends early, as if that were all.
pub(crate) fn shorten(answer: &mut Response<Vec<u8>>) {
    if answer.body().len() > PAYLOAD {
        answer.headers_mut().remove(CONTENT_LENGTH);
        answer.body_mut().pop();
    }
}

/// A payload ends before it is as long as was announced.
pub(crate) fn cut_off(answer: &mut Response<Vec<u8>>) {
    if answer.body().len() > PAYLOAD {
        answer.body_mut().pop();
    }
}
