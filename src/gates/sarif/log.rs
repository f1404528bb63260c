//! The part of a SARIF log that is read, as types. Everything else is skipped while parsing, so a log takes no more memory
//! than what is wanted of it; lists that are longer than any honest one are an error.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Results of one run.
const RESULTS_MAX: usize = 20_000;
/// Rules of one component.
const RULES_MAX: usize = 5_000;
const COMPONENTS_MAX: usize = 10;
const ARTIFACTS_MAX: usize = 50_000;
const RUNS_MAX: usize = 16;
/// Elements of every other list.
const FEW_MAX: usize = 100;

/// A whole log.
#[derive(Debug, Deserialize)]
pub(super) struct Log {
    pub(super) version: Option<String>,
    pub(super) runs: Option<List<Run, RUNS_MAX>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Run {
    pub(super) tool: Option<Tool>,
    #[serde(default)]
    pub(super) invocations: List<Invocation, FEW_MAX>,
    #[serde(default)]
    pub(super) original_uri_base_ids: Table<Artifact>,
    #[serde(default)]
    pub(super) artifacts: List<ArtifactEntry, ARTIFACTS_MAX>,
    pub(super) results: Option<List<RunResult, RESULTS_MAX>>,
    pub(super) external_property_file_references: Option<ExternalFiles>,
}

/// Parts of the log that lie in other files; those are not read.
#[derive(Debug, Deserialize)]
pub(super) struct ExternalFiles {
    pub(super) results: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Tool {
    pub(super) driver: Option<Component>,
    #[serde(default)]
    pub(super) extensions: List<Component, COMPONENTS_MAX>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Component {
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) rules: List<Rule, RULES_MAX>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rule {
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) short_description: Option<Message>,
    pub(super) full_description: Option<Message>,
    #[serde(default)]
    pub(super) message_strings: Table<Message>,
    pub(super) default_configuration: Option<Configuration>,
    pub(super) help: Option<Message>,
    pub(super) help_uri: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Configuration {
    pub(super) level: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Invocation {
    pub(super) execution_successful: Option<bool>,
    #[serde(default)]
    pub(super) tool_execution_notifications: List<Notification, FEW_MAX>,
    #[serde(default)]
    pub(super) tool_configuration_notifications: List<Notification, FEW_MAX>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Notification {
    pub(super) level: Option<String>,
    pub(super) message: Option<Message>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ArtifactEntry {
    pub(super) location: Option<Artifact>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Artifact {
    pub(super) uri: Option<String>,
    pub(super) uri_base_id: Option<String>,
    pub(super) index: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RunResult {
    pub(super) rule_id: Option<String>,
    pub(super) rule_index: Option<i64>,
    pub(super) rule: Option<RuleReference>,
    pub(super) kind: Option<String>,
    pub(super) level: Option<String>,
    pub(super) message: Option<Message>,
    #[serde(default)]
    pub(super) locations: First<Location>,
    #[serde(default)]
    pub(super) suppressions: List<Suppression, FEW_MAX>,
    pub(super) baseline_state: Option<String>,
    #[serde(default)]
    pub(super) fixes: First<Fix>,
    #[serde(default)]
    pub(super) attachments: First<Attachment>,
    #[serde(default)]
    pub(super) properties: Properties,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RuleReference {
    pub(super) id: Option<String>,
    pub(super) index: Option<i64>,
    pub(super) tool_component: Option<ComponentReference>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ComponentReference {
    pub(super) index: Option<i64>,
}

/// `message` and `multiformatMessageString`.
#[derive(Debug, Deserialize)]
pub(super) struct Message {
    pub(super) text: Option<String>,
    pub(super) markdown: Option<String>,
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) arguments: List<String, FEW_MAX>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Location {
    pub(super) physical_location: Option<PhysicalLocation>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PhysicalLocation {
    pub(super) artifact_location: Option<Artifact>,
    pub(super) region: Option<Region>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Region {
    pub(super) start_line: Option<i64>,
    pub(super) start_column: Option<i64>,
    pub(super) end_line: Option<i64>,
    pub(super) end_column: Option<i64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Suppression {
    pub(super) kind: Option<String>,
    pub(super) status: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Fix {
    pub(super) description: Option<Message>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Attachment {
    pub(super) artifact_location: Option<Artifact>,
}

/// What this project writes into a property bag; in another's it may be anything.
#[derive(Debug, Default)]
pub(super) struct Properties {
    pub(super) help: Option<String>,
}

impl<'de> Deserialize<'de> for Properties {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bag;
        impl<'de> Visitor<'de> for Bag {
            type Value = Properties;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a property bag")
            }
            fn visit_unit<E: Error>(self) -> Result<Properties, E> {
                Ok(Properties::default())
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Properties, A::Error> {
                let mut bag = Properties::default();
                while let Some(key) = map.next_key::<String>()? {
                    match &*key {
                        "help" => bag.help = map.next_value::<TextOrElse>()?.0,
                        _ => _ = map.next_value::<IgnoredAny>()?,
                    }
                }
                Ok(bag)
            }
        }
        deserializer.deserialize_any(Bag)
    }
}

/// A text; whatever else stands there is nothing.
struct TextOrElse(Option<String>);

impl<'de> Deserialize<'de> for TextOrElse {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = TextOrElse;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<TextOrElse, E> {
                Ok(TextOrElse(Some(text.to_owned())))
            }
            fn visit_unit<E: Error>(self) -> Result<TextOrElse, E> {
                Ok(TextOrElse(None))
            }
            fn visit_bool<E: Error>(self, _: bool) -> Result<TextOrElse, E> {
                Ok(TextOrElse(None))
            }
            fn visit_i64<E: Error>(self, _: i64) -> Result<TextOrElse, E> {
                Ok(TextOrElse(None))
            }
            fn visit_u64<E: Error>(self, _: u64) -> Result<TextOrElse, E> {
                Ok(TextOrElse(None))
            }
            fn visit_f64<E: Error>(self, _: f64) -> Result<TextOrElse, E> {
                Ok(TextOrElse(None))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<TextOrElse, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(TextOrElse(None))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<TextOrElse, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(TextOrElse(None))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// A list of at most `MAX` elements; a longer one is an error, and `null` is the empty one.
#[derive(Debug)]
pub(super) struct List<T, const MAX: usize>(pub(super) Vec<T>);

impl<T, const MAX: usize> Default for List<T, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const MAX: usize> std::ops::Deref for List<T, MAX> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for List<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements<T, const MAX: usize>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for Elements<T, MAX> {
            type Value = List<T, MAX>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }
            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(List::default())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut elements = Vec::new();
                while let Some(element) = seq.next_element()? {
                    if elements.len() == MAX {
                        return Err(A::Error::custom(format!("a list of more than {MAX} elements")));
                    }
                    elements.push(element);
                }
                Ok(List(elements))
            }
        }
        deserializer.deserialize_any(Elements(PhantomData))
    }
}

/// The first element of a list that is one; the others are skipped.
#[derive(Debug)]
pub(super) struct First<T>(pub(super) Option<T>);

impl<T> Default for First<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for First<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Elements<T> {
            type Value = First<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }
            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(First(None))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let first = seq.next_element()?;
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(First(first))
            }
        }
        deserializer.deserialize_any(Elements(PhantomData))
    }
}

/// A map of at most [`FEW_MAX`] entries; a larger one is an error, and `null` is the empty one.
#[derive(Debug)]
pub(super) struct Table<T>(pub(super) BTreeMap<String, T>);

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Table<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = Table<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }
            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(Table::default())
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = BTreeMap::new();
                while let Some((key, value)) = map.next_entry()? {
                    entries.insert(key, value);
                    if entries.len() > FEW_MAX {
                        return Err(A::Error::custom(format!("a map of more than {FEW_MAX} entries")));
                    }
                }
                Ok(Table(entries))
            }
        }
        deserializer.deserialize_any(Entries(PhantomData))
    }
}
