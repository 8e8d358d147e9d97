//! Requests for the metrics: method, path, and the format that the client wants (RFC 9110, RFC 9112).

/// Bytes of a request, and its header fields.
const REQUEST_MAX: usize = 8 * 1024;
const FIELDS_MAX: usize = 64;

/// The format of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Prometheus's own text format, 0.0.4, which is `text/plain`.
    Prometheus,
}

/// A request for the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) format: Format,
    /// Whether only the head of the answer is wanted (RFC 9110 9.3.2).
    pub(super) only_head: bool,
}

/// Why a request is not for the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: &'static str,
    pub(super) text: &'static str,
}

/// Whether no more has to be read to answer.
pub(super) fn is_whole(text: &[u8]) -> bool {
    text.len() > REQUEST_MAX || text.windows(4).any(|end| end == b"\r\n\r\n")
}

/// A whole request.
pub(super) fn parse(text: &[u8]) -> Result<Request, Refusal> {
    if text.len() > REQUEST_MAX {
        return Err(Refusal { status: "431 Request Header Fields Too Large", text: "too long\n" });
    }
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut parsed = httparse::Request::new(&mut fields);
    let whole = parsed.parse(text).is_ok_and(|status| status.is_complete());
    let (Some(method), Some(target), true) = (parsed.method, parsed.path, whole) else {
        return Err(Refusal {
            status: "400 Bad Request",
            text: "this is no request of HTTP/1.1\n",
        });
    };
    // All servers have GET and HEAD (RFC 9110 9.1).
    let only_head = match method {
        "GET" => false,
        "HEAD" => true,
        _ => {
            return Err(Refusal {
                status: "405 Method Not Allowed",
                text: "only GET and HEAD are\n",
            });
        }
    };
    if path(target) != "/metrics" {
        return Err(Refusal { status: "404 Not Found", text: "the metrics are at /metrics\n" });
    }
    let accept = parsed.headers.iter().filter(|field| field.name.eq_ignore_ascii_case("accept"));
    let accept: Vec<&str> =
        accept.filter_map(|field| std::str::from_utf8(field.value).ok()).collect();
    Ok(Request { format: format(&accept.join(",")), only_head })
}

/// The path of a target, in origin or absolute form (RFC 9112 3.2), without its query.
fn path(target: &str) -> &str {
    let origin = match target.split_once("://") {
        Some((_, rest)) if !target.starts_with('/') => rest.find('/').map_or("/", |at| &rest[at..]),
        _ => target,
    };
    origin.split_once('?').map_or(origin, |(path, _)| path)
}

/// The format that an `Accept` field prefers (RFC 9110 12.5.1); OpenMetrics when it prefers none.
fn format(accept: &str) -> Format {
    let quality = |wanted: &[&str]| {
        let ranges = accept.split(',').filter_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next()?.to_ascii_lowercase();
            let quality = parts.find_map(|part| part.strip_prefix("q="));
            let quality = quality.map_or(Some(1.0), |text| text.parse().ok())?;
            wanted.contains(&name.as_str()).then_some(quality)
        });
        ranges.fold(0.0, f32::max)
    };
    let open = quality(&["application/openmetrics-text", "application/*", "*/*"]);
    let plain = quality(&["text/plain", "text/*"]);
    if plain > open { Format::Prometheus } else { Format::OpenMetrics }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(line: &str) -> &'static str {
        let text = format!("{line}\r\nHost: x\r\n\r\n");
        assert!(is_whole(text.as_bytes()), "{line}");
        parse(text.as_bytes()).map_or_else(|refusal| &refusal.status[..3], |_| "200")
    }

    #[test]
    fn the_metrics_are_at_their_path_whatever_the_query() {
        for (line, expected) in [
            ("GET /metrics HTTP/1.1", "200"),
            ("GET /metrics HTTP/1.0", "200"),
            ("HEAD /metrics HTTP/1.1", "200"),
            ("GET /metrics?x=y HTTP/1.1", "200"),
            ("GET /metrics? HTTP/1.1", "200"),
            ("GET http://127.0.0.1:9590/metrics?x HTTP/1.1", "200"),
            ("GET / HTTP/1.1", "404"),
            ("GET http://x HTTP/1.1", "404"),
            ("GET /metrics/ HTTP/1.1", "404"),
            ("GET /x?/metrics HTTP/1.1", "404"),
            ("GET /x://y/metrics HTTP/1.1", "404"),
            ("POST /metrics HTTP/1.1", "405"),
            ("get /metrics HTTP/1.1", "405"),
            ("GET /metrics", "400"),
            ("GET /metrics HTTP/2.0", "400"),
            ("\x16\x03\x01", "400"),
        ] {
            assert_eq!(status(line), expected, "{line}");
        }
        let long = format!("GET /metrics HTTP/1.1\r\nX: {}", "y".repeat(REQUEST_MAX));
        assert!(is_whole(long.as_bytes()));
        assert_eq!(parse(long.as_bytes()).map_err(|refusal| &refusal.status[..3]), Err("431"));
        assert!(!is_whole(b"GET /metrics HTTP/1.1\r\n"));
    }

    #[test]
    fn the_client_chooses_the_format() {
        use Format::{OpenMetrics, Prometheus};
        for (accept, expected) in [
            ("", OpenMetrics),
            ("*/*", OpenMetrics),
            ("text/plain", Prometheus),
            ("text/*;q=0.5", Prometheus),
            ("text/html, text/plain;q=0.2, */*;q=0.1", Prometheus),
            // Prometheus 3.
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                 text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                OpenMetrics,
            ),
            ("application/openmetrics-text;q=0.1, text/plain", Prometheus),
            ("Text/Plain", Prometheus),
            ("image/png", OpenMetrics),
            ("text/plain;q=x", OpenMetrics),
        ] {
            assert_eq!(format(accept), expected, "{accept}");
        }
        let text = b"GET /metrics HTTP/1.1\r\nACCEPT: text/plain\r\n\r\n";
        let request = Request { format: Prometheus, only_head: false };
        assert_eq!(parse(text), Ok(request));
    }
}
