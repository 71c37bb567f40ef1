//! Which function an operation calls, as far as that is known.
//!
//! Takes: the keys, and what a submission or a result says. Gives: the function's parts.
//! Deliberately does not: look whether there is such a function.

use serde_json::Value as Json;

/// A function, by any of its three names: name, `ACCOUNT:function:NAME`, ARN; each with or without a version or alias.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Named<'a> {
    /// As it is written.
    pub(crate) written: &'a str,
    /// Its name alone.
    pub(crate) name: &'a str,
}

impl<'a> Named<'a> {
    /// The function of the keys; where that is decided by a run, what was submitted may say it.
    pub(crate) fn of(keys: &'a Json, submitted: Option<&'a Json>) -> Option<Self> {
        let text = |value: &'a Json, key| value.get(key).and_then(Json::as_str);
        let of_keys = text(keys, "function").filter(|text| !text.contains("{%"));
        let of_submitted = || text(submitted?, "FunctionName");
        Some(Self::parse(of_keys.or_else(of_submitted)?))
    }

    fn parse(written: &'a str) -> Self {
        let tail = written.rsplit_once("function:").map_or(written, |(_, tail)| tail);
        Self { written, name: tail.split_once(':').map_or(tail, |(name, _)| name) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_function_has_one_name_however_it_is_written() {
        let arn = "arn:aws:lambda:eu-west-1:123456789012:function:etl";
        let names = ["etl", "etl:live", "123456789012:function:etl", "123456789012:function:etl:1", arn];
        for written in names.map(str::to_owned).into_iter().chain([format!("{arn}:$LATEST")]) {
            assert_eq!(Named::parse(&written).name, "etl", "{written}");
        }
    }

    #[test]
    fn what_was_submitted_says_what_the_keys_leave_open() {
        let name =
            |keys, submitted: Json| Named::of(&keys, Some(&submitted)).map(|named| named.name.to_owned());
        let submitted = json!({"FunctionName": "other"});
        assert_eq!(name(json!({"function": "etl"}), submitted.clone()).as_deref(), Some("etl"));
        assert_eq!(name(json!({"function": "{% $params.f %}"}), submitted).as_deref(), Some("other"));
        assert_eq!(name(json!({"function": "{% $params.f %}"}), json!({})), None);
    }
}
