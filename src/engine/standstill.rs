//! What a build says that finds nothing to do, from a look: for whoever answers in place of one.

use super::attempt_log;
use super::locked::LockStanding;
use super::look::{Look, Prospect, Seen};
use super::resolve::{Keyed, Resolver};
use super::session::EngineError;
use super::standing::{Reused, Standing};
use super::status::Status;
use crate::base::TaskName;

/// A build with nothing to do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standstill {
    /// Tasks whose results are there: all.
    pub cached: u64,
    /// What they had taken, in milliseconds.
    pub saved_ms: u64,
    /// What they had cost, in millionths of a dollar.
    pub saved_micro_usd: u64,
    /// The logs that such a build shows again.
    pub replays: Vec<(TaskName, String)>,
}

impl Look {
    /// What a build would say, if it had nothing to do, to mend, or to warn of; `status` is what this look finds.
    /// Consent is not looked at.
    pub fn standstill(&self, status: &Status) -> Result<Option<Standstill>, EngineError> {
        let is_quiet = self.is_whole
            && self.findings.is_empty()
            && self.notices.is_empty()
            && self.oversized.is_empty()
            && is_quiet(status);
        if !is_quiet {
            return Ok(None);
        }
        let displaced = self.displaced()?;
        if !displaced.removes.is_empty() || !displaced.replaces.is_empty() {
            return Ok(None);
        }
        let mut still = Standstill::default();
        for ix in self.tasks() {
            let Seen::Known(keyed, Standing::Clean(reused)) = self.seen(ix) else { return Ok(None) };
            if self.prospect(ix) != Prospect::Nothing || !reused.recorded || !reused.drifted.is_empty() {
                return Ok(None);
            }
            still.cached += 1;
            still.saved_ms += reused.saved_ms;
            still.saved_micro_usd = still.saved_micro_usd.saturating_add(reused.cost_micro_usd);
            let task = self.resolver.task(ix);
            if task.outputs.is_empty()
                && task.edits.is_empty()
                && let Some(text) = replayed(&self.resolver, keyed, reused)
            {
                still.replays.push((task.name.clone(), text));
            }
        }
        Ok(Some(still))
    }
}

/// Whether there is nothing that a build would mend or mention.
fn is_quiet(status: &Status) -> bool {
    let is_listed = !status.not_clean.is_empty()
        || !status.to_restore.is_empty()
        || !status.drifted.is_empty()
        || !status.drifted_edits.is_empty()
        || !status.unplaced.is_empty()
        || !status.pending.is_empty()
        || !status.awaits_approval.is_empty()
        || !status.gate_warnings.is_empty();
    !is_listed
        && matches!(status.lock, LockStanding::None | LockStanding::UpToDate)
        && status.undoing.is_none()
        && status.building.is_none()
        && status.plan_gates.iter().all(|gate| gate.verdict == "passed")
        && status.last_run.as_ref().is_some_and(|run| run.ended_ms.is_some())
}

/// The log of a result, as a build shows it that takes the result from its place; `None` where it says nothing.
pub(super) fn replayed(resolver: &Resolver, keyed: &Keyed, reused: &Reused) -> Option<String> {
    let store = resolver.store.as_ref()?;
    // A log that the cache has lost is no loss of a result.
    let log = reused.log.filter(|digest| store.has(digest))?;
    let bytes = store.read(&log).ok().flatten().filter(|bytes| !bytes.is_empty())?;
    let agent = resolver.agent_of(keyed).map(|agent| agent.preset);
    Some(attempt_log::shown(&attempt_log::text(&bytes, agent)))
}
