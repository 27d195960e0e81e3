//! Certificates of Amazon SNS, as far as they can be checked without asking anyone.

use chrono::{DateTime, Utc};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::key::{KeyError, SigningKey, der};
use crate::provider::Refused;

/// A certificate: its key, when it holds, and whether it names Amazon SNS.
///
/// Who issued it is not proved: a pinned one is the operator's word, and what is fetched over TLS from
/// a host of Amazon's is Amazon's.
#[derive(Debug, Clone)]
pub(in crate::provider) struct Certificate {
    key: SigningKey,
    from: i64,
    until: i64,
    of_sns: bool,
}

impl Certificate {
    /// Reads a certificate in PEM; what follows the first one is not looked at.
    pub(in crate::provider) fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let end = pem.find(END).ok_or(KeyError::Certificate)?;
        let first = pem.get(..end).unwrap_or_default().trim();
        let der = first.starts_with(BEGIN).then(|| der(first)).flatten();
        let der = der.ok_or(KeyError::Certificate)?;
        let (_, read) = X509Certificate::from_der(&der).map_err(|_| KeyError::Certificate)?;
        let key = SigningKey::of_spki(read.public_key().raw).ok_or(KeyError::OtherKind)?;
        let validity = read.validity();
        let (from, until) = (validity.not_before.timestamp(), validity.not_after.timestamp());
        Ok(Self { key, from, until, of_sns: names(&read).iter().any(|name| is_sns(name)) })
    }

    /// The key, if it may sign at this time.
    ///
    /// # Errors
    /// [`Refused::WrongCertificate`].
    pub(in crate::provider) fn key(&self, now: DateTime<Utc>) -> Result<&SigningKey, Refused> {
        let holds = (self.from..=self.until).contains(&now.timestamp());
        (holds && self.of_sns).then_some(&self.key).ok_or(Refused::WrongCertificate)
    }
}

/// The names that a certificate is for: of hosts if it has any (RFC 6125 §6.4.4), else the subject's.
fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let alternative = certificate.subject_alternative_name().ok().flatten();
    if let Some(names) = alternative {
        let host = |name: &GeneralName<'_>| match name {
            GeneralName::DNSName(host) => Some((*host).to_owned()),
            _ => None,
        };
        return names.value.general_names.iter().filter_map(host).collect();
    }
    let common = certificate.subject().iter_common_name();
    common.filter_map(|name| name.as_str().ok()).map(str::to_owned).collect()
}

/// `sns.amazonaws.com`, `sns.<region>.amazonaws.com`, and the same with `.cn`.
fn is_sns(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    host == "sns.amazonaws.com" || host == "sns.amazonaws.com.cn" || super::sns::is_host(&host)
}

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";
