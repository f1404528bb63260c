//! Linters that write JSON: eslint, ruff, pylint, golangci-lint as one value; cargo and mypy as one a line.

use serde_json::Value;

use super::{REMARKS_MAX, Remark, severity_of};

/// The remarks in a text; none where it is no JSON of a linter that is known.
pub(super) fn remarks(output: &str) -> Vec<Remark> {
    if let Ok(value) = serde_json::from_str::<Value>(output) {
        return of_value(&value);
    }
    let lines = output.lines().filter_map(|line| serde_json::from_str::<Value>(line.trim()).ok());
    lines.filter_map(|value| of_cargo(&value).or_else(|| flat(&value))).take(REMARKS_MAX).collect()
}

fn of_value(value: &Value) -> Vec<Remark> {
    match value {
        Value::Array(list) => list.iter().flat_map(of_element).take(REMARKS_MAX).collect(),
        Value::Object(_) => match value.get("Issues") {
            Some(Value::Array(issues)) => issues.iter().filter_map(golangci).take(REMARKS_MAX).collect(),
            _ => of_cargo(value).or_else(|| flat(value)).into_iter().collect(),
        },
        _ => Vec::new(),
    }
}

fn of_element(value: &Value) -> Vec<Remark> {
    match (text(value, "filePath"), value.get("messages")) {
        (Some(file), Some(Value::Array(messages))) => messages.iter().filter_map(|one| eslint(&file, one)).collect(),
        _ => flat(value).into_iter().collect(),
    }
}

fn text(value: &Value, key: &str) -> Option<String> {
    Some(value.get(key)?.as_str()?.to_owned())
}

fn number(value: &Value, key: &str) -> Option<u32> {
    u32::try_from(value.get(key)?.as_u64()?).ok()
}

fn eslint(file: &str, value: &Value) -> Option<Remark> {
    let severity = if value.get("severity").and_then(Value::as_u64) == Some(1) { "warning" } else { "error" };
    Some(Remark {
        file: file.to_owned(),
        line: number(value, "line").unwrap_or(0),
        column: number(value, "column"),
        end_line: number(value, "endLine"),
        severity: severity_of(severity),
        rule: text(value, "ruleId"),
        message: text(value, "message")?,
    })
}

/// One table a remark: ruff, pylint, mypy.
fn flat(value: &Value) -> Option<Remark> {
    let place = value.get("location");
    let of_place = |key: &str| place.and_then(|place| number(place, key));
    let column = of_place("column").or_else(|| number(value, "column"));
    let severity = text(value, "severity").or_else(|| text(value, "type")).unwrap_or_default();
    Some(Remark {
        file: ["filename", "path", "file"].iter().find_map(|key| text(value, key))?,
        line: of_place("row").or_else(|| number(value, "line")).unwrap_or(0),
        column: column.map(|column| column.max(1)),
        end_line: value.get("end_location").and_then(|end| number(end, "row")).or_else(|| number(value, "endLine")),
        severity: severity_of(&severity),
        rule: ["symbol", "code", "message-id", "rule"].iter().find_map(|key| text(value, key)),
        message: text(value, "message")?,
    })
}

fn golangci(value: &Value) -> Option<Remark> {
    let place = value.get("Pos")?;
    Some(Remark {
        file: text(place, "Filename")?,
        line: number(place, "Line").unwrap_or(0),
        column: number(place, "Column").filter(|column| *column > 0),
        end_line: None,
        severity: severity_of(&text(value, "Severity").unwrap_or_default()),
        rule: text(value, "FromLinter"),
        message: text(value, "Text")?,
    })
}

fn of_cargo(value: &Value) -> Option<Remark> {
    let message = value.get("message").filter(|message| message.is_object())?;
    let Some(Value::Array(spans)) = message.get("spans") else { return None };
    let is_primary = |span: &&Value| span.get("is_primary").and_then(Value::as_bool) == Some(true);
    let span = spans.iter().find(is_primary)?;
    Some(Remark {
        file: text(span, "file_name")?,
        line: number(span, "line_start")?,
        column: number(span, "column_start"),
        end_line: number(span, "line_end"),
        severity: severity_of(&text(message, "level").unwrap_or_default()),
        rule: message.get("code").and_then(|code| text(code, "code")),
        message: text(message, "message")?,
    })
}
