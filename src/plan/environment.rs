//! Names of environment variables, programs and other short texts that a system call will take.

use std::collections::BTreeMap;

use super::document::Place;
use super::reader::{Reader, quoted, shown};
use super::values::{Map, Text};
use crate::base::Finding;

/// Variables and their values; what no process could have is reported and left out.
pub(super) fn variables(map: Option<&Map<Text>>, reader: &mut Reader<'_>) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    for (key, text) in map.iter().flat_map(|map| &map.0) {
        let name = reader.key(*key);
        if is_variable(name, *key, true, reader) && is_value(text, reader) {
            variables.insert(name.to_owned(), text.value.clone());
        }
    }
    variables
}

/// Names of variables, without doubles.
pub(super) fn variable_names(list: Option<&Vec<Text>>, reader: &mut Reader<'_>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for text in list.into_iter().flatten() {
        if is_variable(&text.value, text.at, false, reader) && !names.contains(&text.value) {
            names.push(text.value.clone());
        }
    }
    names
}

fn is_variable(name: &str, place: Place, is_key: bool, reader: &mut Reader<'_>) -> bool {
    let problem = match name {
        "" => "it is empty",
        _ if name.contains('=') => "it holds `=`",
        _ if name.contains('\0') => "it holds a NUL character",
        _ if name.contains(|c: char| c.is_whitespace() || c.is_control()) => "it holds a blank",
        _ if name.len() > 1000 => "it is too long",
        _ => return true,
    };
    let node = if is_key { reader.key_id(place) } else { reader.id(place) };
    let message = format!("`{}` cannot be the name of a variable: {problem}", shown(name));
    let finding = Finding::error("orca::plan::bad_env_name", message, node, "not a variable's name");
    reader.report(match name.split_once('=') {
        Some((name, value)) if !name.is_empty() => {
            finding.help(format!("set it with env = {{ {} = {} }}", shown(name), quoted(value)))
        }
        _ => finding,
    });
    false
}

fn is_value(text: &Text, reader: &mut Reader<'_>) -> bool {
    // Linux passes no string of 128 KiB or more to a program (MAX_ARG_STRLEN).
    const VALUE_BYTES_MAX: usize = 120 << 10;
    let problem = match &*text.value {
        value if value.contains('\0') => "holds a NUL character",
        value if value.len() > VALUE_BYTES_MAX => "is too long for a process",
        _ => return true,
    };
    let node = reader.id(text.at);
    let message = format!("the value of `{}` {problem}", shown(reader.key(text.at)));
    reader.report(Finding::error("orca::plan::bad_env_value", message, node, "cannot be passed"));
    false
}

/// Texts that may be neither empty nor hold NUL: programs, arguments, sentences.
pub(super) fn texts(list: Option<&Vec<Text>>, reader: &mut Reader<'_>) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    for text in list.into_iter().flatten() {
        if is_text(text, reader) {
            texts.push(text.value.clone());
        }
    }
    texts
}

/// Whether a text is neither empty nor holds NUL.
pub(super) fn is_text(text: &Text, reader: &mut Reader<'_>) -> bool {
    let problem = match &*text.value {
        value if value.trim().is_empty() => "empty",
        value if value.contains('\0') => "a text with a NUL character",
        _ => return true,
    };
    let node = reader.id(text.at);
    let key = shown(reader.key(text.at));
    let message =
        if key.is_empty() { format!("{problem} where a text is expected") } else { format!("`{key}` is {problem}") };
    reader.report(Finding::error("orca::plan::bad_text", message, node, "nothing to use"));
    false
}
