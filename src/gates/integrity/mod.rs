//! The check `integrity`: a result may not reach what judges it. Protected files are untouched, nothing stands in a runner's
//! place, no link leads out, and every file is what its name says.
//!
//! ```text
//!  whole paths    protected, defaults      the plan, orca's own, gates' inputs, test and build configuration
//!  parts of files sections                 package.json, pyproject.toml, setup.cfg, Cargo.toml
//!  names          shadowed                 pytest.py, bin/pytest, node_modules/jest
//!  links          links
//!  contents       content, conflicts, syntax
//! ```

mod conflicts;
mod content;
mod defaults;
mod links;
mod protected;
mod sections;
mod shadowed;
mod syntax;

use rayon::prelude::*;

use super::check::CheckContext;
use super::judged::{ChangedFile, Judged};
use super::part::Part;
use crate::event::GateFinding;
use shadowed::Packages;

/// What this check can find.
pub const RULES: &[&str] = &[
    "integrity/protected",
    "integrity/verdict-forged",
    "integrity/shadowed-runner",
    "integrity/symlink-outside",
    "integrity/file-too-large",
    "integrity/conflict-markers",
    "integrity/invalid-utf8",
    "integrity/bidi-control",
    "integrity/syntax-error",
];

/// Judges a result, its files in parallel.
pub(super) fn integrity(judged: &Judged<'_>, context: &CheckContext<'_>) -> Vec<Part> {
    let protect = context.options.patterns("protect");
    let size_bytes_max = context.options.get("size_max").unwrap_or(content::SIZE_BYTES_MAX);
    let packages = Packages::of(judged.result);
    let of_file = |change: &ChangedFile| -> Vec<GateFinding> {
        let mut findings = protected::protected(change, judged, &protect);
        findings.extend(shadowed::shadowed(change, judged, &packages));
        findings.extend(content::too_large(change, size_bytes_max));
        findings.extend(content::invalid_utf8(change));
        findings.extend(content::bidi_controls(change));
        let conflicts = conflicts::conflict_markers(change);
        // A file with a conflict in it does not parse for that reason.
        if conflicts.is_empty() {
            findings.extend(syntax::syntax_error(change));
        }
        findings.extend(conflicts);
        findings
    };
    let mut findings: Vec<GateFinding> = judged.changed.par_iter().flat_map_iter(of_file).collect();
    findings.extend(links::links_outside(judged));
    vec![Part::judged("integrity", findings)]
}
