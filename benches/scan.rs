//! How fast results are searched: 10,000 files, about 100 MB of made-up source text, through the checks that read every
//! byte, on one thread and on four, and beside what else searches text for many patterns at once.
//!
//! `cargo bench --bench scan` prints medians of interleaved rounds. The peers: ripgrep where it is on PATH (or `RIPGREP`
//! names it), with every keyword of the check as a fixed string, and with the patterns of its tokens; the automaton and
//! the regular expressions that ripgrep is made of, in this process; gitleaks where it is on PATH. A peer that is not there is named.
//! `cargo bench --bench scan -- PATH...` searches directories instead, and prints what was found.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark reads files, measures time and prints it"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use orca::base::{RelPath, Tree};
use orca::gates::{ChangedFile, CheckContext, Content, Judged, Options, Protected, check};
use orca::plan::{Check, Level};
use rayon::prelude::*;

const FILES: usize = 10_000;
const ROUNDS: usize = 5;
const THREADS: [usize; 2] = [1, 4];

fn main() {
    let paths: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    if paths.is_empty() {
        measure();
    } else {
        search(&paths);
    }
}

/// A directory with files, and the same in memory.
struct Corpus {
    root: PathBuf,
    files: Vec<(RelPath, Arc<[u8]>)>,
    size_bytes: u64,
}

impl Corpus {
    fn generated() -> Self {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("scan");
        let _ = fs::remove_dir_all(&root);
        let mut writer = Writer::new();
        for file in 0..FILES {
            let (path, text) = writer.file(file);
            let path = root.join(path);
            fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
            fs::write(path, text).expect("a file");
        }
        Self::read(root)
    }

    fn read(root: PathBuf) -> Self {
        let mut paths = Vec::new();
        walk(&root, &mut paths);
        paths.sort();
        let file = |path: &PathBuf| {
            let name = path.strip_prefix(&root).ok()?.to_str()?;
            Some((RelPath::new(name).ok()?, fs::read(path).ok()?.into()))
        };
        let files: Vec<(RelPath, Arc<[u8]>)> = paths.iter().filter_map(file).collect();
        let size_bytes = files.iter().map(|(_, bytes)| bytes.len() as u64).sum();
        Self { root, files, size_bytes }
    }

    /// What the check finds, by rule.
    fn judge(&self, which: Check, with_reading: bool) -> BTreeMap<String, usize> {
        let base = Tree::new();
        let change = |(path, bytes): &(RelPath, Arc<[u8]>)| {
            let bytes = if with_reading {
                fs::read(self.root.join(path.as_str())).expect("readable").into()
            } else {
                bytes.clone()
            };
            ChangedFile::new(path.clone(), Content::Absent, Content::File { bytes, executable: false })
        };
        let changed = self.files.par_iter().map(change).collect();
        let judged = Judged {
            task: None,
            base: &base,
            result: &base,
            changed,
            protected: &Protected::default(),
            read: &|_| None,
        };
        let options = BTreeMap::new();
        let context = CheckContext { options: Options::new(&options), level: Level::Standard, database: None };
        let mut found = BTreeMap::new();
        for finding in check(which, &judged, &context).into_iter().flat_map(|part| part.findings) {
            *found.entry(finding.rule).or_default() += 1;
        }
        found
    }
}

fn walk(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && entry.file_name() != ".git" => walk(&entry.path(), files),
            Ok(kind) if kind.is_file() => files.push(entry.path()),
            _ => {}
        }
    }
}

/// Prints what is found in directories.
fn search(paths: &[String]) {
    for path in paths {
        let corpus = Corpus::read(PathBuf::from(path));
        let base = Tree::new();
        let change = |(path, bytes): &(RelPath, Arc<[u8]>)| {
            let after = Content::File { bytes: bytes.clone(), executable: false };
            ChangedFile::new(path.clone(), Content::Absent, after)
        };
        let changed = corpus.files.iter().map(change).collect();
        let judged = Judged {
            task: None,
            base: &base,
            result: &base,
            changed,
            protected: &Protected::default(),
            read: &|_| None,
        };
        let options = BTreeMap::new();
        let context = CheckContext { options: Options::new(&options), level: Level::Standard, database: None };
        let parts = check(Check::Secrets, &judged, &context);
        for finding in parts.iter().flat_map(|part| &part.findings) {
            let place = finding.place().unwrap_or_default();
            let excerpt = finding.excerpt.as_ref().map_or("", |excerpt| {
                let line = finding.line.unwrap_or(0).saturating_sub(excerpt.first_line) as usize;
                excerpt.text.lines().nth(line).unwrap_or_default().trim()
            });
            println!("{:?} {} {place}: {excerpt}", finding.severity, finding.rule);
        }
        let count: usize = parts.iter().map(|part| part.findings.len()).sum();
        println!("{path}: {count} findings in {} files of {} bytes", corpus.files.len(), corpus.size_bytes);
    }
}

/// Something that is measured: its name, and one run of it.
type Run<'r> = (String, Box<dyn Fn() -> Cost + 'r>);

/// What a run took: time, and time of all threads, which a busy machine disturbs less.
#[derive(Clone, Copy)]
struct Cost {
    wall: Duration,
    cpu: Duration,
}

impl Cost {
    fn of(who: UsageWho, work: impl FnOnce()) -> Self {
        let (start, before) = (Instant::now(), cpu(who));
        work();
        Self { wall: start.elapsed(), cpu: cpu(who).saturating_sub(before) }
    }
}

fn cpu(who: UsageWho) -> Duration {
    let usage = getrusage(who).expect("the times of this process are there");
    let micros = |time: nix::sys::time::TimeVal| u64::try_from(time.num_microseconds()).unwrap_or(0);
    Duration::from_micros(micros(usage.user_time()) + micros(usage.system_time()))
}

fn measure() {
    let corpus = Corpus::generated();
    let megabytes = corpus.size_bytes as f64 / 1e6;
    println!("{} files, {megabytes:.1} MB, medians of {ROUNDS} interleaved rounds", corpus.files.len());
    let found = corpus.judge(Check::Secrets, false);
    println!("secrets finds {found:?} in it; 100 tokens are planted");
    let pools = THREADS.map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        (threads, pool)
    });
    let (keywords, patterns) = needles();
    let automaton = aho_corasick::AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .kind(Some(aho_corasick::AhoCorasickKind::DFA))
        .build(&keywords)
        .expect("an automaton");
    let regex = regex::bytes::RegexBuilder::new(&patterns.join("|"))
        .unicode(false)
        .size_limit(1 << 28)
        .dfa_size_limit(1 << 26)
        .build()
        .expect("one regular expression of all patterns");
    let mut runs: Vec<Run<'_>> = Vec::new();
    let corpus = &corpus;
    for (threads, pool) in &pools {
        for (which, name) in [(Check::Secrets, "secrets"), (Check::Security, "security (secrets + patterns)")] {
            runs.push((format!("{name}, {threads} threads"), timed(pool, move || corpus.judge(which, false))));
        }
        runs.push((
            format!("secrets, with reading the files, {threads} threads"),
            timed(pool, || corpus.judge(Check::Secrets, true)),
        ));
    }
    for (threads, pool) in &pools {
        let count = || corpus.files.par_iter().map(|(_, bytes)| automaton.find_iter(&bytes[..]).count()).sum::<usize>();
        runs.push((format!("aho-corasick, {} keywords, {threads} threads", keywords.len()), timed(pool, count)));
        let count = || corpus.files.par_iter().map(|(_, bytes)| regex.find_iter(bytes).count()).sum::<usize>();
        runs.push((format!("regex, {} patterns, {threads} threads", patterns.len()), timed(pool, count)));
    }
    peers(corpus, &keywords, &patterns, &mut runs);
    report(megabytes, &runs);
}

fn timed<'r, T: Send>(pool: &'r rayon::ThreadPool, work: impl Fn() -> T + Sync + 'r) -> Box<dyn Fn() -> Cost + 'r> {
    Box::new(move || {
        Cost::of(UsageWho::RUSAGE_SELF, || {
            std::hint::black_box(pool.install(&work));
        })
    })
}

/// All keywords of the check, and the patterns of those of its rules that stand for themselves.
fn needles() -> (Vec<String>, Vec<String>) {
    let rules: Vec<orca::gates::SecretRule> = orca::gates::secret_rules().collect();
    let mut keywords: Vec<String> = rules.iter().flat_map(|rule| rule.keywords.clone()).collect();
    keywords.sort();
    keywords.dedup();
    // Those that go over the end of a line are not for a search by lines.
    let patterns = rules
        .into_iter()
        .filter_map(|rule| rule.pattern)
        .filter(|pattern| !pattern.contains(r"\n") && !pattern.contains(r"\s"));
    let patterns = patterns.map(|pattern| format!("(?:{pattern})")).collect();
    (keywords, patterns)
}

fn peers<'r>(corpus: &'r Corpus, keywords: &[String], patterns: &[String], runs: &mut Vec<Run<'r>>) {
    let named = std::env::var("RIPGREP").ok().map(PathBuf::from);
    let found = named.or_else(|| ["rg", "ripgrep"].into_iter().map(PathBuf::from).find(|program| starts(program)));
    match found {
        None => println!("ripgrep is not there: skipped"),
        Some(program) => {
            let lists = [("keywords", keywords, true), ("patterns", patterns, false)];
            for ((name, list, is_fixed), threads) in
                lists.into_iter().flat_map(|list| THREADS.map(|threads| (list, threads)))
            {
                let file = corpus.root.with_extension(name);
                fs::write(&file, list.join("\n")).expect("a file");
                let mut command = Command::new(&program);
                command.args(["--no-config", "-uuu", "-c", "--regex-size-limit", "1G", "--dfa-size-limit", "1G"]);
                command.args(if is_fixed { ["-F", "-i"] } else { ["--no-unicode", "--case-sensitive"] });
                command.arg("-j").arg(threads.to_string()).arg("-f").arg(file).arg(&corpus.root);
                runs.push((format!("ripgrep, {} {name}, {threads} threads", list.len()), process(command, &[0, 1])));
            }
        }
    }
    if starts(Path::new("gitleaks")) {
        for threads in THREADS {
            let mut command = Command::new("gitleaks");
            command.args(["dir", "--exit-code", "0", "--no-banner"]).arg(&corpus.root);
            command.env("GOMAXPROCS", threads.to_string());
            runs.push((format!("gitleaks, {threads} threads"), process(command, &[0])));
        }
    } else {
        println!("gitleaks is not there: skipped");
    }
}

fn starts(program: &Path) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

fn process<'r>(mut command: Command, codes: &'r [i32]) -> Box<dyn Fn() -> Cost + 'r> {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let command = std::cell::RefCell::new(command);
    Box::new(move || {
        Cost::of(UsageWho::RUSAGE_CHILDREN, || {
            let status = command.borrow_mut().status().expect("the peer starts");
            assert!(status.code().is_some_and(|code| codes.contains(&code)), "the peer ends well: {status}");
        })
    })
}

fn report(megabytes: f64, runs: &[Run<'_>]) {
    let mut costs: Vec<Vec<Cost>> = vec![Vec::new(); runs.len()];
    for _ in 0..ROUNDS {
        for ((_, run), costs) in runs.iter().zip(&mut costs) {
            costs.push(run());
        }
    }
    let middle = |costs: &[Cost], of: fn(&Cost) -> Duration| {
        let mut times: Vec<Duration> = costs.iter().map(of).collect();
        times.sort();
        times[times.len() / 2].as_secs_f64()
    };
    let medians: BTreeMap<&str, (f64, f64)> = runs
        .iter()
        .zip(&costs)
        .map(|((name, _), costs)| (name.as_str(), (middle(costs, |cost| cost.wall), middle(costs, |cost| cost.cpu))))
        .collect();
    println!("| what | ms | MB/s | CPU ms |\n|---|---|---|---|");
    for (name, _) in runs {
        let (wall, cpu) = medians[name.as_str()];
        println!("| {name} | {:.0} | {:.0} | {:.0} |", wall * 1e3, megabytes / wall, cpu * 1e3);
    }
    println!("| 4 threads beside 1 | times as fast | CPU time |\n|---|---|---|");
    for (name, _) in runs {
        let Some(what) = name.strip_suffix(", 1 threads") else { continue };
        let (one, four) = (medians[name.as_str()], medians[format!("{what}, 4 threads").as_str()]);
        println!("| {what} | {:.2} | {:.2} |", one.0 / four.0, four.1 / one.1);
    }
}

/// Writes source text that looks like that of a project: this one's own, and made-up modules in other languages.
struct Writer {
    state: u64,
    rust: Vec<String>,
    prose: Vec<String>,
}

/// Words that names are made of, about as often as in real code.
const WORDS: &str = "user order item price total count index value name path file line node edge tree graph state event \
    handler request response client server session cache store entry record table column field query result error \
    message header body status code type kind list queue task worker thread lock buffer stream reader writer parser \
    token key config option default timeout retry limit offset page size width height color style layout view model \
    account invoice payment customer product category address country city phone email password login auth role \
    permission group team project branch commit version release build test check report metric log trace debug";

impl Writer {
    fn new() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let paragraphs = |directory: &str| {
            let mut paths = Vec::new();
            walk(&root.join(directory), &mut paths);
            paths.sort();
            let texts = paths.iter().filter_map(|path| fs::read_to_string(path).ok());
            let split = |text: String| text.split("\n\n").map(|part| format!("{part}\n\n")).collect::<Vec<_>>();
            texts.flat_map(split).collect::<Vec<_>>()
        };
        Self { state: 0x9E37_79B9_7F4A_7C15, rust: paragraphs("src"), prose: paragraphs("docs") }
    }

    fn next(&mut self, below: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        usize::try_from(self.state >> 33).expect("31 bits") % below
    }

    fn word(&mut self) -> &'static str {
        let words: Vec<&str> = WORDS.split_whitespace().collect();
        words[self.next(words.len())]
    }

    fn random(&mut self, alphabet: &[u8], count: usize) -> String {
        (0..count).map(|_| char::from(alphabet[self.next(alphabet.len())])).collect()
    }

    fn file(&mut self, index: usize) -> (String, String) {
        let size_bytes = 2_000 + self.next(16_000);
        let kind = ["rs", "md", "py", "ts", "go", "java", "json", "yaml"][index % 8];
        let mut text = String::with_capacity(size_bytes + 4_000);
        while text.len() < size_bytes {
            self.piece(kind, &mut text);
        }
        if index.is_multiple_of(100) {
            let token = self.random(b"abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789", 36);
            let _ = writeln!(text, "\n# {}{token}", ["gh", "p_"].concat());
        }
        (format!("{}/{}/{}_{index}.{kind}", self.word(), self.word(), self.word()), text)
    }

    fn piece(&mut self, kind: &str, out: &mut String) {
        let [a, b, c, d, e] = std::array::from_fn(|_| self.word());
        let (n, m) = (self.next(1000), self.next(60));
        let _ = match kind {
            "rs" => {
                let at = self.next(self.rust.len());
                out.push_str(&self.rust[at]);
                Ok(())
            }
            "md" => {
                let at = self.next(self.prose.len());
                out.push_str(&self.prose[at]);
                Ok(())
            }
            "py" => write!(
                out,
                "def {a}_{b}({c}: str, {d}: int = {n}) -> dict:\n    \"\"\"Returns the {b} of a {c}, at most {n} of them.\"\"\"\n    \
                 {e} = {{}}\n    for index, entry in enumerate({c}.split(\",\")):\n        if entry.startswith(\"{d}\") and index < {m}:\n            \
                 {e}[entry] = self.{a}.get(entry, {d})\n        else:\n            raise ValueError(f\"no {a} for {{entry}} in {{index}}\")\n    \
                 return {e}\n\n\n"
            ),
            "ts" => write!(
                out,
                "export interface {a}{n} {{ {b}: string; {c}?: number; {d}: Array<{e}{m}>; }}\n\nexport async function {b}{n}({c}: string) {{\n  \
                 const {d} = await fetch(`/api/v1/{a}/${{{c}}}?limit={m}`, {{ headers: {{ 'Content-Type': 'application/json' }} }});\n  \
                 if (!{d}.ok) {{\n    console.error('{a} failed', {d}.status);\n    return null;\n  }}\n  return ({d}.json() as unknown) as {a}{n};\n}}\n\n"
            ),
            "go" => write!(
                out,
                "// {a}{n} keeps the {b} of every {c}.\nfunc (s *{d}Store) {a}{n}(ctx context.Context, {c} string) (*{b}, error) {{\n\t\
                 rows, err := s.db.QueryContext(ctx, \"SELECT id, {d} FROM {a} WHERE {c} = $1 LIMIT {m}\", {c})\n\tif err != nil {{\n\t\t\
                 return nil, fmt.Errorf(\"{a} of {c}: %w\", err)\n\t}}\n\tdefer rows.Close()\n\treturn s.scan{e}(rows)\n}}\n\n"
            ),
            "java" => write!(
                out,
                "    /** The {a} of a {b}, {n} at most. */\n    public List<{c}> {a}{n}(final {b} {d}, int {e}) throws IOException {{\n        \
                 Map<String, {c}> found = new HashMap<>({m});\n        for (Entry<String, {c}> entry : {d}.entries()) {{\n            \
                 if (entry.getKey().equals(\"{e}.{a}\")) {{\n                found.put(entry.getKey(), entry.getValue());\n            }}\n        }}\n        \
                 return new ArrayList<>(found.values());\n    }}\n\n"
            ),
            "json" => {
                let checksum = self.random(b"0123456789abcdef", 64);
                write!(
                    out,
                    "  {{\n    \"name\": \"{a}-{b}\",\n    \"version\": \"{m}.{n}.0\",\n    \"url\": \"https://registry.example.org/{a}/{b}-{n}.tgz\",\n    \
                     \"checksum\": \"{checksum}\",\n    \"{c}\": [{n}, {m}, {n}{m}],\n    \"{d}\": \"{e}\"\n  }},\n"
                )
            }
            _ => write!(
                out,
                "  - name: {a}-{b}\n    image: registry.example.org/{c}/{d}:{m}.{n}\n    env:\n      {b}_URL: http://{a}:{n}/{c}\n      \
                 {d}_token: ${{{a}_TOKEN}}\n    ports: [{n}, {m}]\n    # keeps the {e} of a {c}\n"
            ),
        };
    }
}
