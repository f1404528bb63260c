//! A declared tool that is another one by the time its task has ended: what the task made came of a tool that its key does
//! not name, so it is no result of that key.
//!
//! INVARIANT: a result goes into the cache under a key only if each tool of the key was, after the body, what the key says.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;

use super::builder::Builder;
use super::resolve::Keyed;
use super::session::{EngineError, digest_tool};
use crate::base::{BlobDigest, FailureKind};
use crate::context::ToolIdentity;
use crate::event::Failure;
use crate::sandbox::resolve_tool;
use crate::snapshot::{Fingerprint, outside};

/// What tools were found to be in this build, with how their files looked then.
#[derive(Debug, Default)]
pub(super) struct KnownTools(Mutex<BTreeMap<PathBuf, (Fingerprint, BlobDigest)>>);

impl KnownTools {
    /// What the file is now; read only where it looks different from before.
    fn digest(&self, path: PathBuf) -> Result<BlobDigest, EngineError> {
        let looks = outside(&path);
        let known = self.0.lock().expect("no holder panics").get(&path).copied();
        if let Some((_, digest)) = known.filter(|(looked, _)| looked.is(looks)) {
            return Ok(digest);
        }
        let digest = digest_tool(&path)?;
        // One that is written to meanwhile is read again the next time.
        if looks.is(outside(&path)) {
            self.0.lock().expect("no holder panics").insert(path, (looks, digest));
        }
        Ok(digest)
    }
}

impl Builder {
    /// The failure of a task one of whose tools is no longer the one that it is keyed by.
    pub(super) fn tool_changed(&self, keyed: &Keyed) -> Option<Failure> {
        let path = self.host.path();
        let is_other = |(name, was): &(&String, &ToolIdentity)| {
            let now = match resolve_tool(name.as_ref(), &path) {
                // What cannot be read is not what was read.
                Some(found) => self.tools.digest(found).ok().map(ToolIdentity::Found),
                None => Some(ToolIdentity::Missing),
            };
            now.as_ref() != Some(*was)
        };
        let (name, _) = keyed.context.definition.tools.iter().find(is_other)?;
        Some(Failure {
            kind: FailureKind::Conflict,
            message: format!("the tool `{name}` was replaced while orca worked with it: build again"),
            exit_code: None,
            signal: None,
            details: Vec::new(),
        })
    }
}
