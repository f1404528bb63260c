//! Task Master's `tasks.json` read as a plan. Tags hold lists of tasks; a task with subtasks is a group of them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::fields::{Line, fields};
use super::names::{kept, shortened};
use super::pointers::lines;
use super::reading::{Fields, Format, Group, Item, Need, Reading, Status};

/// Fields of a task that have a place.
const KNOWN: [&str; 11] = [
    "id",
    "title",
    "description",
    "details",
    "testStrategy",
    "status",
    "priority",
    "dependencies",
    "subtasks",
    "acceptanceCriteria",
    "tags",
];

/// Reads the tasks of a file, whatever its tags. An empty reading: there are none.
pub(super) fn read(text: &str, value: &Value) -> Reading {
    let mut reader = Reader { lines: lines(text), reading: Reading::new(Format::TaskMaster), several: false };
    match value {
        Value::Array(tasks) => reader.tasks(tasks, "", None, ""),
        Value::Object(root) if root.get("tasks").is_some_and(Value::is_array) => reader.tag(root, "", ""),
        Value::Object(root) => {
            let tags = || root.iter().filter(|(_, value)| value.get("tasks").is_some_and(Value::is_array));
            reader.several =
                tags().filter(|(_, tag)| tag["tasks"].as_array().is_some_and(|tasks| !tasks.is_empty())).count() > 1;
            for (key, value) in root {
                let pointer = format!("/{key}");
                match value {
                    Value::Object(tag) if tag.get("tasks").is_some_and(Value::is_array) => {
                        let name = if reader.several { key } else { "" };
                        reader.tag(tag, &pointer, name);
                    }
                    other => reader.unplaced(&pointer, key, other, "is no list of tasks"),
                }
            }
        }
        _ => {}
    }
    reader.reading
}

struct Reader {
    lines: BTreeMap<String, usize>,
    reading: Reading,
    /// Whether there are tasks under several tags.
    several: bool,
}

impl Reader {
    fn line(&self, pointer: &str) -> usize {
        self.lines.get(pointer).copied().unwrap_or(0)
    }

    fn unplaced(&mut self, pointer: &str, key: &str, value: &Value, why: &'static str) {
        let is_empty = match value {
            Value::Null => true,
            Value::String(text) => text.trim().is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(fields) => fields.is_empty(),
            _ => false,
        };
        if is_empty {
            return;
        }
        let line = self.line(pointer);
        let said = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        self.reading.unplaced.push((line, format!("{key}: {said}"), why));
    }

    /// The object that holds a list of tasks, and what else is in it.
    fn tag(&mut self, tag: &Map<String, Value>, pointer: &str, name: &str) {
        for (key, value) in tag {
            let pointer = format!("{pointer}/{key}");
            match (key.as_str(), value) {
                ("tasks", Value::Array(tasks)) => self.tasks(tasks, &pointer, None, name),
                ("metadata" | "meta", Value::Object(fields)) => {
                    for (key, value) in fields {
                        match (key.as_str(), value.as_str()) {
                            ("description", Some(text)) => self.reading.add_context("background", &lined(text)),
                            ("projectName" | "name" | "title", Some(text))
                                if self.reading.title.is_none() && !text.trim().is_empty() =>
                            {
                                self.reading.title = Some(text.to_owned());
                            }
                            _ => self.unplaced(&format!("{pointer}/{key}"), key, value, "has no place in a plan"),
                        }
                    }
                }
                _ => self.unplaced(&pointer, key, value, "has no place in a plan"),
            }
        }
    }

    /// A list of tasks, or of the subtasks of the group that `parent` is, with its id.
    fn tasks(&mut self, tasks: &[Value], pointer: &str, parent: Option<(usize, &str)>, tag: &str) {
        for (at, task) in tasks.iter().enumerate() {
            let pointer = format!("{pointer}/{at}");
            match task {
                Value::Object(task) => self.task(task, &pointer, parent, tag),
                other => self.unplaced(&pointer, "a task", other, "is no task"),
            }
        }
    }

    fn task(&mut self, task: &Map<String, Value>, pointer: &str, parent: Option<(usize, &str)>, tag: &str) {
        let line = self.line(pointer);
        let own_id = word(task.get("id"));
        // A subtask counts within its task; some files write the whole id.
        let id = match (parent, own_id.as_deref()) {
            (Some((_, above)), Some(own)) if !own.starts_with(&format!("{above}.")) => Some(format!("{above}.{own}")),
            (_, own) => own.map(str::to_owned),
        };
        for (key, value) in task {
            if !KNOWN.contains(&key.as_str()) && !key.to_ascii_lowercase().starts_with("parent") {
                self.unplaced(&format!("{pointer}/{key}"), key, value, "has no place in a plan");
            }
        }
        let mut texts = Vec::new();
        for key in ["title", "description", "details"] {
            match task.get(key) {
                Some(Value::String(text)) if !text.trim().is_empty() => texts.push(lined(text)),
                Some(Value::String(_) | Value::Null) | None => {}
                Some(other) => self.unplaced(&format!("{pointer}/{key}"), key, other, "is no text"),
            }
        }
        let title = task.get("title").or_else(|| task.get("description")).and_then(Value::as_str).unwrap_or_default();
        let tests: Vec<String> =
            ["testStrategy", "acceptanceCriteria"].iter().flat_map(|key| self.sentences(task, key, pointer)).collect();
        let status = self.status(task, line);
        let needs = self.needs(task, pointer, parent, tag);
        let subtasks = task.get("subtasks").and_then(Value::as_array).filter(|subtasks| !subtasks.is_empty());
        let alias = |id: &str| if tag.is_empty() { id.to_owned() } else { format!("{tag}:{id}") };
        let mut aliases: Vec<String> = id.iter().map(|id| alias(id)).collect();
        aliases.extend((!title.is_empty() && !self.several).then(|| title.to_owned()));
        let text = texts.join("\n");
        if let Some(subtasks) = subtasks.filter(|_| status == Status::Open) {
            let tests: String = tests.iter().map(|test| format!("\nHow it is tested:\n{}", lined(test))).collect();
            let group = Group {
                parent: parent.map(|(group, _)| group),
                title: shortened(title),
                text: format!("{text}{tests}"),
                lines: Vec::new(),
                phase: false,
                aliases,
                needs: Some(needs),
            };
            self.reading.groups.push(group);
            let number = self.reading.groups.len() - 1;
            self.tasks(
                subtasks,
                &format!("{pointer}/subtasks"),
                Some((number, id.as_deref().unwrap_or_default())),
                tag,
            );
            return;
        }
        if !text.chars().any(char::is_alphanumeric) {
            let whole = Value::Object(task.clone());
            self.unplaced(pointer, "a task", &whole, "says nothing that is to be done");
            return;
        }
        let mut found = self.found(&text, &tests, line);
        found.needs = Some(needs);
        found.acceptance = tests;
        let mut tags: Vec<String> =
            word(task.get("priority")).map(|priority| format!("priority-{}", kept(&priority))).into_iter().collect();
        tags.extend((self.several && !kept(tag).is_empty()).then(|| kept(tag)));
        tags.extend(
            task.get("tags").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(kept),
        );
        tags.retain(|tag| !tag.is_empty());
        let id = id.map(|id| if self.several { format!("{tag} {id}") } else { id });
        self.reading.items.push(Item {
            id,
            title: shortened(title),
            text,
            line,
            end: line + 1,
            group: parent.map(|(group, _)| group),
            parallel: false,
            status,
            aliases,
            fields: found,
            tags,
        });
    }

    /// A text or a list of texts.
    fn sentences(&mut self, task: &Map<String, Value>, key: &str, pointer: &str) -> Vec<String> {
        let told = |text: &&str| text.chars().any(char::is_alphanumeric);
        match task.get(key) {
            Some(Value::String(text)) => Some(text.as_str()).filter(told).map(str::to_owned).into_iter().collect(),
            Some(Value::Array(texts)) if texts.iter().all(Value::is_string) => {
                texts.iter().filter_map(Value::as_str).filter(told).map(str::to_owned).collect()
            }
            Some(other) => {
                self.unplaced(&format!("{pointer}/{key}"), key, other, "is no text");
                Vec::new()
            }
            None => Vec::new(),
        }
    }

    /// The files and commands that the texts name.
    fn found(&self, text: &str, tests: &[String], line: usize) -> Fields {
        let all = format!("{text}\n{}", tests.join("\n"));
        let of_task: Vec<Line<'_>> = all.lines().map(|text| Line { at: line, text, code: None }).collect();
        let mut found = fields(&of_task);
        // A bare name in the details is seldom a file to be made: it stands on a line after that of the title.
        let title = text.lines().next().unwrap_or_default();
        let in_details = |path: &str| !path.contains('/') && !title.contains(path);
        found
            .mentions
            .iter_mut()
            .filter(|mention| in_details(&mention.path))
            .for_each(|mention| mention.line = line + 1);
        Fields { mentions: found.mentions, commands: found.commands, ..Fields::default() }
    }

    fn status(&mut self, task: &Map<String, Value>, line: usize) -> Status {
        let Some(said) = word(task.get("status")) else { return Status::Open };
        Status::of(&said.to_lowercase()).unwrap_or_else(|| {
            let said = crate::base::bounded(&said, 100);
            self.reading
                .notes
                .push((line, format!("\"{said}\" is no status that is known: the task is taken for open")));
            Status::Open
        })
    }

    fn needs(
        &mut self,
        task: &Map<String, Value>,
        pointer: &str,
        parent: Option<(usize, &str)>,
        tag: &str,
    ) -> Vec<Need> {
        let line = self.line(&format!("{pointer}/dependencies"));
        let values = match task.get("dependencies") {
            Some(Value::Array(values)) => values.clone(),
            Some(Value::Null) | None => Vec::new(),
            Some(one) => vec![one.clone()],
        };
        let mut needs = Vec::new();
        for value in &values {
            let Some(dep) = word(Some(value)) else {
                self.unplaced(&format!("{pointer}/dependencies"), "dependencies", value, "names no task");
                continue;
            };
            // A number among the dependencies of a subtask is one of its siblings.
            let dep = match parent {
                Some((_, above)) if !dep.contains('.') => format!("{above}.{dep}"),
                _ => dep,
            };
            let text = if tag.is_empty() { dep } else { format!("{tag}:{dep}") };
            needs.push(Need { text, line });
        }
        needs
    }
}

/// A number or a word.
fn word(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A text that ends its last line.
fn lined(text: &str) -> String {
    let text = text.replace('\0', "\u{fffd}").replace("\r\n", "\n");
    format!("{}\n", text.trim_end_matches('\n'))
}
