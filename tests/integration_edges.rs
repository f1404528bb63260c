//! Integration where it is easily wrong: red tasks, builds of a part, odd names and modes, files that become directories,
//! outputs that are edited, many files, and disks that are full or cannot be written.

#![expect(clippy::disallowed_methods, reason = "looks at modes and links, and at the clock")]

mod support;

use std::fs;
use std::process::{Command, Stdio};

use support::hands::{TEN, attempts, edits, edits_with, plan, without_sandbox};
use support::{Project, mounts_work};

fn project(tasks: &[String]) -> Project {
    let mut project = Project::new(&plan(&tasks.concat()));
    without_sandbox(&mut project);
    project.write("a.txt", TEN);
    project
}

fn put(project: &Project, tasks: &[String]) {
    project.write("orca.toml", plan(&tasks.concat()));
}

// Red tasks, and tasks that are not part of the build.

fn second_to(word: &str) -> String {
    edits("one", "'a.txt'", &format!("sed -i s/^2$/{word}/ a.txt"))
}

fn ninth_to(word: &str) -> String {
    edits("two", "'a.txt'", &format!("sed -i s/^9$/{word}/ a.txt"))
}

#[test]
fn what_a_red_task_did_before_gives_way_where_it_does_not_fit_any_more() {
    let orca = project(&[second_to("two"), ninth_to("nine")]);
    orca.build();
    put(&orca, &[edits("one", "'a.txt'", "exit 1"), edits("two", "'a.txt'", "sed -i s/^2$/zwei/ a.txt")]);
    let built = orca.build_args(["-k"]).red();
    built.failed(["one"]).ran(["two"]);
    assert!(built.output.stdout.contains("does not fit any more"), "{}", built.output.transcript());
    assert_eq!(orca.read("a.txt"), TEN.replace("2\n", "zwei\n"));
    let again = orca.build_args(["-k"]).red();
    again.failed(["one"]).cached(["two"]);
    // Green again, the earlier one is there first, and the later one is made on top of it.
    put(&orca, &[second_to("two"), edits("two", "'a.txt'", "sed -i 's/^\\(2\\|two\\)$/zwei/' a.txt")]);
    orca.build();
    assert_eq!(orca.read("a.txt"), TEN.replace("2\n", "zwei\n"));
    orca.build().ran([]);
}

#[test]
fn what_gave_way_comes_back_whole() {
    let one =
        |word: &str| edits("one", "'a.txt', 'b.txt'", &format!("sed -i s/^2$/two/ a.txt\nsed -i s/^2$/{word}/ b.txt"));
    let two = |line: &str| edits("two", "'a.txt'", &format!("sed -i 's/{line}/& by two/' a.txt"));
    let orca = project(&[one("two"), two("^9$")]);
    orca.write("b.txt", TEN);
    orca.build();
    // Its new result clashes with a person's edit, so it is red without having a new record.
    orca.replace("b.txt", "two\n", "two of mine\n");
    put(&orca, &[one("zwei"), two("^\\(2\\|two\\)$")]);
    orca.build_args(["-k"]).red().failed(["one"]).ran(["two"]);
    assert_eq!(orca.read("a.txt"), TEN.replace("2\n", "2 by two\n"));
    // What it was before is on record no more, but in the cache.
    put(&orca, &[one("two"), two("^\\(2\\|two\\)$")]);
    orca.build().cached(["one"]).ran(["two"]);
    assert_eq!(orca.read("a.txt"), TEN.replace("2\n", "two by two\n"));
    assert_eq!(orca.read("b.txt"), TEN.replace("2\n", "two of mine\n"));
    orca.build().ran([]);
}

#[test]
fn what_a_red_task_did_before_stays_where_it_fits() {
    let orca = project(&[second_to("two"), ninth_to("nine")]);
    orca.build();
    put(&orca, &[edits("one", "'a.txt'", "exit 1"), ninth_to("neun")]);
    orca.build_args(["-k"]).red().failed(["one"]).ran(["two"]);
    assert_eq!(orca.read("a.txt"), TEN.replace("2\n", "two\n").replace("9\n", "neun\n"));
}

#[test]
fn an_accepted_change_is_placed_although_a_later_task_is_red() {
    for jobs in ["1", "8"] {
        let orca = project(&[second_to("two"), ninth_to("nine")]);
        orca.build();
        put(&orca, &[second_to("zwei"), edits("two", "'a.txt'", "sleep 0.3\nexit 1")]);
        orca.build_args(["-k", "-j", jobs]).red().ran(["one"]).failed(["two"]);
        let expected = TEN.replace("2\n", "zwei\n").replace("9\n", "nine\n");
        assert_eq!(orca.read("a.txt"), expected, "-j{jobs}");
        orca.build_args(["-k", "-j", jobs]).red().cached(["one"]).failed(["two"]);
        assert_eq!(orca.read("a.txt"), expected, "-j{jobs}");
        // What does not fit any more with the new change goes with its red task.
        put(
            &orca,
            &[edits("one", "'a.txt'", "sed -i s/^9$/neun/ a.txt"), edits("two", "'a.txt'", "sleep 0.3\nexit 1")],
        );
        orca.build_args(["-k", "-j", jobs]).red().ran(["one"]).failed(["two"]);
        assert_eq!(orca.read("a.txt"), TEN.replace("9\n", "neun\n"), "-j{jobs}");
    }
}

#[test]
fn a_clash_with_a_task_that_is_not_built_is_red_and_says_what_to_build() {
    let orca = project(&[second_to("two"), ninth_to("nine")]);
    orca.build();
    put(&orca, &[second_to("two"), edits("two", "'a.txt'", "sed -i 's/^\\(2\\|two\\)$/& or zwei/' a.txt")]);
    let built = orca.build_args(["two"]).red();
    built.failed(["two"]);
    let said = built.failure("two").details.join("\n");
    assert!(said.contains("orca build one two"), "{said}");
    assert_eq!(orca.read("a.txt"), TEN.replace("2\n", "two\n").replace("9\n", "nine\n"));
    orca.build().ran(["two"]);
    assert_eq!(orca.read("a.txt"), TEN.replace("2\n", "two or zwei\n"));
}

// Files and directories that change places.

#[test]
fn a_file_becomes_a_directory_and_a_directory_a_file() {
    let orca = project(&[edits("one", "'a.txt', 'a.txt/**'", "rm a.txt\nmkdir a.txt\necho x > a.txt/x")]);
    orca.build().ran(["one"]);
    assert_eq!(orca.read("a.txt/x"), "x\n");
    orca.build().ran([]);
    let orca = project(&[edits("one", "'d', 'd/**'", "rm -r d\necho file > d")]);
    orca.write("d/x", "x\n").write("d/e/y", "y\n");
    orca.build().ran(["one"]);
    assert_eq!(orca.read("d"), "file\n");
    orca.build().ran([]);
}

#[test]
fn a_file_in_whose_place_an_empty_directory_is_left_is_gone() {
    let orca = project(&[edits("one", "'a.txt', 'a.txt/**'", "rm a.txt\nmkdir a.txt")]);
    orca.build().ran(["one"]);
    assert!(!orca.exists("a.txt"));
    orca.build().ran([]);
    let outside = project(&[edits("one", "'b.txt'", "rm a.txt\nmkdir a.txt\ntouch b.txt")]);
    outside.write("b.txt", "");
    let inputs = edits_with("one", "'b.txt'", "rm a.txt\nmkdir a.txt\necho b > b.txt", "inputs = ['a.txt']");
    put(&outside, &[inputs]);
    outside.build_red().failed(["one"]);
    let _ = attempts;
}

// Names, modes, sizes and kinds.

/// What a file holds, and its mode.
fn with_mode(orca: &Project, name: &str) -> (Vec<u8>, u32) {
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(orca.path(name)).expect("it is there").permissions());
    (fs::read(orca.path(name)).expect("it can be read"), mode & 0o777)
}

#[test]
fn odd_names_are_names() {
    let long = "l".repeat(200);
    let names =
        ["a b.txt", "new\nline.txt", "ünï-文字.txt", "-rf", "quo'te\".txt", "back\\slash", "{brace}*?[", long.as_str()];
    let two =
        "find n -type f -exec sed -i s/^2$/two/ {} +\nfor f in n/*; do cp \"$f\" \"$f.new\"; done\nrm -- 'n/a b.txt'";
    let nine = "find n -type f ! -name '*.new' -exec sed -i s/^9$/nine/ {} +";
    let orca = project(&[edits("one", "'n/**'", two), edits("two", "'n/**'", nine)]);
    for name in names {
        orca.write(&format!("n/{name}"), TEN);
    }
    // The later one edits what the earlier one deletes.
    orca.build().ran(["one", "two"]);
    for name in &names[1..] {
        assert_eq!(orca.read(&format!("n/{name}")), TEN.replace("2\n", "two\n").replace("9\n", "nine\n"), "{name:?}");
        assert_eq!(orca.read(&format!("n/{name}.new")), TEN.replace("2\n", "two\n"), "{name:?}");
    }
    assert!(!orca.exists("n/a b.txt"));
    orca.build().ran([]);
}

#[test]
fn modes_stay_but_for_the_executable_bit() {
    let orca = project(&[edits(
        "one",
        "'d/*', 'x/*'",
        "for f in d/*; do cp $f $TMPDIR/f; sed s/^2$/two/ $TMPDIR/f > $TMPDIR/g; rm -f $f; cp $TMPDIR/g $f; done\nchmod +x d/x640\nchmod -x d/y755",
    )]);
    for (name, mode) in [("r444", 0o444), ("p600", 0o600), ("g640", 0o640), ("x640", 0o640), ("y755", 0o755)] {
        orca.write(&format!("d/{name}"), TEN).chmod(&format!("d/{name}"), mode);
    }
    orca.write("x/empty", "");
    orca.build().ran(["one"]);
    let two = TEN.replace("2\n", "two\n").into_bytes();
    for (name, mode) in [("r444", 0o444), ("p600", 0o600), ("g640", 0o640), ("x640", 0o750), ("y755", 0o644)] {
        assert_eq!(with_mode(&orca, &format!("d/{name}")), (two.clone(), mode), "{name}");
    }
    orca.build().ran([]);
}

#[test]
fn an_edit_that_changes_nothing_changes_nothing() {
    let orca = project(&[edits("one", "'*.txt'", "cp a.txt b; cat b > a.txt; touch a.txt; rm b")]);
    let before = with_mode(&orca, "a.txt");
    orca.build().ran(["one"]);
    assert_eq!(with_mode(&orca, "a.txt"), before);
    orca.build().ran([]);
}

#[test]
fn empty_files_and_links_are_edited() {
    let orca = project(&[
        edits(
            "one",
            "'e.txt', 'f.txt', 'link', 'to-file'",
            "echo full > e.txt\n: > f.txt\nrm link to-file\nln -s elsewhere link\necho file > to-file",
        ),
        edits("two", "'f.txt', 'new/*'", "mkdir new\n: > new/empty\nln -s ../a.txt new/link"),
    ]);
    orca.write("e.txt", "").write("f.txt", "full\n").symlink("a.txt", "link").symlink("a.txt", "to-file");
    orca.build().ran(["one", "two"]);
    assert_eq!(
        (orca.read("e.txt"), orca.read("f.txt"), orca.read("to-file")),
        ("full\n".into(), String::new(), "file\n".into())
    );
    assert_eq!(fs::read_link(orca.path("link")).expect("a link").to_string_lossy(), "elsewhere");
    assert_eq!(fs::read_link(orca.path("new/link")).expect("a link").to_string_lossy(), "../a.txt");
    assert_eq!((orca.read("new/empty"), orca.read("a.txt")), (String::new(), TEN.to_owned()));
    orca.build().ran([]);
}

#[test]
fn a_file_of_twenty_megabytes_is_edited_and_merged_or_made_on_top() {
    let orca = project(&[
        edits("one", "'big.txt'", "sed -i '2s/.*/two/' big.txt"),
        edits("two", "'big.txt'", "sed -i '$s/.*/end/' big.txt"),
    ]);
    let line = "a line of forty bytes, with its newline\n";
    orca.write("big.txt", line.repeat((20 << 20) / line.len()));
    orca.build().ran(["one", "two"]);
    let big = orca.read("big.txt");
    assert_eq!(big.lines().nth(1), Some("two"));
    assert_eq!(big.lines().last(), Some("end"));
    assert_eq!(big.lines().count(), (20 << 20) / line.len());
    orca.build().ran([]);
}

#[test]
fn two_thousand_files_in_one_task_are_placed_in_a_moment() {
    let orca = project(&[
        edits("one", "'m/*'", "for f in m/*; do echo one >> $f; done"),
        edits("two", "'m/*'", "for f in m/*; do sed -i s/^2$/two/ $f; done"),
    ]);
    for number in 0..2000 {
        orca.write(&format!("m/{number}"), format!("{TEN}n{number}\n11\n12\n"));
    }
    let since = std::time::Instant::now();
    orca.build().ran(["one", "two"]);
    let took = since.elapsed();
    for number in 0..2000 {
        let expected = format!("{}n{number}\n11\n12\none\n", TEN.replace("\n2\n", "\ntwo\n"));
        assert_eq!(orca.read(&format!("m/{number}")), expected);
    }
    orca.build().ran([]);
    assert!(took.as_secs() < 60, "{took:?} for two thousand files");
}

// Outputs, keys, commands.

#[test]
fn what_another_task_makes_is_edited_anew_when_it_is_made_anew() {
    let makes = |first: &str| {
        format!("[tasks.a]\nrun = 'for i in {first} 2 3 4 5 6; do echo $i; done > x'\noutputs = ['x']\n\n")
    };
    let b = edits_with("b", "'x'", "echo end >> x", "deps = ['a']");
    let reads = "[tasks.c]\nrun = 'wc -l < x > y; head -1 x >> y'\ndeps = ['b']\ninputs = ['x']\noutputs = ['y']\n\n"
        .to_owned();
    let orca = project(&[makes("1"), b.clone(), reads.clone()]);
    orca.build().ran(["a", "b", "c"]);
    assert_eq!((orca.read("x"), orca.read("y")), ("1\n2\n3\n4\n5\n6\nend\n".into(), "7\n1\n".into()));
    orca.build().ran([]);
    put(&orca, &[makes("one"), b.clone(), reads.clone()]);
    orca.build().ran(["a", "b", "c"]);
    assert_eq!((orca.read("x"), orca.read("y")), ("one\n2\n3\n4\n5\n6\nend\n".into(), "7\none\n".into()));
    orca.build().ran([]);
    // A person's edit of it is drift as anywhere else.
    orca.replace("x", "4\n", "four\n");
    orca.build().ran([]);
    put(&orca, &[makes("uno"), b, reads.replace("'b'", "'a'")]);
    orca.build().ran(["a", "b", "c"]);
    assert_eq!(orca.read("x"), "uno\n2\n3\nfour\n5\n6\nend\n");
    // Who leaves takes nothing along; but what a command makes is the command's.
    put(&orca, &[makes("uno")]);
    orca.build().ran([]);
    assert_eq!(orca.read("x"), "uno\n2\n3\n4\n5\n6\n");
    orca.build().ran([]);
}

#[test]
fn two_tasks_of_the_same_key_edit_once() {
    let same = |name: &str| edits(name, "'a.txt'", "echo more >> a.txt");
    for jobs in ["1", "8"] {
        let orca = project(&[same("one"), same("two"), same("three")]);
        let built = orca.build_args(["-j", jobs]).green();
        let all: usize = ["one", "two", "three"].map(|name| attempts(&built, name)).iter().sum();
        assert_eq!(orca.read("a.txt"), format!("{TEN}more\n"));
        orca.build().ran([]);
        assert!(built.tasks_run().len() == 1 && all <= 3, "{}", built.output.transcript());
    }
}

#[test]
fn a_formatter_edits_what_agents_wrote() {
    let format =
        "[tasks.format]\nrun = \"sed -i 's/^ *//' *.c\"\nedits = ['*.c']\ndeps = ['one', 'two']\n\n".to_owned();
    let one = |word: &str| edits("one", "'*.c'", &format!("echo '   {word}' >> a.c"));
    let two = edits("two", "'*.c'", "echo '   int b;' > b.c");
    let orca = project(&[one("int a;"), two.clone(), format.clone()]);
    orca.write("a.c", "  int z;\n");
    orca.build().ran(["one", "two", "format"]);
    assert_eq!((orca.read("a.c"), orca.read("b.c")), ("int z;\nint a;\n".into(), "int b;\n".into()));
    orca.build().ran([]);
    put(&orca, &[one("int aa;"), two, format]);
    orca.build().ran(["one", "format"]);
    assert_eq!((orca.read("a.c"), orca.read("b.c")), ("int z;\nint aa;\n".into(), "int b;\n".into()));
    orca.build().ran([]);
}

#[test]
fn a_matrix_edits_the_same_file() {
    let matrix =
        edits_with("m", "'a.txt'", "sed -i \"s/^{{ matrix.n }}$/& edited/\" a.txt", "matrix.n = ['2', '5', '8', '9']");
    for jobs in ["1", "8"] {
        let orca = project(std::slice::from_ref(&matrix));
        orca.build_args(["-j", jobs]).green();
        let mut expected = TEN.to_owned();
        for line in ["2", "5", "8", "9"] {
            expected = expected.replace(&format!("{line}\n"), &format!("{line} edited\n"));
        }
        assert_eq!(orca.read("a.txt"), expected);
        orca.build().ran([]);
    }
}

#[test]
fn a_forced_task_edits_the_base_and_not_its_own_work() {
    let orca =
        project(&[edits("one", "'a.txt'", "echo one >> a.txt"), edits("two", "'a.txt'", "sed -i s/^2$/two/ a.txt")]);
    orca.build();
    for _ in 0..2 {
        orca.build_args(["--force", "one"]).green().ran(["one"]);
        assert_eq!(orca.read("a.txt"), format!("{}one\n", TEN.replace("2\n", "two\n")));
        orca.build_args(["--force"]).green().ran(["one", "two"]);
        assert_eq!(orca.read("a.txt"), format!("{}one\n", TEN.replace("2\n", "two\n")));
    }
    // One that is different each time takes the place of what it was.
    put(&orca, &[edits("one", "'a.txt'", "date +%N >> a.txt")]);
    orca.build();
    let first = orca.read("a.txt");
    orca.build_args(["--force"]).green().ran(["one"]);
    assert_ne!(orca.read("a.txt"), first);
    assert_eq!(orca.read("a.txt").lines().count(), 11);
}

// Disks.

/// Runs a script in a namespace where it may mount, with orca as `$ORCA`, the project's directory as `$P`, and this
/// environment of a project. What it prints.
fn in_namespace(orca: &Project, script: &str) -> String {
    let plain = orca.command();
    let mut command = Command::new("unshare");
    command.args(["-Urm", "sh", "-euc", script]).current_dir("/").env_clear().stdin(Stdio::null());
    for (name, value) in plain.get_envs() {
        command.env(name, value.expect("nothing is unset"));
    }
    let output = command.env("ORCA", plain.get_program()).env("P", orca.root()).output().expect("unshare runs");
    let (out, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{told}");
    out.into_owned()
}

#[test]
fn a_disk_that_is_full_at_any_point_costs_nothing_but_the_build() {
    if !mounts_work("a_disk_that_is_full_at_any_point_costs_nothing_but_the_build") {
        return;
    }
    let orca = project(&[]);
    let agents = [
        edits("one", "'*.txt'", "sed -i 's/^1 .*/one/' big.txt\nrm gone.txt"),
        edits("two", "'*.txt'", "sed -i '$s/.*/end/' big.txt\nseq -f '%g new' 20000 > new.txt"),
    ];
    let text = plan(&agents.concat());
    orca.write("../plan.toml", &text);
    let script = r#"
        seq -f '%g old' 60000 > "$P/../base"
        sed 's/^1 .*/one/; $s/.*/end/' "$P/../base" > "$P/../both"
        sed 's/^1 .*/one/' "$P/../base" > "$P/../first"
        sed '$s/.*/end/' "$P/../base" > "$P/../second"
        is_whole() { for of in base first second both; do cmp -s big.txt "$P/../$of" && return; done; return 1; }
        seq -f '%g new' 20000 > "$P/../new"
        full=0
        for free in $(seq 600 250 6000); do
            mount -t tmpfs -o size=12m none "$P"
            cd "$P"
            cp ../plan.toml orca.toml
            cp "$P/../base" big.txt
            echo gone > gone.txt
            mkdir .orca
            rm -rf "$ORCA_CACHE_DIR"
            have=$(df -k --output=avail . | tail -1)
            dd if=/dev/zero of=filler bs=1k count=$((have - free)) 2>/dev/null
            if ! "$ORCA" build > "$P/../said" 2>&1; then
                full=$((full + 1))
                grep -qi 'space\|full' "$P/../said" || { echo "unclear with $free:"; cat "$P/../said"; }
            fi
            is_whole || echo "torn with $free"
            [ ! -e new.txt ] || cmp -s new.txt "$P/../new" || echo "torn new with $free"
            rm filler
            "$ORCA" build > "$P/../said" 2>&1 || { echo "red afterwards with $free:"; cat "$P/../said"; }
            cmp big.txt "$P/../both" || echo "wrong with $free"
            cmp new.txt "$P/../new" || echo "wrong new with $free"
            [ ! -e gone.txt ] || echo "not gone with $free"
            [ -z "$(ls .orca/exchange)" ] || echo "left with $free: $(ls .orca/exchange)"
            [ ! -e .orca/replaced ] || echo "replaced with $free"
            [ "$(ls)" = "$(printf 'big.txt\nnew.txt\norca.lock\norca.toml')" ] || echo "left with $free: $(ls)"
            cd /
            umount "$P"
        done
        echo "full: $full"
    "#;
    let said = in_namespace(&orca, script);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 1, "{said}");
    let full: u32 = lines[0].trim_start_matches("full: ").parse().expect("a number");
    assert!((3..20).contains(&full), "{said}");
}

#[test]
fn a_place_that_cannot_be_written_is_a_clear_error() {
    if !mounts_work("a_place_that_cannot_be_written_is_a_clear_error") {
        return;
    }
    let agents =
        [edits("one", "'ro/a.txt'", "sed -i s/^2$/two/ ro/a.txt"), edits("two", "'b.txt'", "echo two > b.txt")];
    let orca = project(&agents);
    orca.write("ro/a.txt", TEN).write("b.txt", "b\n");
    let script = r#"
        mount -t tmpfs none "$P/ro"
        cd "$P"
        seq 10 > ro/a.txt
        mount -o remount,ro "$P/ro"
        code=0; "$ORCA" build -k 2>&1 || code=$?
        echo "code: $code"
        cat ro/a.txt | tr '\n' ' '; cat b.txt
        mount -o remount,rw "$P/ro"
        "$ORCA" build 2>&1
        cat ro/a.txt | tr '\n' ' '
        ls -A ro
        mount --bind "$P" "$P" && mount -o remount,ro,bind "$P"
        cd "$P"
        code=0; "$ORCA" build 2>&1 || code=$?
        echo "code: $code"
    "#;
    let said = in_namespace(&orca, script);
    let (first, rest) = said.split_once("code: 4\n").unwrap_or_else(|| panic!("{said}"));
    assert!(first.contains("FAILED one: cannot write") && first.contains("Read-only file system"), "{said}");
    assert!(rest.starts_with("1 2 3 4 5 6 7 8 9 10 two\n"), "the other task is not held up: {said}");
    assert!(rest.contains("cached one (1 file restored)"), "nothing is paid twice: {said}");
    assert!(rest.contains("\n1 two 3 4 5 6 7 8 9 10 a.txt\n"), "nothing is left beside: {said}");
    assert!(rest.ends_with("Read-only file system (os error 30)\ncode: 4\n"), "{said}");
}
