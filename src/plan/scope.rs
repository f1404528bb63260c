//! Strings with parameters: minijinja, with strict undefined and tight bounds.
//!
//! Only expressions, `if` and `for` exist. There is no `set`, `with` or macro, so a value cannot grow from one
//! statement to the next; fuel bounds the steps, a writer bounds the output, and the operators that make long texts
//! of short ones are counted. A template can therefore neither hang nor flood whoever only looks at a plan.

use std::collections::BTreeMap;
use std::io::{self, Write};

use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, Value};

use super::document::Place;
use super::reader::{Reader, shown};
use crate::base::{Finding, bounded};

/// The longest text that may come out of one string.
const RENDERED_BYTES_MAX: usize = 8 << 20;
/// Steps one string may take.
const FUEL: u64 = 200_000;
/// What the values inside one string may grow to.
const GROWTH_BYTES_MAX: f64 = 64e6;

/// Whether a string is rendered at all.
pub(super) fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

/// What the names in the strings of one task stand for.
#[derive(Clone)]
pub(super) struct Scope {
    environment: Environment<'static>,
    values: BTreeMap<String, Value>,
    size_bytes: usize,
    /// The task that uses the strings; a template's own mistakes are labelled there, too.
    user: Place,
}

impl Scope {
    pub(super) fn new(user: Place) -> Self {
        Self { environment: environment(), values: BTreeMap::new(), size_bytes: 0, user }
    }

    /// Names a value.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.size_bytes += value.len();
        self.values.insert(name.to_owned(), Value::from(value));
    }

    /// Names values as members: `matrix.os`.
    pub(super) fn set_members(&mut self, name: &str, members: &BTreeMap<String, String>) {
        self.size_bytes += members.values().map(String::len).sum::<usize>();
        self.values.insert(name.to_owned(), Value::from_serialize(members));
    }

    /// The text with every value put in; nothing and a finding if it cannot be.
    pub(super) fn render(&self, text: &str, place: Place, reader: &mut Reader<'_>) -> Option<String> {
        match self.try_render(text) {
            Ok(rendered) => Some(rendered),
            Err(problem) => {
                self.report(problem, place, reader);
                None
            }
        }
    }

    fn try_render(&self, text: &str) -> Result<String, Problem> {
        check_syntax(text)?;
        let input_bytes = text.len() + self.size_bytes;
        if (input_bytes as f64) * 2f64.powi(growing_operators(text)) > GROWTH_BYTES_MAX {
            return Err(Problem::new(None, "it joins too many texts with `~` and `+`".to_owned()));
        }
        let template = self.environment.template_from_str(text).map_err(|error| Problem::from_error(&error))?;
        let mut out = Bounded(Vec::new());
        match template.render_captured_to(&self.values, &mut out) {
            Ok(_) => Ok(String::from_utf8(out.0).expect("minijinja writes UTF-8")),
            Err(_) if out.0.len() >= RENDERED_BYTES_MAX => {
                Err(Problem::new(None, format!("more than {RENDERED_BYTES_MAX} bytes come out of it")))
            }
            Err(error) if error.kind() == ErrorKind::UndefinedError => {
                let mut unknown: Vec<String> = template
                    .undeclared_variables(true)
                    .into_iter()
                    .filter(|name| self.lookup(name).is_none_or(|value| value.is_undefined()))
                    .collect();
                unknown.sort();
                Err(Problem { unknown, ..Problem::from_error(&error) })
            }
            Err(error) => Err(Problem::from_error(&error)),
        }
    }

    fn lookup(&self, dotted: &str) -> Option<Value> {
        let mut parts = dotted.split('.');
        let first = self.values.get(parts.next()?)?.clone();
        parts.try_fold(first, |value, part| value.get_attr(part).ok())
    }

    fn report(&self, problem: Problem, place: Place, reader: &mut Reader<'_>) {
        let node = if problem.line.is_some_and(|line| line > 1) { reader.key_id(place) } else { reader.id(place) };
        let line = problem.line.map(|line| format!("line {line}: ")).unwrap_or_default();
        let mut finding = match problem.unknown.first() {
            Some(name) => {
                let message = format!("{line}`{}` is not defined in this text", shown(name));
                Finding::error("orca::plan::unknown_variable", message, node, "used here")
            }
            None => {
                let message = format!("the text cannot be rendered: {line}{}", problem.message);
                Finding::error("orca::plan::bad_template", message, node, "in this text")
            }
        };
        if let Some(name) = problem.unknown.first() {
            let known = self.known_names();
            let help = match reader.suggest(name, known.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{{{{ {near} }}}}`?"),
                None => format!("defined are: {}", known.join(", ")),
            };
            finding = finding.help(help);
        }
        if place.file != self.user.file || !is_within(reader, place, self.user) {
            finding = finding.and(reader.key_id(self.user), "for this task");
        }
        reader.report_text(place, finding);
    }

    fn known_names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for (name, value) in &self.values {
            match value.try_iter() {
                Ok(members) if value.as_str().is_none() => {
                    names.extend(members.map(|member| format!("{name}.{member}")))
                }
                _ => names.push(name.clone()),
            }
        }
        names
    }
}

fn is_within(reader: &Reader<'_>, place: Place, table: Place) -> bool {
    let mut index = place.index;
    while index > table.index {
        index = reader.document(place).node(index).parent;
    }
    index == table.index
}

/// Why a text cannot be rendered.
pub(super) struct Problem {
    line: Option<usize>,
    message: String,
    unknown: Vec<String>,
}

impl Problem {
    fn new(line: Option<usize>, message: String) -> Self {
        Self { line, message, unknown: Vec::new() }
    }

    fn from_error(error: &minijinja::Error) -> Self {
        let message = match error.kind() {
            ErrorKind::OutOfFuel => "it takes too many steps".to_owned(),
            kind => match error.detail() {
                Some(detail) => format!("{kind}: {detail}"),
                None => kind.to_string(),
            },
        };
        Self::new(error.line(), shown(&message))
    }
}

/// Reports what is wrong with a text before anything is known about the values in it.
pub(super) fn check_template(text: &str, place: Place, known: &[&str], reader: &mut Reader<'_>) {
    let scope = Scope::new(place);
    let problem = check_syntax(text).and_then(|()| {
        let template = scope.environment.template_from_str(text).map_err(|error| Problem::from_error(&error))?;
        let mut unknown: Vec<String> =
            template.undeclared_variables(false).into_iter().filter(|name| !known.contains(&name.as_str())).collect();
        unknown.retain(|name| name != "range");
        unknown.sort();
        match unknown.is_empty() {
            true => Ok(()),
            false => Err(Problem { line: None, message: String::new(), unknown }),
        }
    });
    if let Err(problem) = problem {
        let mut scope = scope;
        for name in known {
            scope.set(name, "");
        }
        scope.report(problem, place, reader);
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_keep_trailing_newline(true);
    environment.set_recursion_limit(50);
    environment.set_fuel(Some(FUEL));
    environment.add_filter("upper", |text: &str| text.to_uppercase());
    environment.add_filter("lower", |text: &str| text.to_lowercase());
    environment.add_filter("trim", |text: &str| text.trim().to_owned());
    environment.add_filter("replace", replace);
    environment.add_filter("length", minijinja::filters::length);
    environment.add_filter("first", minijinja::filters::first);
    environment.add_filter("last", minijinja::filters::last);
    environment.add_filter("default", minijinja::filters::default);
    environment.add_function("range", range);
    environment
}

fn replace(text: &str, from: &str, to: &str) -> Result<String, minijinja::Error> {
    let replaced_bytes = text.len().saturating_add(text.matches(from).count().saturating_mul(to.len()));
    match replaced_bytes > RENDERED_BYTES_MAX {
        true => Err(minijinja::Error::new(ErrorKind::InvalidOperation, "the replaced text is too long")),
        false => Ok(text.replace(from, to)),
    }
}

fn range(count: u32) -> Result<Vec<u32>, minijinja::Error> {
    match count > 10_000 {
        true => Err(minijinja::Error::new(ErrorKind::InvalidOperation, "a range has at most 10000 numbers")),
        false => Ok((0..count).collect()),
    }
}

/// One `{{ ... }}` or `{% ... %}` of a text.
struct Tag<'t> {
    /// What is between the marks.
    body: &'t str,
    is_statement: bool,
    /// From 1.
    line: usize,
}

impl Tag<'_> {
    /// The first word of a statement.
    fn word(&self) -> &str {
        let word = self.body.trim_start_matches(['-', '+']).split_whitespace().next().unwrap_or_default();
        word.trim_end_matches(['-', '+'])
    }
}

/// The tags of a text as minijinja sees them: not those in comments and raw blocks.
fn tags(text: &str) -> Vec<Tag<'_>> {
    let mut tags = Vec::new();
    let mut at = 0;
    let (mut line, mut counted) = (1, 0);
    let mut is_raw = false;
    while let Some(start) = text[at..].find('{').map(|found| at + found) {
        let end_mark = match text.as_bytes().get(start + 1) {
            Some(b'{') if !is_raw => "}}",
            Some(b'%') => "%}",
            Some(b'#') if !is_raw => {
                at = text[start + 2..].find("#}").map_or(text.len(), |end| start + 2 + end + 2);
                continue;
            }
            _ => {
                at = start + 1;
                continue;
            }
        };
        let end = start + 2 + tag_length(&text[start + 2..], end_mark);
        line += text[counted..start].bytes().filter(|byte| *byte == b'\n').count();
        counted = start;
        let tag = Tag { body: &text[start + 2..end], is_statement: end_mark == "%}", line };
        match (is_raw, tag.word()) {
            (true, "endraw") => is_raw = false,
            (true, _) => {
                at = start + 2;
                continue;
            }
            (false, "raw") if tag.is_statement => is_raw = true,
            (false, _) => tags.push(tag),
        }
        at = end;
    }
    tags
}

/// How far a tag goes: up to its end mark outside of quotes.
fn tag_length(text: &str, end_mark: &str) -> usize {
    let mut quote = None;
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match quote {
            Some(_) if is_escaped => is_escaped = false,
            Some(_) if byte == b'\\' => is_escaped = true,
            Some(open) if byte == open => quote = None,
            Some(_) => {}
            None if matches!(byte, b'"' | b'\'') => quote = Some(byte),
            None if text.as_bytes()[at..].starts_with(end_mark.as_bytes()) => return at,
            None => {}
        }
    }
    text.len()
}

/// Statements that exist; `set`, `with`, `filter` and the like would let values grow without bound.
const STATEMENTS: [&str; 8] = ["if", "elif", "else", "endif", "for", "endfor", "raw", "endraw"];

fn check_syntax(text: &str) -> Result<(), Problem> {
    if text.len() > RENDERED_BYTES_MAX {
        return Err(Problem::new(None, "it is too long".to_owned()));
    }
    for tag in tags(text) {
        if tag.is_statement && !STATEMENTS.contains(&tag.word()) {
            let message = format!("there is no statement `{}`; use `if` or `for`", shown(&bounded(tag.word(), 40)));
            return Err(Problem::new(Some(tag.line), message));
        }
        if operators(&tag).any(|operator| operator == b'*') {
            return Err(Problem::new(Some(tag.line), "there is no operator `*`".to_owned()));
        }
    }
    Ok(())
}

/// The bytes of a tag outside of quotes.
fn operators(tag: &Tag<'_>) -> impl Iterator<Item = u8> {
    let mut quote = None;
    let mut is_escaped = false;
    tag.body.bytes().filter(move |byte| match quote {
        Some(_) if is_escaped => {
            is_escaped = false;
            false
        }
        Some(open) => {
            is_escaped = *byte == b'\\';
            if *byte == open {
                quote = None;
            }
            false
        }
        None if matches!(byte, b'"' | b'\'') => {
            quote = Some(*byte);
            false
        }
        None => true,
    })
}

/// How often a text may at most double what is in it.
fn growing_operators(text: &str) -> i32 {
    let grows = |byte: &u8| matches!(byte, b'~' | b'+');
    let count: usize = tags(text).iter().map(|tag| operators(tag).filter(grows).count()).sum();
    i32::try_from(count.min(1000)).expect("at most 1000")
}

/// Takes so many bytes and no more.
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = RENDERED_BYTES_MAX - self.0.len();
        self.0.extend_from_slice(&bytes[..bytes.len().min(room)]);
        match bytes.len() > room {
            true => Err(io::Error::other("the rendered text is too long")),
            false => Ok(bytes.len()),
        }
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
