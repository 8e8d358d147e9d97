//! Golden screens. After a change, `BLESS=1 cargo test -p curvnet top` rewrites `screens.txt`; read the difference
//! before committing it.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::*;
use crate::protocol::{InterfaceShown, PortShown, Stats, VnetTraffic, WorkerShown};
use crate::top::app::Next;
use crate::top::ask::{Snapshot, Wish};

fn counters<const N: usize>(counters: [(&str, u64); N]) -> BTreeMap<String, u64> {
    counters.map(|(name, value)| (name.to_owned(), value)).into()
}

/// An instance `seconds` after its start: red receives a million packets a second and drops every tenth of them.
fn snapshot(start: Instant, seconds: u64, wish: Wish) -> Snapshot {
    let n = seconds * 1_000_000;
    let port = PortShown {
        driver: "net_null".to_owned(),
        link: true,
        speed_mbps: None,
        counters: counters([
            ("rx_packets", n),
            ("rx_bytes", n * 60),
            ("tx_packets", n),
            ("rx_missed", 0),
        ]),
    };
    let worker = WorkerShown {
        cpu: 1,
        counters: counters([
            ("polls", n / 10),
            ("packets", n),
            ("busy_cycles", n * 100),
            ("idle_cycles", n * 300),
        ]),
        nodes: counters([("ip_tryforward", n), ("ip_input", n / 10)]),
        drops: counters([("vlan_unknown", seconds * 5)]),
    };
    let vnet = |index: u64, name: &str, n: u64| VnetTraffic {
        index,
        name: name.to_owned(),
        received: n,
        received_bytes: n * 60,
        sent: n * 9 / 10,
        sent_bytes: n * 54,
        drops: counters([("ip_no_route", n / 10)]),
    };
    let interface = |name: &str, n: u64| InterfaceShown {
        name: name.to_owned(),
        index: 1,
        up: n > 0,
        mtu: 1500,
        port: None,
        vlan: None,
        peer: None,
        home: None,
        mac: None,
        link: None,
        addresses: Vec::new(),
        counters: counters([("ipackets", n), ("ibytes", n * 60), ("opackets", n), ("obytes", n)]),
    };
    Snapshot {
        at: start + Duration::from_secs(seconds),
        stats: Stats {
            uptime_s: seconds as f64,
            ports: [("p0".to_owned(), port)].into(),
            workers: vec![worker],
        },
        vnets: vec![vnet(0, "vnet0", 0), vnet(1, "blue", n / 1000), vnet(2, "red", n)],
        more: false,
        interfaces: vec![interface("lo0", 0), interface("em0", n)],
        wish,
    }
}

/// A view after three looks.
fn app(vnet: Option<&str>) -> App {
    let mut app = App::new(vnet.map(str::to_owned));
    look(&mut app);
    app
}

fn look(app: &mut App) {
    let start = Instant::now();
    for seconds in [3661, 3663, 3664] {
        let wish = app.wish();
        app.take(Ok(snapshot(start, seconds, wish)), true);
    }
}

fn press(app: &mut App, code: KeyCode) {
    assert_eq!(app.key(KeyEvent::new(code, KeyModifiers::NONE)), Next::GoOn);
}

fn screen(app: &App, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a backend");
    let _frame = terminal.draw(|frame| draw(frame, app)).expect("memory");
    let buffer = terminal.backend().buffer();
    let mut text = String::new();
    for y in 0..height {
        let line: String = (0..width).map(|x| buffer[(x, y)].symbol()).collect();
        let _infallible = writeln!(text, "{}", line.trim_end());
    }
    text
}

#[test]
fn golden() {
    let mut text = String::new();
    let mut show = |title: &str, app: &App, width, height| {
        let _infallible =
            write!(text, "=== {title}, {width}x{height}\n{}", screen(app, width, height));
    };
    let mut all = app(None);
    show("vnets", &all, 80, 24);
    press(&mut all, KeyCode::Char('s'));
    look(&mut all);
    show("vnets, the busiest first", &all, 80, 16);
    for (key, title) in [('2', "no vnet chosen"), ('3', "workers"), ('4', "nodes"), ('5', "drops")]
    {
        press(&mut all, KeyCode::Char(key));
        look(&mut all);
        show(title, &all, 80, 16);
    }
    show("a small screen", &all, 40, 10);
    show("interfaces", &app(Some("red")), 80, 16);
    let mut lost = app(None);
    lost.take(Err("no instance answers at /run/curvnet.sock: Connection refused".to_owned()), true);
    show("lost", &lost, 80, 14);
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/src/top/draw/screens.txt");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(golden, &text).expect("written");
    }
    assert_eq!(text, std::fs::read_to_string(golden).expect("screens"));
}

#[test]
fn any_size_will_do() {
    let app = app(None);
    for (width, height) in [(1, 1), (5, 3), (20, 7), (500, 200)] {
        let _drawn = screen(&app, width, height);
        assert!(rows(height) >= 1);
    }
}

#[test]
fn only_what_is_shown_is_asked_for() {
    let mut app = app(None);
    app.rows = 10;
    assert_eq!(app.wish(), Wish { rows: 10, ..Wish::default() });
    press(&mut app, KeyCode::Char('3'));
    assert_eq!(app.wish(), Wish::default());
    press(&mut app, KeyCode::Char('1'));
    press(&mut app, KeyCode::Char('s'));
    assert!(app.wish().all, "sorting takes all of them");
    press(&mut app, KeyCode::Char('/'));
    press(&mut app, KeyCode::Char('q'));
    press(&mut app, KeyCode::Enter);
    assert_eq!(app.wish().holds, "q");
    press(&mut app, KeyCode::Esc);
    assert_eq!(app.wish().holds, "");
}

#[test]
fn pages_go_forth_and_back() {
    let mut app = app(None);
    app.rows = 3;
    app.more = true;
    press(&mut app, KeyCode::PageDown);
    assert_eq!(app.wish().after, Some(2));
    app.more = true;
    press(&mut app, KeyCode::PageDown);
    press(&mut app, KeyCode::PageUp);
    assert_eq!(app.wish().after, Some(2));
    press(&mut app, KeyCode::PageUp);
    assert_eq!(app.wish().after, None);
    // Into the vnet under the bar, and back.
    app.row = 2;
    press(&mut app, KeyCode::Enter);
    let Wish { vnet, interfaces, .. } = app.wish();
    assert_eq!((vnet.as_deref(), interfaces), (Some("red"), true));
    press(&mut app, KeyCode::Esc);
    assert_eq!(app.wish().vnet, None);
    assert_eq!(app.key(KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE)), Next::Quit);
}

#[test]
fn an_instance_that_started_anew_has_no_rates() {
    let mut app = app(None);
    let start = Instant::now();
    let again = snapshot(start, 1, app.wish());
    app.take(Ok(again), true);
    assert_eq!(app.view.total.in_pps, None);
    app.take(Err("gone".to_owned()), true);
    assert_eq!(app.lost.as_deref(), Some("gone"));
    look(&mut app);
    assert_eq!((app.lost, app.view.total.in_pps), (None, Some(1e6)));
}
