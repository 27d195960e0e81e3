//! What a provider states about a failure, read by the classifier that every port uses.

use mailtrail_classify::{Classifier, Reply};
use mailtrail_core::diagnosis::{Diagnosis, EnhancedCode, Fault, ReplyCode};
use mailtrail_core::reason::Reason;

/// What a provider states about a failure.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Failure<'a> {
    /// A server's words, with or without codes.
    pub(super) text: Option<&'a str>,
    /// A code in a field of its own, basic or enhanced.
    pub(super) status: Option<&'a str>,
    /// The provider's own class.
    pub(super) class: Class,
}

/// What the provider's own class of a failure means.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Class {
    /// Nothing beyond the server's words.
    #[default]
    Silent,
    /// This, where the server's words tell nothing.
    Hint(Reason),
    /// This, whatever the words: the provider refused by its own decision.
    Decided(Reason, Fault),
}

impl Failure<'_> {
    /// The diagnosis: raw codes, and our reading of them.
    pub(super) fn diagnose(&self, classifier: &Classifier) -> Diagnosis {
        let text = self.text.unwrap_or_default();
        let mut diagnosis = Diagnosis::default();
        (diagnosis.reply_code, diagnosis.enhanced_code) = codes(self.text);
        if let Some(status) = self.status {
            diagnosis.reply_code = diagnosis.reply_code.or_else(|| reply_code(status));
            diagnosis.enhanced_code = diagnosis.enhanced_code.or_else(|| status.parse().ok());
        }
        classifier.fill(&mut diagnosis, text);
        self.class.weigh(diagnosis)
    }
}

impl Class {
    fn weigh(self, mut diagnosis: Diagnosis) -> Diagnosis {
        // A reply code alone says hardly more than that it failed.
        let vague = !diagnosis.reason.is_known() || diagnosis.rule.as_deref() == Some("reply_code");
        let (reason, fault) = match self {
            Self::Hint(reason) if vague => (reason, Fault::Unknown),
            Self::Decided(reason, fault) => (reason, fault),
            Self::Silent | Self::Hint(_) => return diagnosis,
        };
        diagnosis.reason = reason;
        diagnosis.fault = fault;
        diagnosis.rule = Some("provider_class".into());
        diagnosis
    }
}

/// The codes in a server's words.
pub(super) fn codes(text: Option<&str>) -> (Option<ReplyCode>, Option<EnhancedCode>) {
    text.map_or((None, None), Reply::codes)
}

fn reply_code(status: &str) -> Option<ReplyCode> {
    status.parse().ok().and_then(ReplyCode::new)
}
