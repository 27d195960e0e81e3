//! Randomness for the salts of private parts.

use mailtrail_core::event::Salt;

/// Draws salts from the operating system, many at once: asking it for each takes longer than to use one.
///
/// Without randomness the hash of a text could be guessed after its erasure, but nothing that is stored would be wrong.
///
/// ```
/// let mut salts = mailtrail_folder::salts();
/// assert_ne!(salts(), salts());
/// ```
pub fn salts() -> impl FnMut() -> Salt + Send {
    let mut drawn = Vec::new();
    move || {
        if drawn.is_empty() {
            let mut random = [[0; 16]; AT_ONCE];
            getrandom::fill(random.as_flattened_mut()).ok();
            drawn.extend(random);
        }
        drawn.pop().map_or_else(Salt::default, Salt::from_bytes)
    }
}

const AT_ONCE: usize = 64;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_salt_comes_twice() {
        let mut salts = salts();
        let drawn: HashSet<_> = (0..1_000).map(|_| salts().to_string()).collect();
        assert_eq!(drawn.len(), 1_000);
    }
}
