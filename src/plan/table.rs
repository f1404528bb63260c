//! Tables with fixed keys. One definition gives the struct, the reader with its findings, and the JSON Schema.

use super::document::Place;

/// What every table with fixed keys can do.
pub(super) trait Table: Sized {
    /// The keys, in the order of the definition.
    const KEYS: &'static [&'static str];
    /// Where it stands.
    fn at(&self) -> Place;
    /// Whether something in it was wrong and is left out.
    fn is_broken(&self) -> bool;
    /// Its own keys, and those of `base` that it does not have.
    fn or(self, base: Self) -> Self;
}

/// Defines tables of the plan: doc comments become descriptions, fields become keys.
macro_rules! tables {
    ($($(#[doc = $doc:literal])+ struct $name:ident as $title:literal {
        $($(#[doc = $field_doc:literal])+ $field:ident: $type:ty,)*
    })*) => {$(
        $(#[doc = $doc])+
        #[derive(Debug, Clone)]
        pub(super) struct $name {
            at: $crate::plan::document::Place,
            broken: bool,
            $($(#[doc = $field_doc])+ pub(super) $field: Option<$type>,)*
        }

        impl $crate::plan::table::Table for $name {
            const KEYS: &'static [&'static str] = &[$(stringify!($field)),*];
            fn at(&self) -> $crate::plan::document::Place {
                self.at
            }
            fn is_broken(&self) -> bool {
                self.broken
            }
            fn or(self, base: Self) -> Self {
                Self { at: self.at, broken: self.broken || base.broken, $($field: self.$field.or(base.$field),)* }
            }
        }

        impl $crate::plan::values::Read for $name {
            fn read(at: $crate::plan::document::Place, reader: &mut $crate::plan::reader::Reader<'_>) -> Option<Self> {
                let before = reader.count();
                let entries = reader.table(at)?;
                let mut table = Self { at, broken: false, $($field: None,)* };
                for (key, place) in entries {
                    match key {
                        $(stringify!($field) => table.$field = <$type>::read(place, reader),)*
                        _ => reader.unknown_key(place, $title, <Self as $crate::plan::table::Table>::KEYS),
                    }
                }
                table.broken = reader.count() > before;
                Some(table)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).trim_start_matches("Raw").into()
            }
            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let mut properties = serde_json::Map::new();
                $({
                    let mut schema = generator.subschema_for::<$type>();
                    schema.insert("description".to_owned(), concat!($($field_doc),+).trim().into());
                    properties.insert(stringify!($field).to_owned(), schema.into());
                })*
                schemars::json_schema!({
                    "type": "object",
                    "description": concat!($($doc),+).trim(),
                    "properties": properties,
                    "additionalProperties": false,
                })
            }
        }
    )*};
}
pub(super) use tables;
