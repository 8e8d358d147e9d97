//! The state of the view, and what keys and answers do to it. It knows neither terminal nor socket, so tests drive it.

use std::collections::VecDeque;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::ask::{Snapshot, Wish};
use super::rates::{Traffic, View};

/// Rates that are kept for the sparkline: the width of a large screen.
const HISTORY: usize = 256;

/// The subject of the lower part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pane {
    Vnets,
    Interfaces,
    Workers,
    Nodes,
    Drops,
}

impl Pane {
    pub(super) const ALL: [(Self, &'static str); 5] = [
        (Self::Vnets, "vnets"),
        (Self::Interfaces, "interfaces"),
        (Self::Workers, "workers"),
        (Self::Nodes, "nodes"),
        (Self::Drops, "drops"),
    ];

    fn next(self, step: usize) -> Self {
        Self::ALL[(self as usize + step) % Self::ALL.len()].0
    }
}

/// The key that vnets and interfaces are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Place,
    In,
    Out,
    Drops,
}

impl Sort {
    fn next(self) -> Self {
        match self {
            Self::Place => Self::In,
            Self::In => Self::Out,
            Self::Out => Self::Drops,
            Self::Drops => Self::Place,
        }
    }

    /// The rate that rows are sorted by.
    pub(super) fn rate(self, traffic: &Traffic) -> f64 {
        let rate = match self {
            Self::Place => None,
            Self::In => traffic.in_pps,
            Self::Out => traffic.out_pps,
            Self::Drops => traffic.drops_pps,
        };
        rate.unwrap_or(0.0)
    }
}

/// The state.
#[derive(Debug)]
pub(super) struct App {
    pub(super) pane: Pane,
    pub(super) sort: Sort,
    /// The vnet that is looked into.
    pub(super) vnet: Option<String>,
    /// Names of vnets hold this.
    pub(super) filter: String,
    /// Whether keys go to the filter.
    pub(super) typing: bool,
    /// The row under the bar.
    pub(super) row: usize,
    /// Rows that the screen has for a table.
    pub(super) rows: usize,
    /// Where the pages before this one begin behind.
    pages: Vec<Option<u64>>,
    /// Where this one does.
    after: Option<u64>,
    /// Whether there are vnets behind it.
    pub(super) more: bool,
    pub(super) view: View,
    /// Packets in a second, the latest last.
    pub(super) history: VecDeque<u64>,
    /// Why there is nothing new.
    pub(super) lost: Option<String>,
    last: Option<Snapshot>,
}

/// The reaction of the loop to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    GoOn,
    Quit,
}

impl App {
    /// The view at the start; of one vnet only, if it is named.
    pub(super) fn new(vnet: Option<String>) -> Self {
        Self {
            pane: if vnet.is_some() { Pane::Interfaces } else { Pane::Vnets },
            sort: Sort::Place,
            vnet,
            filter: String::new(),
            typing: false,
            row: 0,
            rows: 16,
            pages: Vec::new(),
            after: None,
            more: false,
            view: View::default(),
            history: VecDeque::new(),
            lost: None,
            last: None,
        }
    }

    /// The questions whose answers the screen shows.
    pub(super) fn wish(&self) -> Wish {
        let lists_vnets = self.pane == Pane::Vnets && self.vnet.is_none();
        let adds_up = self.pane == Pane::Drops;
        Wish {
            vnet: self.vnet.clone(),
            interfaces: self.pane == Pane::Interfaces,
            holds: self.filter.clone(),
            after: self.after.filter(|_| lists_vnets),
            rows: if lists_vnets { self.rows } else { usize::from(self.vnet.is_some()) },
            all: adds_up || (lists_vnets && self.sort != Sort::Place),
        }
    }

    /// Takes an answer. `regular` says that it is not one between two looks.
    pub(super) fn take(&mut self, answer: Result<Snapshot, String>, regular: bool) {
        let now = match answer {
            Ok(now) => now,
            Err(error) => {
                self.lost = Some(error.lines().next().unwrap_or_default().to_owned());
                // The counters of the instance before it went say nothing of the one that comes.
                self.last = None;
                return;
            }
        };
        self.lost = None;
        self.view = View::between(self.last.as_ref(), &now);
        if let Some(pps) = self.view.total.in_pps.filter(|_| regular) {
            self.history.push_back(pps as u64);
            self.history.drain(..self.history.len().saturating_sub(HISTORY)).for_each(drop);
        }
        let sort = self.sort;
        self.view.vnets.sort_by(|a, b| sort.rate(&b.traffic).total_cmp(&sort.rate(&a.traffic)));
        self.view
            .interfaces
            .sort_by(|a, b| sort.rate(&b.traffic).total_cmp(&sort.rate(&a.traffic)));
        self.more = now.more;
        self.last = Some(now);
        self.row = self.row.min(self.length().saturating_sub(1));
    }

    /// Rows of the table that is shown.
    pub(super) fn length(&self) -> usize {
        match self.pane {
            Pane::Vnets => self.view.vnets.len(),
            Pane::Interfaces => self.view.interfaces.len(),
            Pane::Workers => self.view.workers.len(),
            Pane::Nodes => self.view.nodes.len(),
            Pane::Drops => self.view.drops.len(),
        }
    }

    /// Does what a key stands for.
    pub(super) fn key(&mut self, key: KeyEvent) -> Next {
        if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
            return Next::Quit;
        }
        if self.typing {
            self.type_key(key.code);
            return Next::GoOn;
        }
        match key.code {
            KeyCode::Char('q') => return Next::Quit,
            KeyCode::Tab => self.show(self.pane.next(1)),
            KeyCode::BackTab => self.show(self.pane.next(Pane::ALL.len() - 1)),
            KeyCode::Char(digit @ '1'..='5') => {
                self.show(Pane::ALL[digit as usize - '1' as usize].0);
            }
            KeyCode::Char('s') => {
                self.sort = self.sort.next();
                self.begin();
            }
            KeyCode::Char('/') => self.typing = true,
            KeyCode::Esc => self.look_at(None),
            KeyCode::Enter if self.pane == Pane::Vnets => {
                let name = self.view.vnets.get(self.row).map(|vnet| vnet.name.clone());
                if name.is_some() {
                    self.look_at(name);
                    self.show(Pane::Interfaces);
                }
            }
            KeyCode::Down | KeyCode::Char('j') => self.down(1),
            KeyCode::Up | KeyCode::Char('k') => self.up(1),
            KeyCode::PageDown => self.down(self.rows),
            KeyCode::PageUp => self.up(self.rows),
            _ => {}
        }
        Next::GoOn
    }

    /// A filter is of vnets: what was looked into is left.
    fn type_key(&mut self, code: KeyCode) {
        match code {
            KeyCode::Enter | KeyCode::Esc => {
                self.typing = false;
                return;
            }
            KeyCode::Backspace => drop(self.filter.pop()),
            KeyCode::Char(letter) if !letter.is_control() => self.filter.push(letter),
            _ => return,
        }
        self.look_at(None);
    }

    fn show(&mut self, pane: Pane) {
        self.pane = pane;
        self.begin();
    }

    fn look_at(&mut self, vnet: Option<String>) {
        if vnet.is_none() && self.vnet.is_none() && !self.typing {
            self.filter.clear();
        }
        self.vnet = vnet;
        self.begin();
    }

    /// Back to the first row of the first page.
    fn begin(&mut self) {
        (self.row, self.after) = (0, None);
        self.pages.clear();
    }

    /// Rows down; behind the last one, the next page of vnets.
    fn down(&mut self, rows: usize) {
        let last = self.length().saturating_sub(1);
        if self.row + rows <= last {
            self.row += rows;
        } else if self.pane == Pane::Vnets && self.more {
            self.pages.push(self.after);
            self.after = self.view.vnets.last().map(|vnet| vnet.index);
            self.more = false;
            self.row = 0;
        } else {
            self.row = last;
        }
    }

    fn up(&mut self, rows: usize) {
        match self.pages.pop() {
            Some(after) if self.row < rows => {
                self.after = after;
                self.row = self.rows.saturating_sub(1);
            }
            page => {
                self.pages.extend(page);
                self.row = self.row.saturating_sub(rows);
            }
        }
    }
}
