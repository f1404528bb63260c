//! From a view and a size to rows: a pure function. It looks at what fits, and at the counts of the rest.

use super::text::{Row, Style};
use super::view::{Doing, Failed, Mode, STATES, State, View, place};
use crate::base::{counted, format_duration_ms};

/// The keys, as the last row and the help name them.
const KEYS: [(&str, &str, &str); 5] = [
    ("r", "rerun", "build what is not up to date"),
    ("f", "force", "build everything, whatever is up to date"),
    ("/", "filter", "show only tasks whose names hold a text; Escape shows all again"),
    ("?", "help", "this page; any key leaves it"),
    ("q", "quit", "stop watching, with exit code 0; Ctrl-C: with 130"),
];

impl View {
    /// The screen: no more rows than `height`, none wider than `width`.
    pub(super) fn rows(&self, height: usize, width: usize, now_ms: u64) -> Vec<Row> {
        let footer = usize::from(height > 1);
        let mut rows = Vec::new();
        rows.extend((height > 0).then(|| self.header()));
        let room = height.saturating_sub(1 + footer);
        if self.mode == Mode::Help {
            rows.extend(help().into_iter().take(room));
        } else {
            rows.extend(self.body(room, width, now_ms));
        }
        rows.resize(height.saturating_sub(footer), Row::new());
        rows.extend((footer > 0).then(|| self.footer()));
        rows.into_iter().map(|row| row.cut(width)).collect()
    }

    fn header(&self) -> Row {
        let (style, doing) = match self.doing {
            Doing::Starting => (Style::Dim, "starting".to_owned()),
            Doing::Settling => (Style::Cached, "files change".to_owned()),
            Doing::Invalid => (Style::Bad, "the plan is invalid".to_owned()),
            Doing::Untrusted => (Style::Bad, "powers are missing".to_owned()),
            Doing::Building => {
                let (done, all) = self.progress;
                (Style::Cached, format!("building {done}/{all}"))
            }
            Doing::Idle => match &self.ended {
                Some(ended) if ended.ok => (Style::Good, "all is good".to_owned()),
                Some(_) => (Style::Bad, "red".to_owned()),
                None => (Style::Dim, "waiting".to_owned()),
            },
        };
        Row::of(style, doing).and(Style::Bold, format!("  {}", self.plan)).and(Style::Dim, format!("  {}", self.place))
    }

    fn footer(&self) -> Row {
        match &self.mode {
            Mode::Typing(_) => Row::of(Style::Bold, format!("/{}", self.filter))
                .and(Style::Bar, " ")
                .and(Style::Dim, "  Enter keeps it, Escape does not"),
            _ => {
                let row = match self.filter.as_str() {
                    "" => Row::new(),
                    filter => Row::of(Style::Warn, format!("/{filter} ")),
                };
                let key = |row: Row, (key, word, _): &(&str, &str, &str)| {
                    row.and(Style::Bold, *key).and(Style::Dim, format!(" {word}  "))
                };
                KEYS.iter().fold(row, key)
            }
        }
    }

    /// Sections from top to bottom. Each gets what it needs where there is room; where there is not, the closing lines
    /// and what runs come first, then failures, then layers.
    fn body(&self, room: usize, width: usize, now_ms: u64) -> Vec<Row> {
        let closing = self.closing();
        let mut left = room;
        let mut grant = |wanted: usize, at_most: usize| {
            let granted = wanted.min(at_most).min(left);
            left -= granted;
            granted
        };
        let running = self.running.keys().filter(|name| self.lets_through(name.as_str())).count();
        let wrong = self.wrong_size();
        let upper = if self.filter.is_empty() { self.layers.len() } else { self.matching + 1 };
        let for_closing = grant(closing.len(), (room / 3).max(1));
        let mut for_running = grant(running, (room / 3).max(1));
        let mut for_wrong = grant(wrong, (room / 2).max(1));
        let for_upper = grant(upper, room);
        for_wrong += grant(wrong - for_wrong, room);
        for_running += grant(running - for_running, room);
        let mut rows = match self.filter.is_empty() {
            true => self.layer_rows(for_upper, width),
            false => self.match_rows(for_upper),
        };
        rows.extend(self.running_rows(for_running, running, now_ms));
        rows.extend(self.wrong_rows(for_wrong));
        rows.extend(closing.into_iter().take(for_closing));
        rows
    }

    fn layer_rows(&self, room: usize, width: usize) -> Vec<Row> {
        let is_done = |counts: &[usize; STATES.len()]| {
            let done = counts[place(State::Clean)] + counts[place(State::Ran)];
            done == counts.iter().sum::<usize>()
        };
        let all = self.layers.iter().enumerate();
        let (open, done): (Vec<_>, Vec<_>) = all.partition(|(_, counts)| !is_done(counts));
        let shown = listed(self.layers.len(), room);
        // Where not all fit, those that are done are the ones that say least.
        let mut chosen: Vec<_> = open.iter().chain(&done).take(shown).collect();
        chosen.sort_by_key(|(layer, _)| *layer);
        let mut rows: Vec<Row> = chosen.into_iter().map(|(layer, counts)| layer_row(*layer, counts, width)).collect();
        if shown < room {
            let hidden_open = open.len().saturating_sub(shown);
            let more = counted((self.layers.len() - shown) as u64, "more layer");
            let said = if hidden_open == 0 { format!("  {more}, all done") } else { format!("  {more}") };
            rows.push(Row::of(Style::Dim, said));
        }
        rows
    }

    fn match_rows(&self, room: usize) -> Vec<Row> {
        let mut rows: Vec<Row> =
            self.matches().take(room.saturating_sub(1)).map(|(name, state)| state_row(name.as_str(), state)).collect();
        if room > 0 {
            let of = match self.matching.saturating_sub(rows.len()) {
                0 => counted(self.matching as u64, "task"),
                more => format!("and {more} more"),
            };
            rows.push(Row::of(Style::Dim, format!("  {of} with `{}`", self.filter)));
        }
        rows
    }

    fn running_rows(&self, room: usize, all: usize, now_ms: u64) -> Vec<Row> {
        let mut tasks: Vec<_> = self.running.iter().filter(|(name, _)| self.lets_through(name.as_str())).collect();
        // What has run longest stands first, and does not move when something else ends.
        tasks.sort_by_key(|(_, running)| running.since_ms);
        let shown = listed(all, room);
        let row = |(name, running): (&crate::base::TaskName, &super::view::Running)| {
            let again = if running.attempt > 1 { format!(", attempt {}", running.attempt) } else { String::new() };
            let about =
                running.estimate_ms.map_or_else(String::new, |ms| format!(" of about {}", format_duration_ms(ms)));
            let seconds = now_ms.saturating_sub(running.since_ms) / 1000;
            Row::of(Style::Cached, "   run ")
                .and(Style::Plain, name.to_string())
                .and(Style::Dim, format!(" {seconds}s{about}{again}"))
        };
        let mut rows: Vec<Row> = tasks.into_iter().take(shown).map(row).collect();
        if shown < room {
            rows.push(Row::of(Style::Dim, format!("       and {} more", all - shown)));
        }
        rows
    }

    /// Rows that everything takes that is wrong.
    fn wrong_size(&self) -> usize {
        let failures = self.failures.iter().filter(|failed| self.lets_through(&failed.name));
        self.findings.len() + failures.map(|failed| 1 + failed.lines.len()).sum::<usize>() + self.notices.len()
    }

    fn wrong_rows(&self, room: usize) -> Vec<Row> {
        let findings = self.findings.iter().map(|line| Row::of(Style::Plain, line.clone()));
        let failures: Vec<&Failed> = self.failures.iter().filter(|failed| self.lets_through(&failed.name)).collect();
        // Where they do not all fit, each says as much as any other.
        let heads = room.saturating_sub(self.findings.len() + self.notices.len()).max(1);
        let lines_max = (heads / failures.len().max(1)).saturating_sub(1);
        let takes_all = self.wrong_size() <= room;
        let failed = failures.into_iter().flat_map(|failed| {
            let head = Row::of(Style::Bad, "FAILED ")
                .and(Style::Bold, failed.name.clone())
                .and(Style::Plain, format!(": {}", failed.message));
            let most = if takes_all { failed.lines.len() } else { lines_max };
            let lines = failed.lines.iter().take(most).map(|line| Row::of(Style::Dim, format!("       | {line}")));
            std::iter::once(head).chain(lines)
        });
        let notices = self.notices.iter().map(|(is_warning, message)| {
            let (style, word) = if *is_warning { (Style::Warn, "warning") } else { (Style::Dim, "note") };
            Row::of(style, word).and(Style::Plain, format!(": {message}"))
        });
        findings.chain(failed).chain(notices).take(room).collect()
    }

    fn closing(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        if let Some(ended) = &self.ended {
            let style = if ended.ok { Style::Good } else { Style::Bad };
            let at = (self.clock)(ended.at_ms);
            rows.push(Row::of(style, ended.said.clone()).and(Style::Dim, format!(", at {at}")));
        }
        if let Some(changed_ms) = self.changed_ms {
            rows.push(Row::of(Style::Dim, format!("last change at {}", (self.clock)(changed_ms))));
        }
        rows
    }
}

/// How many of so many things are shown in a room, so that a row is left that says how many are not. In a single row the
/// first of them says more.
fn listed(all: usize, room: usize) -> usize {
    if all <= room || room == 1 { room } else { room.saturating_sub(1) }
}

fn layer_row(layer: usize, counts: &[usize; STATES.len()], width: usize) -> Row {
    let all: usize = counts.iter().sum();
    let done = counts[place(State::Clean)] + counts[place(State::Ran)];
    let mut row = Row::of(Style::Dim, format!("layer {layer:<3} "));
    let bar = (width / 4).min(24);
    if bar >= 8 {
        let full = (bar * done).checked_div(all).unwrap_or(bar);
        let style = if counts[place(State::Failed)] > 0 { Style::Bad } else { Style::Good };
        row = row.and(style, "█".repeat(full)).and(Style::Dim, "░".repeat(bar - full)).and(Style::Plain, " ");
    }
    row = row.and(Style::Plain, format!("{done}/{all}"));
    for ((state, word), count) in STATES.iter().zip(counts).filter(|(_, count)| **count > 0) {
        if !matches!(state, State::Clean) {
            row = row.and(style(*state), format!("  {count} {word}"));
        }
    }
    row
}

fn state_row(name: &str, state: State) -> Row {
    let word = STATES[place(state)].1;
    Row::of(style(state), format!("{word:>8} ")).and(Style::Plain, name)
}

fn style(state: State) -> Style {
    match state {
        State::Waiting => Style::Dim,
        State::Running | State::Clean => Style::Cached,
        State::Ran => Style::Good,
        State::Held | State::Skipped => Style::Warn,
        State::Failed => Style::Bad,
    }
}

fn help() -> Vec<Row> {
    let row =
        |(key, _, means): &(&str, &str, &str)| Row::of(Style::Bold, format!("  {key}  ")).and(Style::Plain, *means);
    KEYS.iter().map(row).collect()
}
