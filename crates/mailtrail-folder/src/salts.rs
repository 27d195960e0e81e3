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
    let mut left = Vec::new();
    move || {
        let random = left.pop().unwrap_or_else(|| {
            let mut drawn = [[0; 16]; 64];
            getrandom::fill(drawn.as_flattened_mut()).ok();
            let [random, others @ ..] = drawn;
            left.extend(others);
            random
        });
        Salt::from_bytes(random)
    }
}

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
