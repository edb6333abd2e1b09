//! One look at something.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use hyper::{Method, Request};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::Check;
use crate::outgoing::Outgoing;

/// What is looked at.
#[derive(Clone)]
pub enum Probe {
    /// No such file is there: whoever makes one takes the registry out of service.
    File(PathBuf),
    /// A HEAD is answered with this status.
    Http { url: String, headers: Vec<(String, String)>, status: u16 },
    /// A connection can be made to this HOST:PORT.
    Tcp(String),
    /// This finds nothing wrong. It may block.
    Own(Arc<dyn Fn() -> Result<(), String> + Send + Sync>),
}

impl fmt::Debug for Probe {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => formatter.debug_tuple("File").field(path).finish(),
            Self::Http { url, status, .. } => formatter.debug_tuple("Http").field(url).field(status).finish(),
            Self::Tcp(address) => formatter.debug_tuple("Tcp").field(address).finish(),
            Self::Own(_) => formatter.write_str("Own"),
        }
    }
}

impl PartialEq for Probe {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::File(one), Self::File(other)) => one == other,
            (
                Self::Http { url, headers, status },
                Self::Http { url: other, headers: others, status: other_status },
            ) => url == other && headers == others && status == other_status,
            (Self::Tcp(one), Self::Tcp(other)) => one == other,
            (Self::Own(one), Self::Own(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

impl Eq for Probe {}

/// Looks, one time after another.
pub(super) struct Prober<'check> {
    check: &'check Check,
    outgoing: Outgoing,
    /// A look at the disk that has not come back: another one is not begun before it does.
    looking: Option<JoinHandle<Result<(), String>>>,
}

impl<'check> Prober<'check> {
    pub(super) fn new(check: &'check Check) -> Self {
        Self { check, outgoing: Outgoing::default(), looking: None }
    }

    /// What is wrong, if anything is.
    pub(super) async fn probe(&mut self) -> Result<(), String> {
        let timeout = self.check.timeout;
        let looked = tokio::time::timeout(timeout, self.look()).await;
        looked.unwrap_or_else(|_| Err(format!("no answer within {} s", timeout.as_secs_f64())))
    }

    async fn look(&mut self) -> Result<(), String> {
        match &self.check.probe {
            Probe::Http { url, headers, status } => self.ask(url, headers, *status).await,
            Probe::Tcp(address) => connect(address).await,
            Probe::File(path) => {
                let path = path.clone();
                self.look_at_the_disk(move || is_not_there(&path)).await
            }
            Probe::Own(look) => {
                let look = Arc::clone(look);
                self.look_at_the_disk(move || look()).await
            }
        }
    }

    async fn ask(&self, url: &str, headers: &[(String, String)], wanted: u16) -> Result<(), String> {
        let mut request = Request::builder().method(Method::HEAD).uri(url);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.body(Bytes::new()).map_err(|error| format!("{url}: {error}"))?;
        let answer = self.outgoing.call(request, 0).await.map_err(|error| error.to_string())?;
        match answer.status().as_u16() {
            status if status == wanted => Ok(()),
            status => Err(format!("{url} answers {status}, not {wanted}")),
        }
    }

    async fn look_at_the_disk(
        &mut self,
        look: impl FnOnce() -> Result<(), String> + Send + 'static,
    ) -> Result<(), String> {
        let looking = self.looking.get_or_insert_with(|| tokio::task::spawn_blocking(look));
        let looked = looking.await;
        self.looking = None;
        looked.map_err(|error| error.to_string())?
    }
}

async fn connect(address: &str) -> Result<(), String> {
    let host = if address.starts_with(':') { "127.0.0.1" } else { "" };
    let connected = TcpStream::connect(format!("{host}{address}")).await;
    connected.map(drop).map_err(|error| format!("{address} cannot be reached: {error}"))
}

fn is_not_there(path: &Path) -> Result<(), String> {
    match std::fs::metadata(path) {
        Ok(_) => Err("the file is there".to_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}
