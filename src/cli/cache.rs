//! `orca cache`: what the shared cache holds, whether it is sound, and making it smaller. Needs no project.

use serde_json::json;

use super::args::{CacheCommand, GcArgs};
use super::terminal::Terminal;
use super::{CliError, Exit, JSON_VERSION};
use crate::base::{counted, format_duration_ms, format_size, sanitize_line};
use crate::engine::{EngineError, Host};
use crate::store::{CacheStats, Store, StoreError};

pub(super) fn run(command: &CacheCommand, terminal: &Terminal) -> Result<Exit, CliError> {
    let host = Host::from_env()?;
    let directory = host.cache_dir.display().to_string();
    let exit = match command {
        CacheCommand::Stats(args) => {
            let stats = Store::open_readonly(&host.cache_dir)
                .and_then(|store| store.map_or(Ok(CacheStats::default()), |store| store.stats()));
            stats_told(&stats.map_err(world)?, &directory, args.json, terminal);
            Exit::Good
        }
        CacheCommand::Verify(args) => match open(&host, terminal)? {
            Some(store) => verify(&store, args.json, terminal)?,
            None => nothing(&directory, args.json, terminal),
        },
        CacheCommand::Gc(args) => match open(&host, terminal)? {
            Some(store) => gc(&store, args, terminal)?,
            None => nothing(&directory, args.json, terminal),
        },
    };
    Ok(exit)
}

/// The cache, if there is one: looking after one does not make one.
fn open(host: &Host, terminal: &Terminal) -> Result<Option<Store>, CliError> {
    if !host.cache_dir.exists() {
        return Ok(None);
    }
    let store = Store::open(&host.cache_dir).map_err(world)?;
    terminal.warn(&store.take_warnings());
    Ok(Some(store))
}

fn nothing(directory: &str, json: bool, terminal: &Terminal) -> Exit {
    if json {
        terminal.line(&json!({ "v": JSON_VERSION, "directory": directory, "exists": false }).to_string());
    } else {
        terminal.line(&format!("there is no cache in {}", sanitize_line(directory)));
    }
    Exit::Good
}

fn stats_told(stats: &CacheStats, directory: &str, json: bool, terminal: &Terminal) {
    let CacheStats { blobs, blob_size_bytes, results, verdicts, record_size_bytes } = *stats;
    if json {
        let value = json!({
            "v": JSON_VERSION,
            "directory": directory,
            "blobs": blobs,
            "blob_size_bytes": blob_size_bytes,
            "results": results,
            "verdicts": verdicts,
            "record_size_bytes": record_size_bytes,
        });
        terminal.line(&value.to_string());
        return;
    }
    terminal.line(&format!("{}:", sanitize_line(directory)));
    let (files, results, verdicts) = (counted(blobs, "file"), counted(results, "result"), counted(verdicts, "verdict"));
    terminal.line(&format!("  {files}, {}", format_size(blob_size_bytes)));
    terminal.line(&format!("  {results} and {verdicts}, {}", format_size(record_size_bytes)));
    terminal.line(&format!("  {} in all", format_size(blob_size_bytes + record_size_bytes)));
}

fn verify(store: &Store, json: bool, terminal: &Terminal) -> Result<Exit, CliError> {
    let found = store.verify().map_err(world)?;
    let damaged = found.damaged_blobs.len();
    if json {
        let value = json!({
            "v": JSON_VERSION,
            "sound": found.is_sound(),
            "blobs": found.blobs,
            "blob_size_bytes": found.blob_size_bytes,
            "damaged_blobs": found.damaged_blobs,
            "records": found.records,
            "damaged_records": found.damaged_records,
            "incomplete_records": found.incomplete_records,
            "foreign": found.foreign,
        });
        terminal.line(&value.to_string());
    } else {
        let (blobs, records) = (found.blobs, found.records);
        let (files, records) = (counted(blobs, "file"), counted(records, "record"));
        terminal.line(&format!("read {files} ({}) and {records}", format_size(found.blob_size_bytes)));
        if !found.is_sound() {
            let (broken, incomplete) = (found.damaged_records, found.incomplete_records);
            let (damaged, broken) = (counted(damaged as u64, "damaged file"), counted(broken, "damaged record"));
            let incomplete = counted(incomplete, "record");
            terminal.line(&format!(
                "took out {damaged}, {broken}, {incomplete} without their files; what needs them runs again"
            ));
        }
        for name in found.foreign.iter().take(20) {
            terminal.line(&format!("not orca's, left alone: {}", sanitize_line(name)));
        }
    }
    Ok(if found.is_sound() { Exit::Good } else { Exit::World })
}

fn gc(store: &Store, args: &GcArgs, terminal: &Terminal) -> Result<Exit, CliError> {
    let done = store.gc(args.max_size.bytes(), args.grace).map_err(world)?;
    if args.json {
        let value = json!({
            "v": JSON_VERSION,
            "blobs": done.blobs,
            "records": done.records,
            "leftovers": done.leftovers,
            "spared": done.spared,
            "freed_size_bytes": done.freed_size_bytes,
            "remaining_size_bytes": done.remaining_size_bytes,
        });
        terminal.line(&value.to_string());
    } else {
        let (freed, remaining) = (format_size(done.freed_size_bytes), format_size(done.remaining_size_bytes));
        let (files, records) = (counted(done.blobs, "file"), counted(done.records, "record"));
        terminal.line(&format!("removed {files} and {records}, {freed}; {remaining} left"));
        if done.spared > 0 {
            let (files, grace) = (counted(done.spared, "file"), format_duration_ms(args.grace));
            terminal.line(&format!("{files} stayed: used within the last {grace} (`--grace`)"));
        }
    }
    Ok(Exit::Good)
}

fn world(error: StoreError) -> CliError {
    EngineError::from(error).into()
}
