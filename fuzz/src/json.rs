//! Changes to JSON that leave it JSON: changes to its bytes would mostly be refused by the first parser.

use serde_json::{Map, Value as Json};

/// A few numbers from a seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides.max(1) as u64) as usize
    }
}

/// Changes the first `size` bytes of `data` in place and gives the new size; three of four times by values, else by bytes.
///
/// `words` are JSON texts to put in: words of the language that the document is written in.
pub fn mutate(data: &mut [u8], size: usize, max_size: usize, seed: u32, words: &[&str]) -> usize {
    let mut dice = Dice(u64::from(seed) << 1 | 1);
    dice.roll(1);
    let parsed = serde_json::from_slice::<Json>(&data[..size]).ok();
    let Some(mut document) = parsed.filter(|_| dice.roll(4) > 0) else {
        return libfuzzer_sys::fuzzer_mutate(data, size, max_size);
    };
    for _ in 0..=dice.roll(3) {
        change(&mut document, &mut dice, words);
    }
    let text = document.to_string();
    if text.len() > max_size {
        return libfuzzer_sys::fuzzer_mutate(data, size, max_size);
    }
    data[..text.len()].copy_from_slice(text.as_bytes());
    text.len()
}

fn change(document: &mut Json, dice: &mut Dice, words: &[&str]) {
    let count = count(document);
    let word = word(dice, words);
    let copy = nth(document, &mut dice.roll(count)).map(|found| found.clone());
    let Some(place) = nth(document, &mut dice.roll(count)) else { return };
    match (dice.roll(6), place) {
        (0, place) => *place = word,
        (1, place) => *place = copy.unwrap_or(word),
        (2 | 3, Json::Object(fields)) => change_fields(fields, dice, word, copy),
        (2 | 3, Json::Array(items)) => change_items(items, dice, word, copy),
        (2 | 3, Json::String(text)) => change_text(text, dice),
        (_, Json::Object(fields)) => drop(fields.insert(name(dice, &word), copy.unwrap_or_default())),
        (_, Json::Array(items)) => items.push(word),
        (_, place) => *place = word,
    }
}

fn change_fields(fields: &mut Map<String, Json>, dice: &mut Dice, word: Json, copy: Option<Json>) {
    let Some(key) = fields.keys().nth(dice.roll(fields.len())).cloned() else { return };
    match dice.roll(4) {
        0 => drop(fields.shift_remove(&key)),
        1 => drop(fields.insert(key, copy.unwrap_or(word))),
        2 => {
            let value = fields.shift_remove(&key).unwrap_or_default();
            fields.insert(name(dice, &word), value);
        }
        _ => drop(fields.insert(name(dice, &word), word)),
    }
}

fn change_items(items: &mut Vec<Json>, dice: &mut Dice, word: Json, copy: Option<Json>) {
    let at = dice.roll(items.len() + 1);
    match (dice.roll(3), items.get(at)) {
        (0, Some(_)) => drop(items.remove(at)),
        (1, Some(item)) => items.insert(at, item.clone()),
        _ => items.insert(at, copy.unwrap_or(word)),
    }
}

fn change_text(text: &mut String, dice: &mut Dice) {
    let mut bytes = std::mem::take(text).into_bytes();
    let size = bytes.len();
    bytes.resize(size + 16 + dice.roll(16), 0);
    let most = bytes.len();
    let size = libfuzzer_sys::fuzzer_mutate(&mut bytes, size, most);
    *text = String::from_utf8_lossy(&bytes[..size]).into_owned();
}

fn name(dice: &mut Dice, word: &Json) -> String {
    match word {
        Json::String(text) => text.clone(),
        _ => ["a", "A", "B", ""][dice.roll(4)].to_owned(),
    }
}

fn word(dice: &mut Dice, words: &[&str]) -> Json {
    const ANY: &[&str] =
        &["null", "true", "0", "-1", "1.5", "99999999", "1e300", "[]", "{}", "\"\"", "\"é\\n\\u0000\""];
    let text = match dice.roll(words.len() + ANY.len()) {
        at if at < words.len() => words[at],
        at => ANY[at - words.len()],
    };
    serde_json::from_str(text).expect("words are JSON")
}

fn count(value: &Json) -> usize {
    1 + match value {
        Json::Array(items) => items.iter().map(count).sum(),
        Json::Object(fields) => fields.values().map(count).sum(),
        _ => 0,
    }
}

/// The value at a position, counted from the document itself.
fn nth<'j>(value: &'j mut Json, position: &mut usize) -> Option<&'j mut Json> {
    if *position == 0 {
        return Some(value);
    }
    *position -= 1;
    match value {
        Json::Array(items) => items.iter_mut().find_map(|item| nth(item, position)),
        Json::Object(fields) => fields.values_mut().find_map(|item| nth(item, position)),
        _ => None,
    }
}
