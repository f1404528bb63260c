//! The options of a check, as the plan settled them.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::base::{Pattern, PatternSet, RelPath};
use crate::event::GateFinding;

/// Options by name. Their types were checked when the plan was read.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a>(&'a BTreeMap<String, Value>);

impl<'a> Options<'a> {
    /// The options of a gate.
    #[must_use]
    pub fn new(options: &'a BTreeMap<String, Value>) -> Self {
        Self(options)
    }

    /// One option, if it is given.
    #[must_use]
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        serde_json::from_value(self.0.get(key)?.clone()).ok()
    }

    /// A list of words; empty where it is not given.
    #[must_use]
    pub fn strings(&self, key: &str) -> Vec<String> {
        self.get(key).unwrap_or_default()
    }

    /// A list of patterns; empty where it is not given.
    #[must_use]
    pub fn patterns(&self, key: &str) -> PatternSet {
        PatternSet::new(self.strings(key).iter().filter_map(|text| Pattern::new(text).ok()).collect())
    }

    /// Whether a finding counts: `allow` does not cover its file, and `ignore` not its rule.
    #[must_use]
    pub fn counts(&self, finding: &GateFinding) -> bool {
        self.filter()(finding)
    }

    /// Says of findings whether they count; the options are read once.
    pub fn filter(&self) -> impl Fn(&GateFinding) -> bool + use<> {
        let (allow, ignore) = (self.patterns("allow"), self.strings("ignore"));
        move |finding| {
            let is_allowed = |file: &RelPath| allow.matches(file);
            let is_ignored = ignore.iter().any(|rule| covers(rule, &finding.rule));
            !is_ignored && !finding.file.as_ref().is_some_and(is_allowed)
        }
    }
}

/// Whether `rule`, which may end in `*`, stands for `name`.
#[must_use]
pub fn covers(rule: &str, name: &str) -> bool {
    match rule.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => rule == name,
    }
}
