//! What is inside the cause of an error, for `explain`.
//!
//! Takes: a cause, or a sentence of a service. Gives: the JSON that is in texts in JSON, a sentence without what only a
//! service's people need, who may not do what.
//! Deliberately does not: know what an error means.

use serde_json::Value as Json;

/// Deeper than any service nests them, and the end of a text that somebody made to contain itself.
const DEPTH: usize = 8;

/// The value in a cause. JSON that is a text in JSON is taken out, also where words stand before it (`… Returned
/// payload: {…}`) and where it is the `Cause` of an error that was passed on. A text that holds none is itself.
pub fn open(cause: &str) -> Json {
    let mut value = Json::from(cause);
    for _ in 0..DEPTH {
        let inner = match &value {
            Json::String(text) => json_in(text),
            Json::Object(members) => members.get("Cause").and_then(Json::as_str).and_then(json_in),
            _ => None,
        };
        match inner {
            Some(inner) => value = inner,
            None => break,
        }
    }
    value
}

/// The same of a value that may be such a text: `submitted` may come as the service's text.
pub fn open_value(value: &Json) -> Json {
    value.as_str().map_or_else(|| value.clone(), open)
}

/// The object that a text ends with, or the text that is quoted in it.
fn json_in(text: &str) -> Option<Json> {
    let text = text.trim();
    if text.starts_with('"') {
        return serde_json::from_str(text).ok();
    }
    let start = text.find('{')?;
    serde_json::from_str(&text[start..]).ok()
}

/// What a service said: `Rate Exceeded. (Service: AWSLambda; Status Code: 429; Error Code: …; Request ID: …)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sentence<'a> {
    /// Its words.
    pub message: &'a str,
    /// Its name of the error; none where the SDK that asked does not say it.
    pub code: Option<&'a str>,
}

impl<'a> Sentence<'a> {
    /// Reads one; a text of another form is all message.
    pub fn of(text: &'a str) -> Self {
        let Some((message, rest)) = text.split_once("(Service: ") else {
            return Self { message: text.trim(), code: None };
        };
        let inside = rest.split_once(')').map_or(rest, |(inside, _)| inside);
        let code = inside.split([';', ',']).find_map(|part| part.trim().strip_prefix("Error Code: "));
        Self { message: message.trim(), code }
    }
}

/// Who may not do what: `User: arn:… is not authorized to perform: lambda:InvokeFunction on resource: arn:…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Denied<'a> {
    /// An ARN; empty where it is not said.
    pub who: &'a str,
    /// `lambda:InvokeFunction`
    pub action: &'a str,
    /// An ARN, or `*`.
    pub resource: Option<&'a str>,
    /// Whether a policy denies it, rather than none allows it.
    pub is_explicit: bool,
}

impl<'a> Denied<'a> {
    /// Finds such a sentence in a text.
    pub fn of(text: &'a str) -> Option<Self> {
        let (before, rest) = text.split_once(" is not authorized to perform: ")?;
        let word = |text: &'a str| text.split_whitespace().next().map(|word| word.trim_matches(MARKS));
        let who = before.rsplit_once("User: ").and_then(|(_, who)| word(who)).unwrap_or_default();
        let action = word(rest)?;
        let resource = rest.split_once(" on resource: ").and_then(|(_, resource)| word(resource));
        Some(Self { who, action, resource, is_explicit: rest.contains("explicit deny") })
    }

    /// The name of the role that asked; else its whole ARN.
    pub fn role(&self) -> &'a str {
        let (_, path) = self.who.split_once(":assumed-role/").unwrap_or_default();
        path.split('/').next().filter(|role| !role.is_empty()).unwrap_or(self.who)
    }
}

/// What a sentence puts around a name.
const MARKS: [char; 7] = ['"', '\'', '`', ',', '.', '(', ')'];

impl std::fmt::Display for Denied<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.role() {
            "" => write!(f, "`{}` is not allowed", self.action)?,
            role => write!(f, "role `{role}` may not `{}`", self.action)?,
        }
        match self.resource {
            Some(resource) if resource != "*" => write!(f, " on `{resource}`"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn json_is_taken_out_of_texts() {
        let inner = json!({"errorMessage": "no", "errorType": "E"});
        assert_eq!(open("no JSON"), "no JSON");
        assert_eq!(open("{not JSON}"), "{not JSON}");
        assert_eq!(open(&inner.to_string()), inner);
        assert_eq!(open(&Json::from(inner.to_string()).to_string()), inner);
        assert_eq!(open(&json!({"Error": "E", "Cause": inner.to_string()}).to_string()), inner);
        assert_eq!(open(&format!("It is not known. Returned payload: {inner}")), inner);
        let plain = json!({"Error": "E", "Cause": "a sentence"});
        assert_eq!(open(&plain.to_string()), plain);
        assert_eq!((open_value(&plain), open_value(&plain.to_string().into())), (plain.clone(), plain));
    }

    #[test]
    fn a_sentence_is_told_from_what_the_sdk_adds() {
        let of = |text| {
            let Sentence { message, code } = Sentence::of(text);
            (message.to_owned(), code.map(ToOwned::to_owned))
        };
        assert_eq!(
            of(
                "Rate Exceeded. (Service: AWSLambda; Status Code: 429; Error Code: TooManyRequestsException; Request ID: 1; Proxy: null)"
            ),
            ("Rate Exceeded.".to_owned(), Some("TooManyRequestsException".to_owned()))
        );
        assert_eq!(
            of("Cluster not found. (Service: Ecs, Status Code: 400, Request ID: 1) (SDK Attempt Count: 1)"),
            ("Cluster not found.".to_owned(), None)
        );
        assert_eq!(of("no such form"), ("no such form".to_owned(), None));
    }

    #[test]
    fn who_may_not_do_what_is_found() {
        let text = "User: arn:aws:sts::123456789012:assumed-role/etl/abc is not authorized to perform: iam:PassRole on resource: \
                    arn:aws:iam::123456789012:role/task because no identity-based policy allows the iam:PassRole action (Service: AmazonECS; …)";
        let denied = Denied::of(text).unwrap();
        assert_eq!(
            denied.to_string(),
            "role `etl` may not `iam:PassRole` on `arn:aws:iam::123456789012:role/task`"
        );
        assert!(!denied.is_explicit);
        let text = "User: arn:aws:iam::1:user/x is not authorized to perform: s3:GetObject on resource: \"arn:aws:s3:::b/k\" with an explicit deny";
        let denied = Denied::of(text).unwrap();
        assert_eq!((denied.role(), denied.resource), ("arn:aws:iam::1:user/x", Some("arn:aws:s3:::b/k")));
        assert!(denied.is_explicit);
        assert_eq!(
            Denied::of("this is not authorized to perform: a:B").unwrap().to_string(),
            "`a:B` is not allowed"
        );
        assert_eq!(Denied::of("Access Denied"), None);
    }
}
