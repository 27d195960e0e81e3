//! Where something belongs in a sorted list.

/// How many of a list come before something. It is looked for from the start in growing steps: who merges lists finds it
/// near.
pub(super) fn leading<T>(list: &[T], is_before: impl Fn(&T) -> bool) -> usize {
    let mut bound = 1_usize;
    while list.get(bound.saturating_sub(1)).is_some_and(&is_before) {
        bound = bound.saturating_mul(2);
    }
    let from = bound.div_euclid(2);
    let rest = list.get(from..bound.min(list.len())).unwrap_or_default();
    from.saturating_add(rest.partition_point(is_before))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_the_place_that_a_binary_search_finds(mut list: Vec<u8>, wanted: u8) {
            list.sort_unstable();
            let is_before = |one: &u8| *one < wanted;
            prop_assert_eq!(leading(&list, is_before), list.partition_point(is_before));
        }
    }
}
