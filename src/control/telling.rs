//! Work that tells what happens while it goes on, and how it ended.

use std::fmt::Display;
use std::future::Future;

use tokio::sync::mpsc;

/// How many events may wait for whoever reads them.
const WAITING: usize = 256;

/// Begins work, and tells its news as they come, then its end: what it came to, or what went wrong. When nobody listens any
/// more, nobody takes its news either.
pub(super) fn tell<E, News, Outcome, Error, Work>(
    begin: impl FnOnce(mpsc::Sender<News>) -> Work,
) -> mpsc::Receiver<E>
where
    E: From<News> + From<Result<Outcome, String>> + Send + 'static,
    News: Send + 'static,
    Outcome: Send + 'static,
    Error: Display + Send + 'static,
    Work: Future<Output = Result<Outcome, Error>> + Send + 'static,
{
    let (teller, told) = mpsc::channel(WAITING);
    let (listener, mut news) = mpsc::channel(WAITING);
    let worked = tokio::spawn(begin(listener));
    tokio::spawn(async move {
        while let Some(news) = news.recv().await {
            if teller.send(E::from(news)).await.is_err() {
                return;
            }
        }
        let end = match worked.await {
            Ok(end) => end.map_err(|error| error.to_string()),
            Err(_) => Err("the server was stopped, or met an error of its own: see its log".to_owned()),
        };
        // Whoever asked may have gone.
        let _ = teller.send(E::from(end)).await;
    });
    told
}
