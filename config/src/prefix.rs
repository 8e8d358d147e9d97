//! How a prefix is written, in files, requests and commands alike.

use std::net::IpAddr;

use ipnet::IpNet;

/// `ADDRESS/LENGTH`. As in addresses, no number has leading zeros: some programs take them for octal, so that `010.35.0.0/16`
/// would be two networks (RFC 6943 section 3.1.1).
#[must_use]
pub fn parse_prefix(text: &str) -> Option<IpNet> {
    let (address, length) = text.split_once('/')?;
    let is_number = length.bytes().all(|byte| byte.is_ascii_digit());
    let has_leading_zero = length.len() > 1 && length.starts_with('0');
    if !is_number || has_leading_zero {
        return None;
    }
    IpNet::new(address.parse::<IpAddr>().ok()?, length.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_no_leading_zeros() {
        for text in
            ["10.35.0.0/16", "0.0.0.0/0", "10.0.0.1/8", "255.255.255.255/32", "2001:db8::/32"]
        {
            assert_eq!(parse_prefix(text).map(|prefix| prefix.to_string()).as_deref(), Some(text));
        }
        for text in [
            "010.35.0.0/16",
            "10.035.0.0/16",
            "10.35.0.00/16",
            "10.35.0.0/016",
            "10.35.0.0/+16",
            "10.35.0.0/",
            "10.35.0.0/33",
            "10.35.0.0",
            "10.35.0/16",
            " 10.35.0.0/16",
            "/16",
            "2001:db8::/129",
        ] {
            assert_eq!(parse_prefix(text), None, "{text}");
        }
    }
}
