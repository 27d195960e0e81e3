//! JSON Lines: one row a line, in snake case, with the label and the code of the status.

use super::steers;
use crate::row::EmailLogRow;

/// The rows as JSON Lines: exact values. Of the texts of others, C1 and bidirectional controls are
/// written as JSON escapes like C0, so that a terminal is not steered and a program reads the same.
///
/// ```
/// use mailtrail_report::render::email_log_json;
/// assert_eq!(email_log_json(&[])?, "");
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// # Errors
/// None of a row's values can fail; the signature is serde's.
pub fn email_log_json(rows: &[EmailLogRow]) -> serde_json::Result<String> {
    let mut out = String::new();
    for row in rows {
        escape(&serde_json::to_string(row)?, &mut out);
        out.push('\n');
    }
    Ok(out)
}

/// Such characters stand in strings only, so an escape is the same JSON value. All of them lie in the
/// basic plane: one escape each.
fn escape(json: &str, out: &mut String) {
    for part in json.split_inclusive(steers) {
        match part.char_indices().next_back() {
            Some((at, last)) if steers(last) => {
                out.push_str(part.get(..at).unwrap_or_default());
                out.push_str("\\u");
                let digits = [12, 8, 4, 0].map(|shift| u32::from(last) >> shift & 0xf);
                out.extend(digits.into_iter().filter_map(|digit| char::from_digit(digit, 16)));
            }
            _ => out.push_str(part),
        }
    }
}
