//! Events, as they happen.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::telling::{Events, tell};
use crate::notifications::{Source, event_as_json};
use crate::oci::Glob;
use crate::registry::{Error, Onlooker, Registry};
use crate::store::{EventAction, EventRow, Timestamp};

/// How many events are looked at before others have their turn.
const BATCH: usize = 256;

/// How often something is said although there is nothing to say: whoever has gone is not noticed before that.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);

/// A look at events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tail {
    /// In which repositories; in all of them without.
    pub repositories: Option<Glob>,
    /// Which actions; all of them if there are none.
    pub actions: Vec<EventAction>,
    pub beginning: Beginning,
    /// Whether it goes on with what happens from now on.
    pub is_followed: bool,
}

/// With which of the events that are remembered it begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Beginning {
    /// With the last so many.
    Last(usize),
    /// With those of so long ago.
    Since(Duration),
    /// With what comes after the event of this id.
    After(String),
}

/// What is told of events.
#[derive(Debug, Serialize, Deserialize)]
pub enum TailNews {
    /// No endpoint is told of events, so that those before this moment are not known.
    FromNowOn,
    /// The event after which it was to begin is not remembered; what is remembered comes.
    UnknownBeginning,
    /// As endpoints are told of it.
    Event(Box<RawValue>),
    /// So many were forgotten before they could be told here.
    Missed(u64),
    /// Nothing has happened.
    Quiet,
}

/// Begins a look at events. It ends when nobody listens any more.
pub(super) fn tail(registry: Arc<Registry>, source: Source, wanted: Tail) -> Events<TailNews, ()> {
    tell(move |listener| async move {
        let onlooker = registry.look_on();
        if !registry.keeps_events() {
            let _ = listener.send(TailNews::FromNowOn).await;
        }
        // Whoever does not listen any more has seen enough.
        let _ = Telling { onlooker, source, wanted, listener }.run().await;
        Ok::<_, Error>(())
    })
}

/// Nobody listens any more.
struct Gone;

struct Telling {
    onlooker: Onlooker,
    source: Source,
    wanted: Tail,
    listener: mpsc::Sender<TailNews>,
}

impl Telling {
    async fn run(mut self) -> Result<(), Gone> {
        let (_, mut events) = self.onlooker.take(usize::MAX);
        if self.begin(&mut events) {
            self.say(TailNews::UnknownBeginning).await?;
        }
        self.tell(&events).await?;
        while self.wanted.is_followed {
            tokio::select! {
                () = self.listener.closed() => return Err(Gone),
                woken = tokio::time::timeout(SIGN_OF_LIFE, self.onlooker.wait()) => match woken {
                    Ok(()) => self.tell_more().await?,
                    Err(_) => self.say(TailNews::Quiet).await?,
                },
            }
        }
        Ok(())
    }

    async fn tell_more(&mut self) -> Result<(), Gone> {
        let (missed, events) = self.onlooker.take(BATCH);
        if missed > 0 {
            self.say(TailNews::Missed(missed)).await?;
        }
        self.tell(&events.into_iter().filter(|event| self.is_wanted(event)).collect::<Vec<_>>()).await
    }

    /// Leaves those of the remembered events that are wanted. Returns whether the first of them is not the one that was named.
    fn begin(&self, events: &mut Vec<Arc<EventRow>>) -> bool {
        let named = match &self.wanted.beginning {
            Beginning::After(id) => {
                Some(events.iter().position(|event| Uuid::from_bytes(*event.id).to_string() == *id))
            }
            _ => None,
        };
        if let Some(Some(position)) = named {
            events.drain(..=position);
        }
        events.retain(|event| self.is_wanted(event));
        match self.wanted.beginning {
            Beginning::Last(count) => drop(events.drain(..events.len().saturating_sub(count))),
            Beginning::Since(ago) => {
                let ago = u64::try_from(ago.as_millis()).unwrap_or(u64::MAX);
                let since = Timestamp(Timestamp::now().0.saturating_sub(ago));
                events.retain(|event| event.at >= since);
            }
            Beginning::After(_) => {}
        }
        named == Some(None)
    }

    fn is_wanted(&self, event: &EventRow) -> bool {
        let Tail { repositories, actions, .. } = &self.wanted;
        (actions.is_empty() || actions.contains(&event.action))
            && repositories.as_ref().is_none_or(|pattern| pattern.matches(event.repository.as_str()))
    }

    async fn tell(&self, events: &[Arc<EventRow>]) -> Result<(), Gone> {
        for event in events {
            self.say(TailNews::Event(event_as_json(event, &self.source))).await?;
        }
        Ok(())
    }

    async fn say(&self, news: TailNews) -> Result<(), Gone> {
        self.listener.send(news).await.map_err(|_| Gone)
    }
}
