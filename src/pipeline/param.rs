//! Parameters: types, constraints, and the values that satisfy them.
//!
//! Takes: a value, or the text of `--param name=text`. Gives: the value, or one sentence on why it is refused.
//! Deliberately does not: check a declaration (`validate` does), or ever show the value of a secret.

use super::Id;
use crate::diagnostic::{Span, nearest};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Number, Value as Json};
use std::cmp::Ordering;
use toml::de::DeValue;

/// The largest integer of 15 digits: JSONata's numbers are doubles and print 15 digits.
const EXACT: u64 = 999_999_999_999_999;

/// Characters of a value that a message shows.
const SHOWN: usize = 60;

/// One parameter of a pipeline.
#[derive(Debug, Clone)]
pub struct Param {
    /// Its name.
    pub name: Id,
    /// The place of its key.
    pub span: Span,
    /// Its type.
    pub kind: ParamType,
    /// For people.
    pub description: Option<String>,
    /// Satisfies the constraints; a secret has none.
    pub default: Option<Json>,
    /// Whether a session needs a value. True by default where there is no default.
    pub required: bool,
    /// Redacted wherever it would be written, and stored nowhere.
    pub secret: bool,
    /// What values it takes.
    pub constraints: ParamConstraints,
}

/// Types of parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParamType {
    /// Text.
    String,
    /// Whole number of at most 15 digits.
    Integer,
    /// Double.
    Number,
    /// true or false.
    Boolean,
    /// RFC 3339 date or date-time, as text.
    Date,
    /// List of any values.
    List,
    /// Table of any values.
    Table,
}

/// What values a parameter takes, besides its type.
#[derive(Debug, Clone, Default)]
pub struct ParamConstraints {
    /// Least: a number, a date, or the length of a string or list.
    pub min: Option<Json>,
    /// Most.
    pub max: Option<Json>,
    /// A regular expression for strings.
    pub pattern: Option<regex::Regex>,
    /// The only values.
    pub one_of: Option<Vec<Json>>,
}

/// Why a value is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ParamValueError {
    /// Found before wanted: "`12` is less than the minimum `2012`".
    pub message: String,
    /// What the reader can do.
    pub help: Option<String>,
}

impl ParamValueError {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None }
    }

    fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

impl ParamType {
    /// All, in the order of documentation.
    pub const ALL: [Self; 7] =
        [Self::String, Self::Integer, Self::Number, Self::Boolean, Self::Date, Self::List, Self::Table];

    /// As written in `type = "…"`.
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::List => "list",
            Self::Table => "table",
        }
    }

    /// The type of that name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// With its article.
    pub fn description(self) -> &'static str {
        match self {
            Self::String => "a string",
            Self::Integer => "an integer",
            Self::Number => "a number",
            Self::Boolean => "a boolean",
            Self::Date => "a date",
            Self::List => "a list",
            Self::Table => "a table",
        }
    }

    /// What `--param` takes for it.
    fn example(self) -> &'static str {
        match self {
            Self::String => "any text",
            Self::Integer => "write digits only, as in `2015`",
            Self::Number => "write it as in `2.5`",
            Self::Boolean => "write `true` or `false`",
            Self::Date => "write it as in `2015-12-31` or `2015-12-31T08:30:00Z`",
            Self::List => "write it as in `[1, 2]` or `[\"a\", \"b\"]`",
            Self::Table => "write it as in `{\"key\": 1}` or `{ key = 1 }`",
        }
    }
}

impl Param {
    /// Checks a JSON value against type and constraints.
    pub fn check(&self, value: &Json) -> Result<(), ParamValueError> {
        self.check_type(value)?;
        self.check_exact(value)?;
        self.check_limits(value)?;
        self.check_pattern(value)?;
        self.check_one_of(value)
    }

    /// Reads the text of `--param name=text` and checks the value: the text itself for strings and dates, numbers and
    /// booleans as JSON writes them, lists and tables in JSON or as an inline value of TOML.
    pub fn parse_text(&self, text: &str) -> Result<Json, ParamValueError> {
        let value = match self.kind {
            ParamType::String | ParamType::Date => Json::from(text),
            ParamType::Boolean => self.parse_boolean(text)?,
            ParamType::Integer => self.parse_integer(text)?,
            ParamType::Number => self.parse_number(text)?,
            ParamType::List | ParamType::Table => self.parse_structure(text)?,
        };
        self.check(&value)?;
        Ok(value)
    }

    /// How messages name a value: not at all where it is secret.
    fn shown(&self, value: &Json) -> String {
        match value {
            _ if self.secret => "the value".into(),
            Json::String(text) => self.shown_text(text),
            other => self.shown_text(&other.to_string()),
        }
    }

    fn shown_text(&self, text: &str) -> String {
        if self.secret {
            return "the value".into();
        }
        if text.is_empty() {
            return "an empty text".into();
        }
        match text.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("`{}…`", &text[..end]),
            None => format!("`{text}`"),
        }
    }

    fn check_type(&self, value: &Json) -> Result<(), ParamValueError> {
        let fits = match (self.kind, value) {
            (ParamType::Date, Json::String(text)) => return self.check_date(text),
            (ParamType::Integer, Json::Number(number)) => number.is_i64() || number.is_u64(),
            (ParamType::String, Json::String(_))
            | (ParamType::Number, Json::Number(_))
            | (ParamType::Boolean, Json::Bool(_))
            | (ParamType::List, Json::Array(_))
            | (ParamType::Table, Json::Object(_)) => true,
            _ => false,
        };
        if fits {
            return Ok(());
        }
        let found = description(value);
        Err(ParamValueError::new(format!(
            "{} is {found}, {} is wanted",
            self.shown(value),
            self.kind.description()
        )))
    }

    fn check_date(&self, text: &str) -> Result<(), ParamValueError> {
        let shown = self.shown_text(text);
        match has_date_shape(text) {
            _ if moment(text).is_some() => Ok(()),
            DateShape::Local => Err(ParamValueError::new(format!("{shown} has no offset from UTC"))
                .help("add `Z` or an offset, as in `2015-12-31T08:30:00Z` or `2015-12-31T08:30:00+09:00`")),
            DateShape::Date | DateShape::Moment => {
                Err(ParamValueError::new(format!("{shown} is not in the calendar")))
            }
            DateShape::None => {
                Err(ParamValueError::new(format!("{shown} is not a date")).help(ParamType::Date.example()))
            }
        }
    }

    /// Integers stay exact in JSONata only up to 15 digits; those inside lists and tables count too.
    fn check_exact(&self, value: &Json) -> Result<(), ParamValueError> {
        match value {
            Json::Number(number) if !is_exact(number) => Err(ParamValueError::new(format!(
                "{} has more than 15 digits and would not stay exact",
                self.shown(value)
            ))
            .help("pass it as a string, which keeps every digit")),
            Json::Array(items) => items.iter().try_for_each(|item| self.check_exact(item)),
            Json::Object(entries) => entries.values().try_for_each(|value| self.check_exact(value)),
            _ => Ok(()),
        }
    }

    fn check_limits(&self, value: &Json) -> Result<(), ParamValueError> {
        let limits = [(&self.constraints.min, Ordering::Less), (&self.constraints.max, Ordering::Greater)];
        for (limit, refused) in limits {
            let Some(limit) = limit else { continue };
            if self.compare(value, limit) == Some(refused) {
                return Err(self.beyond(value, limit, refused));
            }
        }
        Ok(())
    }

    /// The value, or its length, against a limit; none where they cannot be compared.
    fn compare(&self, value: &Json, limit: &Json) -> Option<Ordering> {
        match self.kind {
            ParamType::Date => Some(moment(value.as_str()?)?.cmp(&moment(limit.as_str()?)?)),
            ParamType::Integer | ParamType::Number => value.as_f64()?.partial_cmp(&limit.as_f64()?),
            ParamType::String | ParamType::List | ParamType::Table => {
                u64::try_from(length(value)?).ok()?.cmp(&limit.as_u64()?).into()
            }
            ParamType::Boolean => None,
        }
    }

    fn beyond(&self, value: &Json, limit: &Json, refused: Ordering) -> ParamValueError {
        let (word, bound) = match refused {
            Ordering::Less => ("less", "minimum"),
            _ => ("more", "maximum"),
        };
        let shown = self.shown(value);
        let limit = match limit {
            Json::String(text) => text.clone(),
            other => other.to_string(),
        };
        ParamValueError::new(match self.kind {
            ParamType::Date if refused == Ordering::Less => {
                format!("{shown} is before the minimum `{limit}`")
            }
            ParamType::Date => format!("{shown} is after the maximum `{limit}`"),
            ParamType::Integer | ParamType::Number => format!("{shown} is {word} than the {bound} `{limit}`"),
            _ if self.secret => format!("the value is beyond the {bound} length of {limit}"),
            _ => {
                let (one, many) = match self.kind {
                    ParamType::String => ("character", "characters"),
                    ParamType::List => ("item", "items"),
                    _ => ("key", "keys"),
                };
                let count = length(value).unwrap_or_default();
                let unit = if count == 1 { one } else { many };
                format!("{shown} has {count} {unit}, the {bound} is {limit}")
            }
        })
    }

    fn check_pattern(&self, value: &Json) -> Result<(), ParamValueError> {
        let (Some(pattern), Some(text)) = (&self.constraints.pattern, value.as_str()) else { return Ok(()) };
        if pattern.is_match(text) {
            return Ok(());
        }
        Err(ParamValueError::new(format!("{} does not match the pattern `{pattern}`", self.shown(value))))
    }

    fn check_one_of(&self, value: &Json) -> Result<(), ParamValueError> {
        let Some(allowed) = &self.constraints.one_of else { return Ok(()) };
        if allowed.iter().any(|one| is_same(one, value)) {
            return Ok(());
        }
        let names: Vec<String> = allowed.iter().map(plain).collect();
        let list = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let error = ParamValueError::new(format!("{} is not one of {list}", self.shown(value)));
        // What is near to a secret says something of it.
        let near = value.as_str().filter(|_| !self.secret).and_then(|text| {
            nearest(text, names.iter().map(String::as_str)).map(|near| format!("did you mean `{near}`?"))
        });
        Err(ParamValueError { help: near, ..error })
    }

    fn unreadable(&self, text: &str) -> ParamValueError {
        ParamValueError::new(format!("{} is not {}", self.shown_text(text), self.kind.description()))
            .help(self.kind.example())
    }

    fn parse_boolean(&self, text: &str) -> Result<Json, ParamValueError> {
        match text {
            "true" => Ok(Json::Bool(true)),
            "false" => Ok(Json::Bool(false)),
            _ => {
                let near = nearest(text, ["true", "false"]).filter(|_| !self.secret);
                let error = self.unreadable(text);
                Err(match near {
                    Some(near) => error.help(format!("did you mean `{near}`?")),
                    None => error,
                })
            }
        }
    }

    fn parse_integer(&self, text: &str) -> Result<Json, ParamValueError> {
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(self.unreadable(text));
        }
        match text.parse::<i64>() {
            Ok(number) => Ok(Json::from(number)),
            Err(_) => Err(ParamValueError::new(format!(
                "{} has more than 15 digits and would not stay exact",
                self.shown_text(text)
            ))
            .help("such a number needs a parameter of type string")),
        }
    }

    fn parse_number(&self, text: &str) -> Result<Json, ParamValueError> {
        if let Ok(number) = text.parse::<i64>() {
            return Ok(Json::from(number));
        }
        // `f64` would also take `inf` and `nan`.
        if !text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte)) {
            return Err(self.unreadable(text));
        }
        let number: f64 = text.parse().map_err(|_| self.unreadable(text))?;
        Number::from_f64(number).map(Json::Number).ok_or_else(|| {
            ParamValueError::new(format!("{} is too large for a number", self.shown_text(text)))
        })
    }

    fn parse_structure(&self, text: &str) -> Result<Json, ParamValueError> {
        if let Ok(value) = serde_json::from_str(text) {
            return Ok(value);
        }
        DeValue::parse(text)
            .ok()
            .and_then(|value| toml_to_json(value.get_ref()))
            .ok_or_else(|| self.unreadable(text))
    }
}

/// None for what JSON cannot hold.
fn toml_to_json(value: &DeValue<'_>) -> Option<Json> {
    Some(match value {
        DeValue::String(text) => Json::from(text.as_ref()),
        DeValue::Integer(number) => Json::from(i64::from_str_radix(number.as_str(), number.radix()).ok()?),
        DeValue::Float(number) => Json::Number(Number::from_f64(number.as_str().parse().ok()?)?),
        DeValue::Boolean(boolean) => Json::Bool(*boolean),
        DeValue::Datetime(time) => Json::from(time.to_string()),
        DeValue::Array(items) => {
            Json::Array(items.iter().map(|item| toml_to_json(item.get_ref())).collect::<Option<_>>()?)
        }
        DeValue::Table(table) => Json::Object(
            table
                .iter()
                .map(|(key, value)| Some((key.get_ref().to_string(), toml_to_json(value.get_ref())?)))
                .collect::<Option<_>>()?,
        ),
    })
}

fn description(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(number) if number.is_f64() => "a number",
        Json::Number(_) => "an integer",
        Json::String(_) => "a string",
        Json::Array(_) => "a list",
        Json::Object(_) => "a table",
    }
}

fn is_exact(number: &Number) -> bool {
    match (number.as_i64(), number.as_u64()) {
        (Some(signed), _) => signed.unsigned_abs() <= EXACT,
        (None, Some(_)) => false,
        (None, None) => true,
    }
}

/// Characters, items or keys.
fn length(value: &Json) -> Option<usize> {
    match value {
        Json::String(text) => Some(text.chars().count()),
        Json::Array(items) => Some(items.len()),
        Json::Object(entries) => Some(entries.len()),
        _ => None,
    }
}

/// Numbers are the same by value, as in JSONata: 1 and 1.0.
fn is_same(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => a.as_f64() == b.as_f64(),
        _ => a == b,
    }
}

fn plain(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What a text looks like, its digits aside.
enum DateShape {
    /// `2015-12-31`
    Date,
    /// `2015-12-31T08:30:00Z`
    Moment,
    /// `2015-12-31T08:30:00`, which RFC 3339 does not have.
    Local,
    None,
}

fn has_date_shape(text: &str) -> DateShape {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let Some(rest) = shape.strip_prefix("0000-00-00") else { return DateShape::None };
    if rest.is_empty() {
        return DateShape::Date;
    }
    let Some(rest) = rest.strip_prefix(['T', 't', ' ']).and_then(|rest| rest.strip_prefix("00:00:00")) else {
        return DateShape::None;
    };
    let offset = match rest.strip_prefix('.') {
        Some(fraction) if fraction.starts_with('0') => fraction.trim_start_matches('0'),
        Some(_) => return DateShape::None,
        None => rest,
    };
    // A fraction's zeros were trimmed with it, so an offset begins at its sign.
    match offset {
        "" => DateShape::Local,
        "Z" | "z" | "+00:00" | "-00:00" => DateShape::Moment,
        _ => DateShape::None,
    }
}

/// The moment of a date (its first, in UTC) or date-time.
fn moment(text: &str) -> Option<Timestamp> {
    match has_date_shape(text) {
        DateShape::Date => {
            let date: Date = text.parse().ok()?;
            Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp())
        }
        DateShape::Moment => text.parse().ok(),
        DateShape::Local | DateShape::None => None,
    }
}

#[cfg(test)]
mod tests;
