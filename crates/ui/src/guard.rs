//! Who may ask: the page itself, and programs on this machine.

use std::net::IpAddr;

use axum::http::header::{CONTENT_TYPE, HOST, ORIGIN};
use axum::http::{HeaderMap, Method};

/// Why a request is refused; none where it is not.
///
/// A site whose name was made to lead here (DNS rebinding) asks with its own name as the host, and
/// a page of another site names itself as the origin, or may send only media types of forms.
pub(crate) fn refusal(method: &Method, headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(host) = text(HOST) else { return Some("a Host header is needed".into()) };
    if !is_local(host) {
        return Some(format!("host `{host}`: `localhost` or an address is allowed"));
    }
    if let Some(origin) = text(ORIGIN)
        && origin != format!("http://{host}")
    {
        return Some(format!("origin `{origin}`: `http://{host}` is allowed"));
    }
    let kind = text(CONTENT_TYPE).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if method == Method::POST && kind != "application/json" && kind != "application/octet-stream" {
        return Some(format!("content type `{kind}`: `application/json` is allowed"));
    }
    None
}

/// Whether a host is no name that another site chose: `localhost` or an address, with or without
/// a port.
fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(pairs: &[(&'static str, &str)]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, value.parse().unwrap());
        }
        refusal(&Method::POST, &headers)
    }

    #[test]
    fn the_page_and_local_programs_may_ask() {
        let json = ("content-type", "application/json");
        for host in ["localhost:7434", "127.0.0.1", "127.0.0.1:80", "[::1]:7434", "LOCALHOST"] {
            assert_eq!(asked(&[("host", host), json]), None, "{host}");
            let origin = format!("http://{host}");
            assert_eq!(asked(&[("host", host), ("origin", &origin), json]), None, "{host}");
        }
    }

    #[test]
    fn other_sites_may_not() {
        let json = ("content-type", "application/json");
        let host = ("host", "127.0.0.1:7434");
        assert!(asked(&[("host", "evil.example:7434"), json]).unwrap().contains("evil.example"));
        assert!(asked(&[("host", "localhost.evil.example"), json]).is_some());
        assert!(asked(&[host, ("origin", "http://evil.example"), json]).is_some());
        assert!(asked(&[host, ("origin", "null"), json]).is_some());
        assert!(asked(&[host, ("content-type", "text/plain")]).unwrap().contains("text/plain"));
        assert!(asked(&[json]).is_some());
    }
}
