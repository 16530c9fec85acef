//! Encryption: rustls with the authorities of this machine.

use super::super::{Class, Failure};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use std::io;
use std::sync::{Arc, OnceLock};
use url::{Host, Url};

/// A connection to the host of a URL, before its first byte.
///
/// Out of line, as what follows: the stack of a fiber that encrypts nothing shall be a page.
#[inline(never)]
pub(super) fn connection(url: &Url) -> Result<Box<ClientConnection>, Failure> {
    let failed = |text: String| Failure::new(Class::Tls, text);
    let name = match url.host() {
        Some(Host::Domain(name)) => ServerName::try_from(name.to_owned()).ok(),
        Some(Host::Ipv4(address)) => Some(ServerName::IpAddress(std::net::IpAddr::V4(address).into())),
        Some(Host::Ipv6(address)) => Some(ServerName::IpAddress(std::net::IpAddr::V6(address).into())),
        None => None,
    };
    let name = name.ok_or_else(|| failed("has a host that no certificate can name".into()))?;
    let connection = ClientConnection::new(config()?, name);
    connection.map(Box::new).map_err(|error| failed(format!("cannot be encrypted: {error}")))
}

/// What all connections share, made at the first.
fn config() -> Result<Arc<ClientConfig>, Failure> {
    static CONFIG: OnceLock<Result<Arc<ClientConfig>, String>> = OnceLock::new();
    let config = CONFIG.get_or_init(|| {
        let mut authorities = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        authorities.add_parsable_certificates(found.certs);
        if authorities.is_empty() {
            return Err(
                "cannot be checked, since this machine has no certificates of authorities (SSL_CERT_FILE names them)"
                    .into(),
            );
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(|error| format!("cannot be encrypted: {error}"))?;
        let mut config = builder.with_root_certificates(authorities).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    });
    config.clone().map_err(|text| Failure::new(Class::Tls, text))
}

/// Takes bytes that have arrived, and gives what they say to `plain`, piece by piece.
#[inline(never)]
pub(super) fn receive(
    connection: &mut ClientConnection,
    mut bytes: &[u8],
    plain: &mut dyn FnMut(&[u8]) -> bool,
) -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::new(Class::Tls, format!("cannot be encrypted: {error}"));
    while !bytes.is_empty() {
        connection.read_tls(&mut bytes).map_err(|error| failed(&error))?;
        let state = connection.process_new_packets().map_err(|error| failed(&error))?;
        let mut left = state.plaintext_bytes_to_read();
        let mut piece = [0; 1024];
        while left > 0 {
            let count = io::Read::read(&mut connection.reader(), &mut piece).map_err(|error| failed(&error))?;
            if count == 0 || plain(&piece[..count]) {
                return Ok(());
            }
            left = left.saturating_sub(count);
        }
    }
    Ok(())
}
