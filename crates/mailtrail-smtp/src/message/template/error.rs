//! What is wrong with a template.

use mailtrail_core::DeliveryId;
use mailtrail_core::store::BoxError;

/// Why a template can't be read, or not be filled in. Nothing of the message was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// It is not written as a template.
    #[error("line {line} of the {part} is no template")]
    Syntax {
        /// `subject`, `text` or `html`.
        part: &'static str,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong there.
        #[source]
        cause: BoxError,
    },
    /// It asks for what no letter has: a slip of the pen, most likely.
    #[error(
        "line {line} of the {part} asks for `{name}`: there are {}, and your own values as `data.…`",
        super::context::NAMES.join(", ")
    )]
    UnknownName {
        /// `subject`, `text` or `html`.
        part: &'static str,
        /// The line where it stands first, counted from 1.
        line: usize,
        /// The name.
        name: String,
    },
    /// It can't be filled in for this row: mostly, because the row has not what it asks for.
    #[error(
        "line {line} of the {part} can't be filled in for delivery {delivery}{}",
        lacking(lacks)
    )]
    Fill {
        /// `subject`, `text` or `html`.
        part: &'static str,
        /// The line, counted from 1.
        line: usize,
        /// The row.
        delivery: DeliveryId,
        /// The names on that line that the row has no value for.
        lacks: Vec<String>,
        /// What is wrong there.
        #[source]
        cause: BoxError,
    },
    /// Filled in for this row it takes too many steps, or is too long: see [`STEPS`](super::STEPS) and
    /// [`TEXT_BYTES`](super::TEXT_BYTES).
    #[error("the {part} for delivery {delivery} takes too long or is too long: loop over less")]
    TooMuch {
        /// `subject`, `text` or `html`.
        part: &'static str,
        /// The row.
        delivery: DeliveryId,
    },
}

fn lacking(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!(": it lacks {}", names.join(", ")) }
}
