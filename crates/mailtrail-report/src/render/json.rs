//! JSON Lines: one row a line, in snake case, with the label and the code of the status.

use crate::row::EmailLogRow;

/// The rows as JSON Lines.
///
/// # Errors
/// None of a row's values can fail; the signature is serde's.
pub fn email_log_json(rows: &[EmailLogRow]) -> serde_json::Result<String> {
    let mut out = String::new();
    for row in rows {
        out.push_str(&serde_json::to_string(row)?);
        out.push('\n');
    }
    Ok(out)
}
