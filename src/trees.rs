//! Building B-trees by insertion.
//!
//! `collect()` into a B-tree sorts first, with a copy of the sort for each type: a tenth of
//! the whole binary. Inserting one by one costs no time that matters here.

use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// A `collect()` for B-trees.
pub(crate) trait IntoTree: Iterator + Sized {
    /// All items; of equal keys the last one counts, as with `collect()`.
    fn into_tree<T: Tree<Self::Item>>(self) -> T {
        let mut tree = T::default();
        tree.extend(self);
        tree
    }
}

impl<I: Iterator> IntoTree for I {}

/// What can be built so.
pub(crate) trait Tree<Item>: Default + Extend<Item> {}

impl<K: Ord, V> Tree<(K, V)> for BTreeMap<K, V> {}
impl<K: Ord> Tree<K> for BTreeSet<K> {}
impl Tree<(String, Value)> for Map<String, Value> {}
