//! Questions for the instance, and the thread that asks them: an instance that does not answer never holds up the keys.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

use anyhow::{Context, Result};

use crate::client::Connection;
use crate::protocol::{InterfaceShown, Page, ProcessCommand, Stats, VnetCommand, VnetTraffic};

/// The parts that are shown, and so have to be asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Wish {
    /// The vnet to look into.
    pub(super) vnet: Option<String>,
    /// Its interfaces, too.
    pub(super) interfaces: bool,
    /// Without a vnet: only those whose names hold this.
    pub(super) holds: String,
    /// Those behind this place.
    pub(super) after: Option<u64>,
    /// How many.
    pub(super) rows: usize,
    /// All of them, which is more to ask: they are to be sorted or added up.
    pub(super) all: bool,
}

impl Wish {
    /// Whether both ask for the same vnets, so that their sums can be compared.
    pub(super) fn same_vnets(&self, other: &Self) -> bool {
        let of = |wish: &Self| {
            (wish.vnet.clone(), wish.holds.clone(), wish.all, wish.after.filter(|_| !wish.all))
        };
        of(self) == of(other)
    }
}

/// The answers of about one moment.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    /// When.
    pub(super) at: Instant,
    /// Ports and workers.
    pub(super) stats: Stats,
    /// By place.
    pub(super) vnets: Vec<VnetTraffic>,
    /// Whether there are vnets behind these.
    pub(super) more: bool,
    /// Those of the vnet that is looked into.
    pub(super) interfaces: Vec<InterfaceShown>,
    /// The question.
    pub(super) wish: Wish,
}

impl Snapshot {
    /// Asks.
    pub(super) fn take(connection: &mut Connection, wish: &Wish) -> Result<Self> {
        let stats = connection.ask(ProcessCommand::Stats {})?;
        let (vnets, more) = vnets(connection, wish)?;
        let mut interfaces = Vec::new();
        if let Some(vnet) = wish.vnet.as_ref().filter(|_| wish.interfaces) {
            let command = VnetCommand::InterfaceList { interface: None, after: None };
            let page: Page<InterfaceShown> = connection.ask_in(Some(vnet), command)?;
            interfaces = page.list;
        }
        Ok(Self { at: Instant::now(), stats, vnets, more, interfaces, wish: wish.clone() })
    }
}

fn vnets(connection: &mut Connection, wish: &Wish) -> Result<(Vec<VnetTraffic>, bool)> {
    let Wish { vnet, holds, after, rows, all, .. } = wish;
    let holds = vnet.as_ref().or(Some(holds)).filter(|holds| !holds.is_empty());
    let (mut list, mut after) = (Vec::new(), after.filter(|_| !all));
    let wanted = if *all { usize::MAX } else { *rows };
    while list.len() < wanted {
        let limit = Some((wanted - list.len()) as u64).filter(|_| !all);
        let command = ProcessCommand::VnetTraffic { after, holds: holds.cloned(), limit };
        let page: Page<VnetTraffic> = connection.ask(command)?;
        let is_it = |shown: &VnetTraffic| vnet.as_ref().is_none_or(|vnet| *vnet == shown.name);
        list.extend(page.list.into_iter().filter(is_it));
        let found = vnet.is_some() && !list.is_empty();
        match page.next.map(serde_json::from_value).transpose()? {
            Some(next) if !found => after = Some(next),
            _ => return Ok((list, false)),
        }
    }
    Ok((list, true))
}

/// The thread's handle.
#[derive(Debug)]
pub(super) struct Asker {
    wishes: Sender<Wish>,
    answers: Receiver<Result<Snapshot, String>>,
}

impl Asker {
    /// Starts the thread. It ends when this goes, or with the process.
    pub(super) fn start(socket: Option<PathBuf>, connection: Connection) -> Result<Self> {
        let (wishes, asked) = channel();
        let (answer, answers) = channel();
        let mut connection = Some(connection);
        let work = move || {
            while let Ok(wish) = asked.recv() {
                let snapshot = ask(&mut connection, socket.as_deref(), &wish);
                if snapshot.is_err() {
                    connection = None;
                }
                if answer.send(snapshot.map_err(|error| format!("{error:#}"))).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("top-asks".to_owned());
        let _detached = thread.spawn(work).context("a thread that asks")?;
        Ok(Self { wishes, answers })
    }

    /// Asks; the answer comes some time later.
    pub(super) fn ask(&self, wish: Wish) -> Result<()> {
        self.wishes.send(wish).context("the thread that asks is gone")
    }

    /// The answer, if it is there.
    pub(super) fn answer(&self) -> Option<Result<Snapshot, String>> {
        self.answers.try_recv().ok()
    }
}

/// Over the connection that there is, or a new one.
fn ask(
    connection: &mut Option<Connection>,
    socket: Option<&std::path::Path>,
    wish: &Wish,
) -> Result<Snapshot> {
    let connection = match connection {
        Some(connection) => connection,
        None => connection.insert(Connection::open(socket, None)?),
    };
    Snapshot::take(connection, wish)
}
