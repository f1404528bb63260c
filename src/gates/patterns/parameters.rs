//! Parameters that a framework fills from a request.

use tree_sitter::Node;

use super::value::Scopes;

/// Decorators that are looked at.
const DECORATORS_MAX: usize = 8;

/// Whether a request fills a parameter.
pub(super) fn is_from_request(scopes: &Scopes<'_>, function: Node<'_>, parameter: Node<'_>) -> bool {
    let source = scopes.source(parameter);
    match function.kind() {
        "function_definition" => is_route(scopes, function) && !is_harmless(source),
        "method_declaration" => {
            let marks = [
                "@RequestParam",
                "@PathVariable",
                "@RequestBody",
                "@RequestHeader",
                "@QueryParam",
                "@PathParam",
                "@CookieValue",
                "@FormParam",
            ];
            source.contains("String") && marks.iter().any(|mark| source.trim_start().starts_with(mark))
        }
        "method_definition" => {
            ["@Query(", "@Param(", "@Body(", "@Headers("].iter().any(|mark| source.trim_start().starts_with(mark))
                && !source.ends_with(": number")
        }
        "function_item" => {
            let kind = parameter.child_by_field_name("type").map_or("", |kind| scopes.source(kind));
            let kind = kind.rsplit_once("::").filter(|(path, _)| !path.contains('<')).map_or(kind, |(_, last)| last);
            let kind = kind.strip_prefix("extract::").unwrap_or(kind);
            ["Query<", "Path<", "Form<"].iter().any(|start| kind.starts_with(start))
                && !["u8>", "u16>", "u32>", "u64>", "usize>", "i32>", "i64>", "Uuid>"]
                    .iter()
                    .any(|number| kind.ends_with(&format!("<{number}")))
        }
        _ => false,
    }
}

/// A function of Python with a decorator such as `@app.get("/x/<name>")`.
fn is_route(scopes: &Scopes<'_>, function: Node<'_>) -> bool {
    let mut before = function.prev_named_sibling();
    for _ in 0..DECORATORS_MAX {
        let Some(node) = before.filter(|node| node.kind() == "decorator") else { return false };
        let source = scopes.source(node).split('(').next().unwrap_or_default();
        let method = source.rsplit_once('.').map_or("", |(_, method)| method);
        if ["route", "get", "post", "put", "patch", "delete", "websocket"].contains(&method) {
            return true;
        }
        before = node.prev_named_sibling();
    }
    false
}

/// A parameter of Python that is no text: a number, or what another function brings.
fn is_harmless(source: &str) -> bool {
    let name = source.split([':', '=']).next().unwrap_or_default().trim();
    let kind = source.split_once(':').map_or("", |(_, kind)| kind).split('=').next().unwrap_or_default().trim();
    ["self", "request", "cls", "db", "session"].contains(&name)
        || ["int", "float", "bool", "UUID", "date", "datetime", "Request", "Session"].contains(&kind)
        || source.contains("Depends(")
}
