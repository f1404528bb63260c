//! What of a report counts: findings in lines that the result added, and on packages that it brought.

use std::collections::BTreeMap;

use crate::event::GateFinding;
use crate::gates::dependencies::{LockFile, Package, brought};
use crate::gates::judged::{ChangedFile, Judged};
use crate::gates::locate::LineIndex;

/// Findings at lines that the result added, with those lines; `masked` hides what is found. One without a line counts where its
/// file was changed, and one without a file always.
pub(super) fn to_added(findings: Vec<GateFinding>, judged: &Judged<'_>, masked: bool) -> Vec<GateFinding> {
    let files: BTreeMap<_, &ChangedFile> = judged.changed.iter().map(|file| (&file.path, file)).collect();
    let mut indices: BTreeMap<_, Option<LineIndex<'_>>> = BTreeMap::new();
    let mut kept = Vec::new();
    for mut finding in findings {
        let Some(path) = finding.file.clone() else {
            kept.push(finding);
            continue;
        };
        let Some((path, file)) = files.get_key_value(&path) else { continue };
        if let Some(line) = finding.line {
            let end = finding.end_line.unwrap_or(line);
            let touches = |range: &std::ops::Range<u32>| range.start <= end && line < range.end;
            if !file.added_lines().iter().any(touches) {
                continue;
            }
            let index = indices.entry(*path).or_insert_with(|| file.after.text().map(LineIndex::new));
            let excerpt = index.as_ref().map(|index| {
                let range = index.content(line).start..index.content(end).end;
                index.excerpt(line, masked.then_some(range))
            });
            finding.excerpt = excerpt;
        }
        kept.push(finding);
    }
    kept
}

/// The packages that the result brought with a lock file, and the file.
pub(super) struct Brought<'a> {
    file: &'a ChangedFile,
    index: LineIndex<'a>,
    packages: Vec<Package>,
}

impl<'a> Brought<'a> {
    pub(super) fn of(run: &super::ScannerRun, judged: &'a Judged<'_>) -> Result<Self, String> {
        let about = run.about.as_ref();
        let file = judged.changed.iter().find(|file| Some(&file.path) == about).ok_or("its lock file is gone")?;
        let kind = LockFile::of(&file.path).ok_or("its lock file is none")?;
        let packages = brought(kind, file).map_err(|why| format!("`{}` cannot be read: {why}", file.path))?;
        Ok(Self { file, index: LineIndex::new(file.after.text().unwrap_or_default()), packages })
    }

    /// The packages of this name for which `is_meant` holds.
    pub(super) fn find(&self, name: &str, is_meant: impl Fn(&Package) -> bool) -> Vec<&Package> {
        let is_named = |package: &&Package| package.name == package.ecosystem.normal(name);
        self.packages.iter().filter(is_named).filter(|package| is_meant(package)).collect()
    }

    /// A finding at the line of a package.
    pub(super) fn place(&self, finding: GateFinding, package: &Package) -> GateFinding {
        self.index.place(finding, &self.file.path, self.index.content(package.line), None)
    }
}
