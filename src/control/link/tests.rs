//! A client without a socket, in virtual time.

use super::*;
use crate::protocol::{Done, Ended};

const LINE: &[u8] = b"{\"id\":1,\"version\":1,\"command\":\"features\"}\n";

fn done(id: Id) -> Response {
    Response { id: Some(id), outcome: Ok(Answer::Done(Done::default())).into() }
}

#[test]
fn requests_on_their_way_are_bounded() {
    let now = Instant::now();
    let mut link = Link::new(now);
    link.take(&LINE.repeat(OUTSTANDING + 3), now);
    let given = std::iter::from_fn(|| link.next_request(now)).count();
    assert_eq!(given, OUTSTANDING);
    link.answer(&done(Id::Number(1)), None);
    assert!(link.next_request(now).is_some() && link.next_request(now).is_none());
}

#[test]
fn the_rate_is_bounded_and_nothing_is_lost() {
    let now = Instant::now();
    let mut link = Link::new(now);
    let mut executed = 0;
    let mut round = |link: &mut Link, now| {
        while let Some(request) = link.next_request(now) {
            executed += 1;
            link.answer(&done(request.id), None);
            let owed = link.output().len();
            link.sent(owed, now);
        }
        executed
    };
    for _ in 0..6 {
        link.take(&LINE.repeat(1000), now);
        let _so_far = round(&mut link, now);
    }
    assert_eq!(round(&mut link, now), 5_000);
    assert!(link.is_throttled());
    assert_eq!(round(&mut link, now + Duration::from_millis(100)), 5_500);
    assert_eq!(round(&mut link, now + Duration::from_secs(9)), 6_000);
    assert!(!link.is_throttled());
}

#[test]
fn a_line_without_end_is_refused_and_ends_the_connection() {
    let now = Instant::now();
    let mut link = Link::new(now);
    while link.wants_input() {
        link.take(&[b' '; 1000], now);
        assert!(link.next_request(now).is_none());
    }
    let text = String::from_utf8(link.output().to_vec()).expect("UTF-8");
    assert!(text.contains("\"code\":\"too_long\"") && text.ends_with('\n'), "{text}");
    let owed = link.output().len();
    link.sent(owed, now);
    assert!(link.is_done());
}

#[test]
fn a_stream_does_not_keep_who_is_refused() {
    let now = Instant::now();
    let mut link = Link::new(now);
    link.take(&LINE.repeat(2), now);
    let [first, second] = [(); 2].map(|()| link.next_request(now).expect("a request"));
    link.answer(&done(first.id.clone()), Some(Arc::default()));
    link.take(&[b' '; LINE_MAX + 1], now);
    assert!(link.next_request(now).is_none());
    // Its second stream begins, and its first has a line, when it is refused already.
    link.answer(&done(second.id), Some(Arc::default()));
    link.push(Pushed { id: Some(first.id), ..Pushed::default() });
    assert!(link.fill() && !link.is_done());
    let owed = link.output().len();
    link.sent(owed, now);
    assert!(!link.fill() && link.is_done());
}

#[test]
fn who_does_not_read_is_not_read_from_and_is_stuck_in_the_end() {
    let now = Instant::now();
    let mut link = Link::new(now);
    for _ in 0..200_000 {
        if !link.wants_input() {
            break;
        }
        link.take(b"rubbish\n", now);
        assert!(link.next_request(now).is_none());
    }
    assert!(!link.wants_input(), "it was read from for ever");
    assert!(link.output().len() < 2 * OUTPUT_PAUSE);
    assert!(!link.is_stuck(now + READ_TIMEOUT) && link.is_stuck(now + 2 * READ_TIMEOUT));
    link.sent(10, now + READ_TIMEOUT);
    assert!(!link.is_stuck(now + 2 * READ_TIMEOUT));
}

#[test]
fn who_does_not_read_a_stream_is_owed_little_and_is_stuck_in_the_end() {
    let now = Instant::now();
    let mut link = Link::new(now);
    link.take(LINE, now);
    let request = link.next_request(now).expect("a request");
    let flow = Arc::<Flow>::default();
    link.answer(&done(request.id.clone()), Some(Arc::clone(&flow)));
    let line = Pushed { id: Some(request.id.clone()), ..Pushed::default() };
    let pushed = 100_000;
    for _ in 0..pushed {
        link.push(line.clone());
        let _owed = link.fill();
    }
    assert!(link.output().len() < OUTPUT_PAUSE + 100);
    assert!(!link.is_stuck(now + READ_TIMEOUT) && link.is_stuck(now + 2 * READ_TIMEOUT));
    // It reads after all, in pieces.
    let mut read = 0;
    while link.fill() {
        let some = link.output().len().min(100_000);
        read += link.output()[..some].iter().filter(|byte| **byte == b'\n').count();
        link.sent(some, now);
        assert!(link.output.capacity() < 4 * OUTPUT_PAUSE);
    }
    assert_eq!(read, 1 + pushed);
    link.end_input();
    assert!(!link.is_done() && !link.is_idle() && !flow.is_closed());
    link.push(Pushed { end: Some(Ended::default()), ..line });
    let _owed = link.fill();
    assert!(flow.is_closed());
    link.sent(link.output().len(), now);
    assert!(link.is_done());
}

#[test]
fn who_sends_nothing_more_gets_what_is_owed() {
    let now = Instant::now();
    let mut link = Link::new(now);
    link.take(LINE, now);
    link.end_input();
    assert!(!link.is_done());
    let request = link.next_request(now).expect("a request");
    assert!(!link.is_done());
    link.answer(&done(request.id), None);
    assert_eq!(link.output(), b"{\"id\":1,\"ok\":{}}\n");
    link.sent(link.output().len(), now);
    assert!(link.is_done());
}
