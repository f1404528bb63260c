//! Agents, gates and toolchains: what tasks refer to by name.

use std::collections::{BTreeMap, BTreeSet};

use super::demands::check_gate;
use super::document::Place;
use super::environment::{is_text, texts, variable_names, variables};
use super::format::{RawAgent, RawGate, RawToolchain};
use super::implied::{CHECKS, word};
use super::model::{AgentDef, AgentPreset, GateDef, GateKind, ToolchainDef};
use super::names::{Names, checked_name};
use super::options::{check_options, scanner_programs};
use super::paths::{Use, patterns};
use super::reader::{Reader, quoted, shown};
use super::table::Table;
use super::values::{At, Text};
use crate::base::{Finding, Name, Pattern, PatternSet, RelPath};

/// One agent; nothing where it cannot be one.
pub(super) fn agent(at: Place, raw: &RawAgent, agents: &Names, reader: &mut Reader<'_>) -> Option<AgentDef> {
    let name = checked_name(at, reader)?;
    let preset = match &raw.preset {
        Some(preset) => preset.value,
        None if raw.command.is_some() => AgentPreset::Command,
        None => {
            if !raw.is_broken() {
                let message = format!("the agent `{name}` has neither `preset` nor `command`");
                let node = reader.key_id(at);
                let help = "preset = \"command\" with command = \"...\" runs any program";
                reader.report(Finding::error("orca::plan::missing_preset", message, node, "which agent?").help(help));
            }
            return None;
        }
    };
    let word = match preset {
        AgentPreset::Command => Some(("command", "it gets the prompt on its standard input")),
        AgentPreset::Acp => Some(("acp", "it speaks the Agent Client Protocol on its standard input and output")),
        _ => None,
    };
    if let Some((word, what)) = word.filter(|_| raw.command.is_none() && !raw.is_broken()) {
        let message = format!("the agent `{name}` has preset \"{word}\" and no `command`");
        let node = raw.preset.as_ref().map_or_else(|| reader.key_id(at), |preset| reader.id(preset.at));
        let help = format!("add command = [\"program\", \"argument\"]; {what}");
        reader.report(Finding::error("orca::plan::missing_command", message, node, "needs a command").help(help));
    }
    let env = variables(raw.env.as_ref(), reader);
    let secrets = variable_names(raw.secrets.as_ref(), reader);
    for text in raw.secrets.iter().flatten().filter(|text| env.contains_key(&text.value)) {
        let message = format!("`{}` is a secret and has its value in `env`", shown(&text.value));
        let declared = raw.env.iter().flat_map(|map| &map.0).find(|(key, _)| reader.key(*key) == text.value);
        let finding = Finding::error("orca::plan::secret_in_env", message, reader.id(text.at), "a secret");
        let finding = finding.help("remove it from `env`: its value comes from orca's environment");
        reader.report(match declared {
            Some((key, _)) => finding.and(reader.key_id(*key), "its value, in the plan"),
            None => finding,
        });
    }
    let fallback = raw.fallback.as_ref().and_then(|text| agents.resolve(text, reader));
    Some(AgentDef {
        preset,
        command: raw.command.as_ref().map(|command| command.argv.clone()).unwrap_or_default(),
        args: raw.args.iter().flatten().map(|text| text.value.clone()).collect(),
        model: raw.model.as_ref().filter(|text| is_text(text, reader)).map(|text| text.value.clone()),
        env,
        secrets,
        fallback,
        node: reader.id(at),
        name,
    })
}

/// Reports agents whose fallbacks lead back to themselves, each circle once.
pub(super) fn check_fallbacks(agents: &BTreeMap<Name, AgentDef>, reader: &mut Reader<'_>) {
    let mut done: BTreeSet<&Name> = BTreeSet::new();
    for start in agents.keys() {
        let mut way: Vec<&Name> = Vec::new();
        let mut next = Some(start);
        while let Some(name) = next.filter(|name| !done.contains(name)) {
            if let Some(position) = way.iter().position(|seen| *seen == name) {
                report_circle(&way[position..], agents, reader);
                break;
            }
            way.push(name);
            next = agents.get(name).and_then(|agent| agent.fallback.as_ref());
        }
        done.extend(way);
    }
}

fn report_circle(circle: &[&Name], agents: &BTreeMap<Name, AgentDef>, reader: &mut Reader<'_>) {
    const SHOWN_MAX: usize = 12;
    let mut way: Vec<&str> = circle.iter().take(SHOWN_MAX).map(|name| name.as_str()).collect();
    way.push(circle[0].as_str());
    let message = format!("agents fall back in a circle: {}", way.join(" -> "));
    let node = |name: &Name| agents[name].node.child("fallback");
    let mut finding = Finding::error("orca::plan::fallback_cycle", message, node(circle[0]), "leads on");
    for name in circle.iter().skip(1).take(SHOWN_MAX) {
        finding = finding.and(node(name), "leads on");
    }
    reader.report(finding.help("remove one of the fallbacks"));
}

/// One gate; nothing where it cannot be one.
pub(super) fn gate(
    at: Place,
    raw: &RawGate,
    agents: &Names,
    toolchains: &Names,
    reader: &mut Reader<'_>,
) -> Option<GateDef> {
    let name = checked_name(at, reader)?;
    let named = named_like_its_check(at, raw, &name);
    let raw = named.as_ref().unwrap_or(raw);
    let kind = gate_kind(at, raw, agents, reader);
    let options = check_options(raw, agents, reader);
    check_gate(at, raw, &name, kind.as_ref(), reader);
    // The schema is one of its own files: it comes from the base.
    let own = options.get("schema").and_then(|path| RelPath::new(path.as_str()?).ok());
    let declared = patterns(raw.inputs.as_ref(), Use::Input, reader);
    let inputs = PatternSet::new(declared.iter().cloned().chain(own.iter().map(Pattern::literal)).collect());
    let mut tools = texts(raw.tools.as_ref(), reader);
    tools.extend(scanner_programs(raw).into_iter().filter(|program| !tools.contains(program)).collect::<Vec<_>>());
    Some(GateDef {
        level: raw.level.as_ref().map(|level| level.value),
        inputs,
        env: variables(raw.env.as_ref(), reader),
        tools,
        toolchains: toolchains.resolve_all(raw.toolchains.as_ref(), reader),
        timeout: raw.timeout.as_ref().map(|timeout| timeout.value),
        network: raw.network.as_ref().is_some_and(|network| network.value),
        node: reader.id(at),
        options,
        kind: kind?,
        name,
    })
}

/// A gate that says nothing of who judges, and has the name of a check, is that check: `[gates.security]` with `level = "strict"`.
fn named_like_its_check(at: Place, raw: &RawGate, name: &Name) -> Option<RawGate> {
    let is_silent = raw.run.is_none() && raw.check.is_none() && raw.agent.is_none() && raw.prompt.is_none();
    let check =
        CHECKS.into_iter().find(|check| word(*check) == name.as_str()).filter(|_| is_silent && !raw.is_broken())?;
    let mut named = raw.clone();
    named.check = Some(At { at, value: check });
    Some(named)
}

fn gate_kind(at: Place, raw: &RawGate, agents: &Names, reader: &mut Reader<'_>) -> Option<GateKind> {
    let bodies: Vec<(&str, Place)> = [
        raw.run.as_ref().map(|run| ("run", run.at)),
        raw.check.as_ref().map(|check| ("check", check.at)),
        raw.agent.as_ref().or(raw.prompt.as_ref()).map(|agent| ("agent", agent.at)),
    ]
    .into_iter()
    .flatten()
    .collect();
    let name = shown(reader.key(at));
    let check = raw.check.as_ref().map(|check| check.value);
    match bodies[..] {
        [] => {
            if !raw.is_broken() {
                let message = format!("the gate `{name}` does not say what judges");
                let help = "give it run = \"...\", or check = \"...\", or agent and prompt";
                let node = reader.key_id(at);
                reader.report(Finding::error("orca::plan::missing_body", message, node, "judges nothing").help(help));
            }
            return None;
        }
        [_] => {}
        [first, second, ..] => {
            report_both_bodies(&format!("the gate `{name}`"), first, second, reader);
            return None;
        }
    }
    if let Some(run) = &raw.run {
        return Some(GateKind::Run(run.argv.clone()));
    }
    if let Some(check) = check {
        return Some(GateKind::Check(check));
    }
    let (Some(agent), Some(prompt)) = (&raw.agent, &raw.prompt) else {
        let missing = if raw.agent.is_none() { "agent" } else { "prompt" };
        if !raw.is_broken() {
            let message = format!("the gate `{name}` is an agent's and has no `{missing}`");
            let node = reader.key_id(bodies[0].1);
            let help = format!("add {missing} = \"...\"");
            reader.report(Finding::error("orca::plan::missing_body", message, node, "only half").help(help));
        }
        return None;
    };
    let agent = agents.resolve(agent, reader)?;
    is_text(prompt, reader).then(|| GateKind::Agent { agent, prompt: prompt.value.clone() })
}

/// Reports what has two bodies and may have one.
pub(super) fn report_both_bodies(what: &str, first: (&str, Place), second: (&str, Place), reader: &mut Reader<'_>) {
    let message = format!("{what} has both `{}` and `{}`", first.0, second.0);
    let finding =
        Finding::error("orca::plan::both_bodies", message, reader.key_id(second.1), format!("`{}` here", second.0));
    reader
        .report(finding.and(reader.key_id(first.1), format!("`{}` here", first.0)).help("keep one, or make two of it"));
}

/// One toolchain.
pub(super) fn toolchain(at: Place, raw: &RawToolchain, reader: &mut Reader<'_>) -> Option<ToolchainDef> {
    let name = checked_name(at, reader)?;
    Some(ToolchainDef {
        paths: host_paths(raw.paths.as_ref(), reader),
        env: variables(raw.env.as_ref(), reader),
        bin: host_paths(raw.path.as_ref(), reader),
        node: reader.id(at),
        name,
    })
}

/// Paths of the machine rather than the project: absolute, or beneath the home directory.
fn host_paths(list: Option<&Vec<Text>>, reader: &mut Reader<'_>) -> Vec<String> {
    let mut paths = Vec::new();
    for text in list.into_iter().flatten() {
        let value = &text.value;
        let is_rooted = value.starts_with('/') || value == "~" || value.starts_with("~/");
        if is_rooted && !value.contains('\0') && !value.split('/').any(|part| part == "..") {
            paths.push(value.clone());
            continue;
        }
        let message = format!("{} is no path of this machine", quoted(value));
        let node = reader.id(text.at);
        let help = "write an absolute path without `..`, or one that begins with `~/`";
        reader.report(Finding::error("orca::plan::bad_path", message, node, "neither absolute nor `~/`").help(help));
    }
    paths
}
