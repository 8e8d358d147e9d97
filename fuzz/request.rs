//! Any bytes as a line of the control protocol. What is taken is written as a line that means the same, and what is
//! refused says why, in a line that can be sent. The fuzzer and the program's own tests share this file.

use crate::protocol::{Outcome, Request, Response};

/// Checks one line.
pub(crate) fn check(line: &[u8]) {
    match Request::parse(line) {
        Ok(request) => {
            let again = request.to_line().expect("a line");
            assert_eq!(Request::parse(&again), Ok(request));
        }
        Err((id, refusal)) => {
            assert!(!refusal.to_string().is_empty());
            let response = Response::<()> { id, outcome: Outcome::Error(refusal) };
            let text = serde_json::to_string(&response).expect("a line");
            assert!(!text.contains('\n'), "{text}");
            assert_eq!(serde_json::from_str::<Response<()>>(&text).expect("a response"), response);
        }
    }
}
