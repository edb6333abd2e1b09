//! Work that tells what happens while it goes on, and how it ended.

use std::fmt::Display;
use std::future::Future;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

/// How many events may wait for whoever reads them.
const WAITING: usize = 256;

/// What is told of work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Event<News, Outcome> {
    /// It goes on.
    News(News),
    /// The end, and what it came to.
    Done(Outcome),
    /// The end, with what went wrong.
    Failed(String),
}

/// Everything that is told of work, one after another.
pub type Events<News, Outcome> = mpsc::Receiver<Event<News, Outcome>>;

/// Begins work, and tells its news as they come, then its end. When nobody listens any more, nobody takes its news either.
pub(super) fn tell<News, Outcome, Error, Work>(
    begin: impl FnOnce(mpsc::Sender<News>) -> Work,
) -> Events<News, Outcome>
where
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
            if teller.send(Event::News(news)).await.is_err() {
                return;
            }
        }
        let end = match worked.await {
            Ok(Ok(outcome)) => Event::Done(outcome),
            Ok(Err(error)) => Event::Failed(error.to_string()),
            Err(_) => {
                Event::Failed("the server was stopped, or met an error of its own: see its log".to_owned())
            }
        };
        // Whoever asked may have gone.
        let _ = teller.send(end).await;
    });
    told
}
