//! Keys and values in the order in which they came: a few in a list, many by hash as well.
//!
//! A file of thousands of jobs is hundreds of thousands of small tables. For these a hash table is an allocation and a
//! computation more than it takes to look at each key.

use indexmap::IndexMap;
use indexmap::map::Entry::{Occupied, Vacant};
use std::borrow::Borrow;
use std::hash::Hash;

/// More keys than this are found by hash.
const FEW: usize = 8;

/// Values by unique keys, in the order in which they came.
#[derive(Debug, Clone)]
pub struct Entries<K, V>(Kept<K, V>);

#[derive(Debug, Clone)]
enum Kept<K, V> {
    Few(Vec<(K, V)>),
    Many(Box<IndexMap<K, V>>),
}

impl<K, V> Default for Entries<K, V> {
    fn default() -> Self {
        Self(Kept::Few(Vec::new()))
    }
}

impl<K: Borrow<str> + Hash + Eq, V> Entries<K, V> {
    /// None yet, with room for some.
    pub fn with_capacity(capacity: usize) -> Self {
        Self(match capacity {
            0..=FEW => Kept::Few(Vec::with_capacity(capacity)),
            _ => Kept::Many(Box::new(IndexMap::with_capacity(capacity))),
        })
    }

    /// Makes room for exactly so many more.
    pub fn reserve_exact(&mut self, more: usize) {
        match &mut self.0 {
            Kept::Few(few) => few.reserve_exact(more),
            Kept::Many(many) => many.reserve_exact(more),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match &self.0 {
            Kept::Few(few) => few.len(),
            Kept::Many(many) => many.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&V> {
        match &self.0 {
            Kept::Few(few) => few.iter().find(|(known, _)| known.borrow() == key).map(|(_, value)| value),
            Kept::Many(many) => many.get(key),
        }
    }

    /// The value of a key, to be changed.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut V> {
        match &mut self.0 {
            Kept::Few(few) => few.iter_mut().find(|(known, _)| known.borrow() == key).map(|(_, value)| value),
            Kept::Many(many) => many.get_mut(key),
        }
    }

    /// The position of a key.
    pub fn get_index_of(&self, key: &str) -> Option<usize> {
        match &self.0 {
            Kept::Few(few) => few.iter().position(|(known, _)| known.borrow() == key),
            Kept::Many(many) => many.get_index_of(key),
        }
    }

    /// Whether there is a value of a key.
    pub fn contains_key(&self, key: &str) -> bool {
        self.get_index_of(key).is_some()
    }

    /// The value at a position, to be changed.
    pub fn value_mut(&mut self, position: usize) -> Option<&mut V> {
        match &mut self.0 {
            Kept::Few(few) => few.get_mut(position).map(|(_, value)| value),
            Kept::Many(many) => many.get_index_mut(position).map(|(_, value)| value),
        }
    }

    /// Adds an entry, unless there is one of that key: then nothing changes, and the answer is no.
    pub fn insert_new(&mut self, key: K, value: V) -> bool {
        match &mut self.0 {
            Kept::Few(few) if few.iter().any(|(known, _)| *known == key) => return false,
            Kept::Few(few) if few.len() < FEW => {
                // Most tables stay as small as that.
                if few.is_empty() {
                    few.reserve_exact(2);
                }
                few.push((key, value));
            }
            Kept::Few(few) => {
                let all = few.drain(..).chain([(key, value)]);
                self.0 = Kept::Many(Box::new(all.collect()));
            }
            Kept::Many(many) => match many.entry(key) {
                Occupied(_) => return false,
                Vacant(place) => _ = place.insert(value),
            },
        }
        true
    }

    /// All of them, in order.
    pub fn iter(&self) -> Iter<'_, K, V> {
        match &self.0 {
            Kept::Few(few) => Iter::Few(few.iter()),
            Kept::Many(many) => Iter::Many(many.iter()),
        }
    }

    /// All keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = &K> + Clone {
        self.iter().map(|(key, _)| key)
    }

    /// All values, in order.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }
}

impl<K: Borrow<str> + Hash + Eq, V> FromIterator<(K, V)> for Entries<K, V> {
    /// Of several with the same key the first is kept.
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut entries = Self::default();
        for (key, value) in pairs {
            entries.insert_new(key, value);
        }
        entries
    }
}

/// Entries in order.
#[derive(Debug)]
pub enum Iter<'a, K, V> {
    /// Of a list.
    Few(std::slice::Iter<'a, (K, V)>),
    /// Of a hash table.
    Many(indexmap::map::Iter<'a, K, V>),
}

impl<K, V> Clone for Iter<'_, K, V> {
    fn clone(&self) -> Self {
        match self {
            Self::Few(few) => Self::Few(few.clone()),
            Self::Many(many) => Self::Many(many.clone()),
        }
    }
}

impl<'a, K, V> Iterator for Iter<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Few(few) => few.next().map(|(key, value)| (key, value)),
            Self::Many(many) => many.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Self::Few(few) => few.size_hint(),
            Self::Many(many) => many.size_hint(),
        }
    }
}

impl<'a, K: Borrow<str> + Hash + Eq, V> IntoIterator for &'a Entries<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = Iter<'a, K, V>;

    fn into_iter(self) -> Iter<'a, K, V> {
        self.iter()
    }
}

/// Entries in order, taken out of where they were.
#[derive(Debug)]
pub enum IntoIter<K, V> {
    /// Of a list.
    Few(std::vec::IntoIter<(K, V)>),
    /// Of a hash table.
    Many(indexmap::map::IntoIter<K, V>),
}

impl<K, V> Iterator for IntoIter<K, V> {
    type Item = (K, V);

    fn next(&mut self) -> Option<(K, V)> {
        match self {
            Self::Few(few) => few.next(),
            Self::Many(many) => many.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Self::Few(few) => few.size_hint(),
            Self::Many(many) => many.size_hint(),
        }
    }
}

impl<K, V> IntoIterator for Entries<K, V> {
    type Item = (K, V);
    type IntoIter = IntoIter<K, V>;

    fn into_iter(self) -> IntoIter<K, V> {
        match self.0 {
            Kept::Few(few) => IntoIter::Few(few.into_iter()),
            Kept::Many(many) => IntoIter::Many(many.into_iter()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_and_many_are_found_and_keep_their_order() {
        for count in [0, 1, FEW, FEW + 1, 100] {
            let mut entries = Entries::default();
            for value in 0..count {
                assert!(entries.insert_new(format!("key {value}"), value));
            }
            assert_eq!((entries.len(), entries.is_empty()), (count, count == 0));
            for value in 0..count {
                let key = format!("key {value}");
                assert_eq!(entries.get_index_of(&key), Some(value));
                assert_eq!(entries.get(&key), Some(&value));
                assert_eq!(entries.get_mut(&key), Some(&mut { value }));
                assert_eq!(entries.value_mut(value), Some(&mut { value }));
                assert!(!entries.insert_new(key, 0));
            }
            assert!(!entries.contains_key("key"));
            assert!(entries.values().copied().eq(0..count));
            assert!(entries.into_iter().map(|(_, value)| value).eq(0..count));
        }
    }
}
