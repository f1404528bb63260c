//! The table of rules, by what their secrets are for. Where two rules find the same bytes, the earlier one is told.

mod ai;
mod blocks;
mod cloud;
mod code;
mod generic;
mod links;
mod messaging;
mod money;
mod observability;
mod services;

use super::rule::Rule;

/// The groups, with the headings that the documentation has for them.
pub(super) const GROUPS: [(&str, &[Rule]); 10] = [
    ("Private keys", blocks::RULES),
    ("Clouds and hosting", cloud::RULES),
    ("Code, packages and builds", code::RULES),
    ("Models", ai::RULES),
    ("Other services", services::RULES),
    ("Money", money::RULES),
    ("Messages", messaging::RULES),
    ("Observability", observability::RULES),
    ("Links and headers", links::RULES),
    ("Whatever looks like one", generic::RULES),
];

/// All rules, in order.
pub(super) fn rules() -> Vec<Rule> {
    GROUPS.iter().flat_map(|(_, rules)| rules.iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::gates::secrets::shape::compile;

    #[test]
    fn the_table_is_sound() {
        let mut names = BTreeSet::new();
        for rule in rules() {
            assert!(names.insert(rule.name), "{} is there twice", rule.name);
            assert!(!rule.keywords.is_empty(), "{} has no keyword", rule.name);
            for keyword in rule.keywords {
                assert_eq!(*keyword, keyword.to_ascii_lowercase(), "{}", rule.name);
                assert!(keyword.len() >= 2, "{}: `{keyword}` is everywhere", rule.name);
            }
            compile(&rule);
        }
        assert!(names.len() > 250, "{}", names.len());
    }
}
