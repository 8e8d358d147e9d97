//! The state on a screen of any size. At 80x24 everything has its place.

use std::collections::BTreeMap;

use numbers::{group, rate};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Cell, Paragraph, Row, Sparkline, Table, TableState};

use super::app::{App, Pane, Sort};
use super::rates::{CountRow, Traffic};

/// Lines above and below the table: title, totals, the sparkline with its frame, tabs, head of the table, keys.
const SPARKLINE: u16 = 4;
const AROUND: u16 = 5 + SPARKLINE;

/// Rows that a screen has for a table.
pub(super) fn rows(height: u16) -> usize {
    usize::from(height.saturating_sub(AROUND)).max(1)
}

/// Draws everything.
pub(super) fn draw(frame: &mut Frame<'_>, app: &App) {
    let lines = [1, 1, SPARKLINE, 1].map(Constraint::Length);
    let lines = lines.into_iter().chain([Constraint::Min(2), Constraint::Length(1)]);
    let areas = Layout::vertical(lines).split(frame.area());
    frame.render_widget(title(app), areas[0]);
    frame.render_widget(Line::from(format!(" ports  {}", totals(&app.view.total))), areas[1]);
    sparkline(frame, app, areas[2]);
    frame.render_widget(tabs(app), areas[3]);
    table(frame, app, areas[4]);
    frame.render_widget(bottom(app), areas[5]);
}

fn title(app: &App) -> Line<'static> {
    let what = match (&app.vnet, app.filter.as_str()) {
        (Some(vnet), _) => format!("vnet {vnet}"),
        (None, "") => "all vnets".to_owned(),
        (None, filter) => format!("vnets with {filter:?}"),
    };
    let up = app.view.uptime_s as u64;
    let (hours, minutes, seconds) = (up / 3600, up / 60 % 60, up % 60);
    Line::from(vec![
        " curvnet top".bold(),
        Span::from(format!("   up {hours}:{minutes:02}:{seconds:02}   {what}")),
    ])
}

fn totals(Traffic { in_pps, in_bps, out_pps, out_bps, drops_pps }: &Traffic) -> String {
    format!(
        "in {} {}   out {} {}   lost {}",
        shown(*in_pps, "pps"),
        shown(*in_bps, "bit/s"),
        shown(*out_pps, "pps"),
        shown(*out_bps, "bit/s"),
        shown(*drops_pps, "pps")
    )
}

fn sparkline(frame: &mut Frame<'_>, app: &App, area: Rect) {
    let most = app.history.iter().max().copied().unwrap_or(0);
    let title = format!(" packets in, {} at most ", rate(most as f64, "pps"));
    let block = Block::new().borders(Borders::TOP | Borders::BOTTOM).title(title);
    let skip = app.history.len().saturating_sub(usize::from(area.width));
    let data: Vec<u64> = app.history.iter().skip(skip).copied().collect();
    let style = Style::new().fg(Color::Cyan);
    frame.render_widget(Sparkline::default().block(block).data(data).style(style), area);
}

fn tabs(app: &App) -> Line<'static> {
    let tab = |(number, (pane, name)): (usize, &(Pane, &str))| {
        let text = Span::from(format!(" {} {name} ", number + 1));
        if *pane == app.pane { text.add_modifier(Modifier::REVERSED) } else { text }
    };
    Line::from_iter(Pane::ALL.iter().enumerate().map(tab))
}

fn bottom(app: &App) -> Line<'static> {
    if let Some(reason) = &app.lost {
        let text = format!(" q quit  LOST, trying again: {reason}");
        return Line::from(text).fg(Color::Red).bold();
    }
    if app.typing {
        return Line::from(format!(" names hold: {}_   (enter: done)", app.filter)).bold();
    }
    let sort = match app.sort {
        Sort::Place => "place",
        Sort::In => "in",
        Sort::Out => "out",
        Sort::Drops => "drops",
    };
    let keys = format!(
        " q quit  tab/1-5 pane  s sort: {sort}  / filter  enter vnet  esc all  \u{2191}\u{2193} move"
    );
    Line::from(keys).dim()
}

/// A table's columns, its head, and its rows.
type Columns = (Vec<Constraint>, Vec<&'static str>, Vec<Vec<String>>);

fn table(frame: &mut Frame<'_>, app: &App, area: Rect) {
    if area.width < WIDTH {
        let hint = format!(" Too narrow: {WIDTH} columns are needed.");
        frame.render_widget(Paragraph::new(hint), area);
        return;
    }
    let (widths, head, rows) = match app.pane {
        Pane::Vnets => vnets(app),
        Pane::Interfaces if app.vnet.is_none() => {
            let hint = " Choose a vnet first: 1, the bar on it, enter; or start with -v VNET.";
            frame.render_widget(Paragraph::new(hint), area);
            return;
        }
        Pane::Interfaces => interfaces(app),
        Pane::Workers => workers(app),
        Pane::Nodes => counts("node", &app.view.nodes),
        Pane::Drops => counts("reason", &app.view.drops),
    };
    // Names are on the left, numbers on the right.
    let cell = |(at, text): (usize, String)| {
        let line = Line::from(text);
        Cell::from(if at < app.pane.names() { line } else { line.right_aligned() })
    };
    let row = |cells: Vec<String>| Row::new(cells.into_iter().enumerate().map(cell));
    let head = row(head.into_iter().map(str::to_owned).collect());
    let table = Table::new(rows.into_iter().map(row), widths)
        .header(head.style(Modifier::BOLD))
        .row_highlight_style(Modifier::REVERSED);
    let mut state = TableState::default().with_selected(Some(app.row));
    frame.render_stateful_widget(table, area, &mut state);
}

impl Pane {
    /// Columns on the left that hold names.
    fn names(self) -> usize {
        match self {
            Self::Vnets => 1,
            Self::Interfaces => 2,
            Self::Workers => 0,
            Self::Nodes | Self::Drops => 1,
        }
    }
}

/// `99.9 kpps` and `99.9 Mbit/s` twice, and drops.
const RATES: [Constraint; 5] = [
    Constraint::Length(10),
    Constraint::Length(12),
    Constraint::Length(10),
    Constraint::Length(12),
    Constraint::Length(10),
];
/// Columns that every table takes. A number that is cut off would be another one.
const WIDTH: u16 = 75;

fn traffic(Traffic { in_pps, in_bps, out_pps, out_bps, drops_pps: _ }: &Traffic) -> Vec<String> {
    vec![
        shown(*in_pps, "pps"),
        shown(*in_bps, "bit/s"),
        shown(*out_pps, "pps"),
        shown(*out_bps, "bit/s"),
    ]
}

fn vnets(app: &App) -> Columns {
    let row = |row: &super::rates::VnetRow| {
        let mut cells = vec![row.name.clone()];
        cells.extend(traffic(&row.traffic));
        cells.push(shown(row.traffic.drops_pps, "pps"));
        cells
    };
    let widths = [Constraint::Min(12)].into_iter().chain(RATES).collect();
    let head = vec!["vnet", "in", "", "out", "", "drops"];
    (widths, head, app.view.vnets.iter().map(row).collect())
}

fn interfaces(app: &App) -> Columns {
    let row = |row: &super::rates::InterfaceRow| {
        let state = if row.up { "up" } else { "down" };
        let mut cells = vec![row.name.clone(), state.to_owned()];
        cells.extend(traffic(&row.traffic));
        cells
    };
    let widths = [Constraint::Min(12), Constraint::Length(5)].into_iter().chain(RATES).take(6);
    let head = vec!["interface", "", "in", "", "out", ""];
    (widths.collect(), head, app.view.interfaces.iter().map(row).collect())
}

fn workers(app: &App) -> Columns {
    let share =
        |share: Option<f64>| share.map_or("-".to_owned(), |s| format!("{:.0} %", 100.0 * s));
    let row = |row: &super::rates::WorkerRow| {
        vec![
            row.cpu.to_string(),
            shown(row.pps, "pps"),
            row.cycles_per_packet.map_or("-".to_owned(), |cycles| format!("{cycles:.1}")),
            share(row.busy),
            share(row.idle),
            share(row.sleep),
            shown(row.polls_ps, "/s"),
        ]
    };
    let widths = vec![
        Constraint::Length(5),
        Constraint::Length(12),
        Constraint::Length(14),
        Constraint::Length(8),
        Constraint::Length(8),
        Constraint::Length(8),
        Constraint::Length(12),
    ];
    let head = vec!["CPU", "packets", "cycles/packet", "busy", "idle", "asleep", "polls"];
    (widths, head, app.view.workers.iter().map(row).collect())
}

fn counts(name: &'static str, counts: &BTreeMap<String, CountRow>) -> Columns {
    let row = |(name, CountRow { pps, packets }): (&String, &CountRow)| {
        vec![name.clone(), shown(*pps, "pps"), group(*packets)]
    };
    let widths = vec![Constraint::Min(24), Constraint::Length(12), Constraint::Length(24)];
    (widths, vec![name, "now", "packets"], counts.iter().map(row).collect())
}

fn shown(per_second: Option<f64>, unit: &str) -> String {
    per_second.map_or("-".to_owned(), |per_second| rate(per_second, unit))
}

#[cfg(test)]
mod tests;
