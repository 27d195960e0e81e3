//! Email addresses: what was given, and the form in which two of them are the same.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use email_address::{EmailAddress as Syntax, Options};
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

/// An address that is syntactically valid (RFC 5321 §4.1.2, RFC 6531), as given and in normal form.
///
/// Two addresses are equal if their normal forms are: the domain lower-cased and IDNA-encoded
/// (UTS 46), the local part case-folded and in NFC, without quotes that it doesn't need. Nothing
/// that only one provider does (dots, plus tags) is folded.
///
/// ```
/// use mailtrail_core::EmailAddress;
/// let given: EmailAddress = "Ann.Lee@Bücher.Example".parse()?;
/// assert_eq!(given.as_given(), "Ann.Lee@Bücher.Example");
/// assert_eq!(given.normal(), "ann.lee@xn--bcher-kva.example");
/// assert_eq!(given, "\"ann.lee\"@xn--bcher-kva.example".parse()?);
/// # Ok::<(), mailtrail_core::address::AddressError>(())
/// ```
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EmailAddress {
    given: Box<str>,
    normal: Box<str>,
}

impl EmailAddress {
    /// Reads an address. Surrounding white space and one pair of angle brackets are not part of it.
    ///
    /// # Errors
    /// [`AddressError`], which never repeats the text: it may be a person's.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let given = bare(text);
        Ok(Self { given: given.into(), normal: normal(given)?.into() })
    }

    /// The text as it was given.
    pub fn as_given(&self) -> &str {
        &self.given
    }

    /// The form by which addresses are compared and ids derived.
    pub fn normal(&self) -> &str {
        &self.normal
    }

    /// The domain in normal form (A-labels).
    pub fn domain(&self) -> &str {
        self.normal.rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

/// The normal form of a text that should be an address; of any other, its trimmed, case-folded text.
///
/// Feedback names recipients in whatever form its source likes; a key must be derived all the same.
pub fn normal_or_folded(text: &str) -> String {
    normal(bare(text)).unwrap_or_else(|_| fold(bare(text)))
}

/// The normal form of an address without what surrounds it.
fn normal(given: &str) -> Result<String, AddressError> {
    if given.is_empty() {
        return Err(AddressError::Empty);
    }
    let options = Options::default().without_display_text().with_domain_literal();
    Syntax::parse_with_options(given, options)
        .map_err(|error| AddressError::Syntax { what: error.to_string().into() })?;
    let (local, domain) = given.rsplit_once('@').ok_or(AddressError::NoAt)?;
    let domain = if domain.starts_with('[') {
        domain.to_ascii_lowercase()
    } else {
        idna::domain_to_ascii(domain).map_err(|_| AddressError::Domain)?
    };
    if domain.is_empty() {
        return Err(AddressError::Domain);
    }
    Ok([normal_local(local).as_str(), "@", &domain].concat())
}

/// Why a text is no email address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// There is nothing.
    #[error("the address is empty")]
    Empty,
    /// There is no `@` between a local part and a domain.
    #[error("the address has no @")]
    NoAt,
    /// The domain can't be encoded by IDNA (UTS 46).
    #[error("the domain is not a valid (internationalised) domain name")]
    Domain,
    /// Another rule of RFC 5321 is broken.
    #[error("not an address by RFC 5321: {what}")]
    Syntax {
        /// The rule.
        what: Box<str>,
    },
}

impl PartialEq for EmailAddress {
    fn eq(&self, other: &Self) -> bool {
        self.normal == other.normal
    }
}

impl Eq for EmailAddress {}

impl PartialOrd for EmailAddress {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for EmailAddress {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.normal.cmp(&other.normal)
    }
}

impl Hash for EmailAddress {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.normal.hash(state);
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EmailAddress({:?})", self.given)
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.given)
    }
}

impl FromStr for EmailAddress {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for EmailAddress {
    type Error = AddressError;
    fn try_from(text: String) -> Result<Self, AddressError> {
        Self::parse(&text)
    }
}

impl From<EmailAddress> for String {
    fn from(address: EmailAddress) -> Self {
        address.given.into()
    }
}

fn bare(text: &str) -> &str {
    let text = text.trim();
    text.strip_prefix('<').and_then(|t| t.strip_suffix('>')).unwrap_or(text)
}

fn normal_local(local: &str) -> String {
    let unquoted = local.strip_prefix('"').and_then(|l| l.strip_suffix('"'));
    match unquoted {
        Some(inner) if is_dot_atom(inner) => fold(inner),
        Some(_) | None => fold(local),
    }
}

/// Whether RFC 5322 §3.2.3 lets this local part stand without quotes.
fn is_dot_atom(text: &str) -> bool {
    text.split('.').all(|atom| {
        !atom.is_empty()
            && atom.chars().all(|c| {
                c.is_ascii_alphanumeric() || !c.is_ascii() || "!#$%&'*+-/=?^_`{|}~".contains(c)
            })
    })
}

/// Case folding changes what composes, and composing what folds: twice is where it rests.
fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let once = |text: &str| -> String {
        caseless::default_case_fold_str(&text.nfd().collect::<String>()).nfc().collect()
    };
    once(&once(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_ascii_folds_as_any_text_does(text in "[ -~]{0,20}") {
            let folded: String = caseless::default_case_fold_str(&text.nfd().collect::<String>()).nfc().collect();
            prop_assert_eq!(fold(&text), folded);
        }
    }

    #[test]
    fn what_is_no_address_is_refused_without_repeating_it() {
        for text in [
            "",
            "  ",
            "ann",
            "ann@",
            "@x.example",
            "a b@x.example",
            "ann@@x.example",
            "a@-x..example",
        ] {
            let error = EmailAddress::parse(text).unwrap_err().to_string();
            assert!(text.trim().is_empty() || !error.contains(text), "{error}");
        }
    }

    #[test]
    fn local_parts_that_differ_in_more_than_case_stay_apart() {
        let parse = |text| EmailAddress::parse(text).unwrap();
        assert_ne!(parse("ann+x@a.example"), parse("ann@a.example"));
        assert_ne!(parse("a.nn@a.example"), parse("ann@a.example"));
        assert_eq!(parse("<ANN@A.example>"), parse(" ann@a.EXAMPLE "));
        assert_eq!(parse("ann@[127.0.0.1]").normal(), "ann@[127.0.0.1]");
    }

    proptest! {
        #[test]
        fn parsing_is_total_and_the_normal_form_is_a_fixed_point(text in "\\PC{0,12}@\\PC{0,12}") {
            let parsed = EmailAddress::parse(&text);
            let again = parsed.as_ref().map(|address| EmailAddress::parse(address.normal()));
            if let (Ok(address), Ok(Ok(again))) = (&parsed, again) {
                prop_assert_eq!(again.normal(), address.normal());
            }
        }

        #[test]
        fn plain_addresses_round_trip(local in "[a-zA-Z0-9.+_-]{1,20}", domain in "[a-z]{1,9}\\.example") {
            let text = format!("{local}@{domain}");
            if let Ok(address) = EmailAddress::parse(&text) {
                prop_assert_eq!(address.as_given(), &text);
                let again = EmailAddress::parse(address.normal()).unwrap();
                prop_assert_eq!(again, address);
            }
        }
    }
}
