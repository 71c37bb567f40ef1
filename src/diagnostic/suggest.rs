//! The nearest known name.

/// Longer names are not misspelt, they are something else.
const LONGEST: usize = 256;

/// The candidate that `name` is most likely a misspelling of, if any is near enough. Of equals, the first.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > LONGEST {
        return None;
    }
    let wanted: Vec<char> = name.chars().flat_map(char::to_lowercase).collect();
    let mut found: Option<(usize, &str)> = None;
    let mut letters = Vec::new();
    for candidate in candidates.into_iter().filter(|candidate| *candidate != name) {
        if candidate.len() > 2 * LONGEST {
            continue;
        }
        letters.clear();
        letters.extend(candidate.chars().flat_map(char::to_lowercase));
        let allowed = match wanted.len().max(letters.len()) {
            // Of names this short every other one is near.
            0..=2 => 0,
            longer => 1.max(longer / 3),
        };
        let limit = found.map_or(allowed, |(best, _)| allowed.min(best.saturating_sub(1)));
        if wanted.len().abs_diff(letters.len()) > limit {
            continue;
        }
        let distance = distance(&wanted, &letters);
        if distance <= limit && found.is_none_or(|(best, _)| distance < best) {
            found = Some((distance, candidate));
        }
    }
    found.map(|(_, candidate)| candidate)
}

/// `a`, `b` and `c`; a long list is cut.
pub(crate) fn name_list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 12;
    let names: Vec<&str> = names.into_iter().collect();
    let mut text = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}

/// What is said of a name that nothing has: the nearest one, else what there is.
pub(crate) fn known_names<'a>(
    name: &str,
    kind: &str,
    names: impl Iterator<Item = &'a str> + Clone,
) -> String {
    match nearest(name, names.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if names.clone().next().is_none() => format!("there are no {kind} here"),
        None => format!("{kind} here: {}", name_list(names)),
    }
}

/// What two names share at both ends is cut off first: among ten thousand names little is left to compare.
fn distance(a: &[char], b: &[char]) -> usize {
    let prefix = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[prefix..], &b[prefix..]);
    let suffix = a.iter().rev().zip(b.iter().rev()).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[..a.len() - suffix], &b[..b.len() - suffix]);
    if a.is_empty() || b.is_empty() {
        return a.len().max(b.len());
    }
    strsim::osa_distance(&a.iter().collect::<String>(), &b.iter().collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, candidates: &[&str], expected: Option<&str>) {
        assert_eq!(nearest(name, candidates.iter().copied()), expected);
    }

    #[test]
    fn near_names_are_found() {
        check("tiemout", &["retry", "timeout"], Some("timeout"));
        check("Lambda", &["ecs", "lambda"], Some("lambda"));
        check("extrat", &["transform", "extract", "extras"], Some("extract"));
        check("depends", &["depends_on", "description"], Some("depends_on"));
    }

    #[test]
    fn far_names_and_the_name_itself_are_not() {
        check("colour", &["timeout", "retry"], None);
        check("ab", &["xy", "ac"], None);
        check("a", &["a"], None);
        check("x", &[], None);
    }
}
