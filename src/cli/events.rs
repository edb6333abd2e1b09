//! `holdfast events tail`: what happens in a running registry, as it happens.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::output::{self, Side, Table};
use super::stopped::Stopped;
use super::tool::{ToolError, ask_server};
use crate::config::parse_duration;
use crate::control::{Beginning, Tail, TailNews};
use crate::oci::Glob;
use crate::store::EventAction;

#[derive(Debug, Args)]
pub(super) struct Events {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what happens in a running registry: pushes, pulls, mounts and deletions
    Tail(TailArguments),
}

#[derive(Debug, Args)]
struct TailArguments {
    #[command(flatten)]
    store: Stopped,
    /// Only repositories that match, such as team/app or team/**
    #[arg(long, value_name = "PATTERN", value_parser = Glob::parse)]
    repository: Option<Glob>,
    /// Only these actions; may be given several times
    #[arg(long = "action", value_name = "ACTION", value_enum)]
    actions: Vec<Action>,
    /// How many events from before it begins with
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 10)]
    lines: usize,
    /// Begin with the events of so long ago, such as 10m
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, conflicts_with = "lines")]
    since: Option<Duration>,
    /// Begin with what comes after the event of this id
    #[arg(long, value_name = "ID", conflicts_with_all = ["lines", "since"])]
    from: Option<String>,
    /// End with the events from before, instead of waiting for more
    #[arg(long)]
    no_follow: bool,
    /// Print events as endpoints are told of them, a line of JSON each
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Action {
    Pull,
    Push,
    Mount,
    Delete,
}

impl From<Action> for EventAction {
    fn from(action: Action) -> Self {
        match action {
            Action::Pull => Self::Pull,
            Action::Push => Self::Push,
            Action::Mount => Self::Mount,
            Action::Delete => Self::Delete,
        }
    }
}

/// Shows them until it is interrupted, or nobody reads them any more; both is well. Exit code 1 without a server, or when it stops.
pub(super) fn run(arguments: &Events) -> ExitCode {
    let Command::Tail(arguments) = &arguments.command;
    tail(arguments).map_or_else(ToolError::exit, |()| ExitCode::SUCCESS)
}

fn tail(arguments: &TailArguments) -> Result<(), ToolError> {
    let TailArguments { store, repository, actions, lines, since, from, no_follow, json } = arguments;
    let beginning = match (from, since) {
        (Some(id), _) => Beginning::After(id.clone()),
        (None, Some(ago)) => Beginning::Since(*ago),
        (None, None) => Beginning::Last(*lines),
    };
    let wanted = Tail {
        repositories: repository.clone(),
        actions: actions.iter().map(|action| (*action).into()).collect(),
        beginning,
        is_followed: !no_follow,
    };
    let mut shown = Shown::new(*json);
    ask_server(store, "/events", &wanted, |news| shown.show(news))
}

/// What is printed of them.
struct Shown {
    /// `None` for JSON.
    table: Option<Table<4>>,
}

/// As much of an event as people are shown.
#[derive(Deserialize)]
struct Told {
    timestamp: String,
    action: String,
    target: Target,
    request: Request,
    actor: Actor,
}

#[derive(Deserialize)]
struct Target {
    repository: String,
    tag: Option<String>,
    digest: Option<String>,
}

#[derive(Deserialize)]
struct Request {
    addr: String,
}

#[derive(Deserialize)]
struct Actor {
    #[serde(default)]
    name: String,
}

impl Shown {
    fn new(is_json: bool) -> Self {
        let columns =
            [("TIME", Side::Left), ("WHO", Side::Left), ("ACTION", Side::Left), ("WHAT", Side::Left)];
        Self { table: (!is_json).then(|| Table::new(columns)) }
    }

    fn show(&mut self, news: TailNews) -> io::Result<()> {
        match news {
            TailNews::Event(event) => self.show_event(&event)?,
            TailNews::FromNowOn => eprintln!(
                "holdfast: what happened before is not known: without notifications.endpoints events are remembered only while \
                 somebody looks on"
            ),
            TailNews::UnknownBeginning => {
                eprintln!(
                    "holdfast: the event of this id is not remembered; this begins with the oldest that is"
                );
            }
            TailNews::Missed(count) => {
                eprintln!("holdfast: {count} events were missed: they came faster than they were read here");
            }
            TailNews::Quiet => {}
        }
        Ok(())
    }

    fn show_event(&mut self, event: &RawValue) -> io::Result<()> {
        let Some(table) = &mut self.table else {
            return output::print(&format!("{}\n", event.get()));
        };
        let Told { timestamp, action, target, request, actor } = serde_json::from_str(event.get())?;
        let who = [actor.name, request.addr].into_iter().find(|name| !name.is_empty());
        let what = match target {
            Target { repository, tag: Some(tag), .. } => format!("{repository}:{tag}"),
            Target { repository, digest: Some(digest), .. } => format!("{repository}@{digest}"),
            Target { repository, .. } => repository,
        };
        table.row([output::moment(&timestamp), who.unwrap_or_default(), action, what]);
        table.print()
    }
}
