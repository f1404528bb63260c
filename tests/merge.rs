//! The merge of one path, case by case: what goes together, what is a conflict, and what the conflict says.

use std::borrow::Cow;

use orca::merge::{Conflict, ConflictKind, Limits, Made, Merged, Side, merge};

use Side::{Absent, EmptyDir};

fn file(bytes: &(impl AsRef<[u8]> + ?Sized)) -> Side<'_> {
    Side::File { bytes: bytes.as_ref(), executable: false }
}

fn program(bytes: &(impl AsRef<[u8]> + ?Sized)) -> Side<'_> {
    Side::File { bytes: bytes.as_ref(), executable: true }
}

fn link(target: &str) -> Side<'_> {
    Side::Symlink { target }
}

/// A text with each of these words on a line of its own.
fn lines(words: &str) -> String {
    words.split_whitespace().map(|word| format!("{word}\n")).collect()
}

/// What comes out, both ways round: a conflict and a state do not depend on the sides' names.
#[track_caller]
fn merged<'a>(base: Side<'a>, ours: Side<'a>, theirs: Side<'a>) -> Merged<'a> {
    let there = merge(base, ours, theirs, Limits::default());
    let back = merge(base, theirs, ours, Limits::default());
    assert_eq!(there.state(ours, theirs), back.state(theirs, ours), "the other way round");
    there
}

#[track_caller]
fn clean(base: Side<'_>, ours: Side<'_>, theirs: Side<'_>, expected: Side<'_>) {
    assert_eq!(merged(base, ours, theirs).state(ours, theirs), Some(expected));
}

#[track_caller]
fn conflict(base: Side<'_>, ours: Side<'_>, theirs: Side<'_>) -> Conflict {
    match merged(base, ours, theirs) {
        Merged::Conflict(conflict) => conflict,
        other => panic!("no conflict, but {other:?}"),
    }
}

#[track_caller]
fn kind(base: Side<'_>, ours: Side<'_>, theirs: Side<'_>) -> ConflictKind {
    conflict(base, ours, theirs).kind
}

/// Merges texts given as words.
#[track_caller]
fn text(base: &str, ours: &str, theirs: &str, expected: Option<&str>) {
    let (base, ours, theirs) = (lines(base), lines(ours), lines(theirs));
    match expected {
        Some(expected) => clean(file(&base), file(&ours), file(&theirs), file(&lines(expected))),
        None => assert_eq!(kind(file(&base), file(&ours), file(&theirs)), ConflictKind::Content),
    }
}

#[test]
fn who_changed_nothing_takes_the_change() {
    let states = [Absent, EmptyDir, file("a\n"), program("a\n"), file("b"), file("\0"), link("a"), link("b")];
    for base in states {
        for other in states {
            let merge = |ours, theirs| merge(base, ours, theirs, Limits::default());
            assert_eq!(merge(other, base).state(other, base), Some(other));
            assert_eq!(merge(base, other).state(base, other), Some(other));
            assert_eq!(merge(other, other), Merged::Ours);
        }
    }
}

#[test]
fn changes_apart_go_together() {
    text("1 2 3 4 5", "A 2 3 4 5", "1 2 3 4 B", Some("A 2 3 4 B"));
    text("1 2 3 4 5", "A 2 3 4 5", "1 2 B 4 5", Some("A 2 B 4 5"));
    text("1 2 3 4 5", "2 3 4 5", "1 2 3 4 5 6", Some("2 3 4 5 6"));
    text("1 2 3 4 5", "0 1 2 3 4 5", "1 2 3 5", Some("0 1 2 3 5"));
    text("1 2 3 4 5 6 7", "1 A 3 4 5 6 B", "1 2 3 C 5 6 7", Some("1 A 3 C 5 6 B"));
}

#[test]
fn the_same_change_is_taken_once() {
    text("1 2 3 4 5", "1 A 3 4 5", "1 A 3 4 B", Some("1 A 3 4 B"));
    text("1 2 3", "1 2 3 4", "1 2 3 4", Some("1 2 3 4"));
    text("1 2 3 4 5", "0 1 2 3 4 A", "0 1 2 B 4 5", Some("0 1 2 B 4 A"));
    text("1 2 3 4 5", "1 A 3 4 5", "1 A B 4 5", None);
}

#[test]
fn one_line_changed_twice_is_a_conflict() {
    text("1 2 3", "1 A 3", "1 B 3", None);
    text("1 2 3", "1 3", "1 B 3", None);
    text("1 2 3 4 5", "1 A 3 4 5", "1 X Y Z 5", None);
    text("", "1", "2", None);
}

#[test]
fn neighbouring_lines_are_a_conflict_as_in_git() {
    text("1 2 3 4", "1 A 3 4", "1 2 B 4", None);
    text("1 2 3 4", "1 3 4", "1 2 4", None);
    text("1 2 3 4", "1 A 3 4", "1 2 3 B", Some("1 A 3 B"));
}

#[test]
fn two_insertions_at_one_place_are_a_conflict() {
    text("1 2", "1 A 2", "1 B 2", None);
    text("1 2", "1 A 2", "1 A B 2", None);
    text("1 2", "1 A 2", "1 A 2", Some("1 A 2"));
    text("1 2", "1 2 A", "1 2 B", None);
    text("1 2", "A 1 2", "B 1 2", None);
}

#[test]
fn an_insertion_at_the_edge_of_a_deletion_is_a_conflict() {
    text("1 2 3 4 5", "1 2 5", "1 2 A 3 4 5", None);
    text("1 2 3 4 5", "1 2 5", "1 2 3 4 A 5", None);
    text("1 2 3 4 5", "1 2 5", "1 2 3 A 4 5", None);
    text("1 2 3 4 5", "1 2 5", "1 A 2 3 4 5", Some("1 A 2 5"));
    text("1 2 3 4 5", "1 2 5", "1 2 3 4 5 A", Some("1 2 5 A"));
}

#[test]
fn a_change_that_could_stand_in_several_places_stands_in_all_of_them() {
    // Which of the equal lines went? A diff names one; the edit may stand beside the one that was meant.
    text("a x x x b", "a x x b", "a x x x B", None);
    text("a x x x b", "a x x b", "A x x x b", None);
    text("a x x x m b", "a x x m b", "a x x x m B", Some("a x x m B"));
    // A block that moved: which of the two stayed?
    text("1 2 3 4", "3 4 1 2", "1 2 3 A", None);
    text("1 2 3 4", "3 4 1 2", "A 2 3 4", None);
}

#[test]
fn a_missing_newline_belongs_to_its_line() {
    clean(file("1\n2\n3"), file("A\n2\n3"), file("1\n2\nB"), file("A\n2\nB"));
    clean(file("1\n2\n3"), file("A\n2\n3"), file("1\n2\n3\n"), file("A\n2\n3\n"));
    clean(file("1\n2\n3\n"), file("A\n2\n3\n"), file("1\n2\n3"), file("A\n2\n3"));
    // The last line is another once it ends: so does what was put behind it touch it.
    assert_eq!(kind(file("1\n2"), file("1\n2\n"), file("1\n2\n3\n")), ConflictKind::Content);
    assert_eq!(kind(file("1\n2\n"), file("1\n2"), file("1\n2\n3\n")), ConflictKind::Content);
    let found = conflict(file("1\n2\n"), file("1\n2"), file("1\n3\n"));
    assert!(found.hunks[0].ours.lacks_newline && !found.hunks[0].theirs.lacks_newline);
}

#[test]
fn line_endings_belong_to_their_lines() {
    let crlf = |text: &str| text.replace('\n', "\r\n");
    let base = lines("1 2 3 4 5");
    clean(
        file(&crlf(&base)),
        file(&crlf(&lines("A 2 3 4 5"))),
        file(&crlf(&lines("1 2 3 4 B"))),
        file(&crlf(&lines("A 2 3 4 B"))),
    );
    // An edit that writes its line with the other ending keeps it so.
    clean(
        file(&crlf(&base)),
        file("1\r\n2\r\n3\r\n4\r\nA\n"),
        file(&crlf(&lines("B 2 3 4 5"))),
        file("B\r\n2\r\n3\r\n4\r\nA\n"),
    );
    // A conversion changes every line, so it goes only with a side that changed none, or that changed them the same.
    clean(file(&base), file(&crlf(&base)), program(&base), program(&crlf(&base)));
    let edited = lines("1 2 A 4 5");
    let converted = conflict(file(&base), file(&crlf(&base)), file(&edited));
    assert_eq!(converted.kind, ConflictKind::LineEndings { by_ours: true, by_theirs: false });
    assert_eq!(
        converted.reason("alpha", "beta"),
        "alpha converted the line endings of a file in which beta edited lines"
    );
    let base = crlf(&base);
    assert_eq!(
        kind(file(&base), file(&crlf(&edited)), file(&base.replace('\r', ""))),
        ConflictKind::LineEndings { by_ours: false, by_theirs: true }
    );
}

#[test]
fn a_nul_makes_a_file_binary_and_latin_1_does_not() {
    assert_eq!(kind(file("1\n2\n3\0"), file("A\n2\n3\0"), file("1\n2\nB\0")), ConflictKind::Binary);
    assert_eq!(kind(file("1\n2\n3\n"), file("A\n2\n3\n"), file("1\n2\n\0\n")), ConflictKind::Binary);
    clean(file(b"caf\xe9\n2\n3\n"), file(b"caf\xe9\n2\n\xfc\n"), file(b"th\xe9\n2\n3\n"), file(b"th\xe9\n2\n\xfc\n"));
    let padded = |end: &str| format!("{}\n2\n{end}\n", "x".repeat(8000));
    let (base, ours) = (padded("\0"), padded("\0\0"));
    let theirs = base.replacen('x', "y", 1);
    assert!(matches!(merged(file(&base), file(&ours), file(&theirs)), Merged::Content { .. }), "git looks no further");
}

#[test]
fn the_executable_bit_is_merged_on_its_own() {
    clean(file("1\n"), program("1\n"), file("2\n"), program("2\n"));
    clean(program("1\n"), file("1\n"), program("2\n"), file("2\n"));
    clean(file("1\n2\n3\n"), program("A\n2\n3\n"), file("1\n2\nB\n"), program("A\n2\nB\n"));
    clean(file("1\n2\n3\n"), program("A\n2\n3\n"), program("1\n2\nB\n"), program("A\n2\nB\n"));
    clean(file("\0"), program("\0"), file("\0\0"), program("\0\0"));
    assert!(matches!(
        merged(file("1\n"), program("1\n"), file("2\n")),
        Merged::Content { bytes: Cow::Borrowed(b"2\n"), executable: true }
    ));
    assert_eq!(kind(file("1\n"), program("2\n"), file("3\n")), ConflictKind::Content);
}

#[test]
fn deleting_what_the_other_changed_is_a_conflict_that_names_who_deleted() {
    let gone = conflict(file("1\n"), Absent, file("2\n"));
    assert_eq!(gone.kind, ConflictKind::DeletedByOurs);
    assert_eq!(gone.reason("alpha", "beta"), "alpha deleted what beta changed");
    assert_eq!(kind(file("1\n"), program("1\n"), Absent), ConflictKind::DeletedByTheirs);
    assert_eq!(kind(link("a"), Absent, link("b")), ConflictKind::DeletedByOurs);
    assert_eq!(merged(file("1\n"), Absent, Absent), Merged::Ours);
}

#[test]
fn what_both_created_has_nothing_to_be_merged_over() {
    assert_eq!(kind(Absent, file("1\n2\n"), file("1\n3\n")), ConflictKind::BothCreated);
    assert_eq!(kind(Absent, file("1\n"), program("1\n")), ConflictKind::Mode);
    assert_eq!(kind(link("x"), file("1\n"), file("2\n")), ConflictKind::BothCreated);
    assert_eq!(kind(Absent, link("a"), link("b")), ConflictKind::LinkTarget);
    assert_eq!(merged(Absent, file("1\n"), file("1\n")), Merged::Ours);
}

#[test]
fn different_kinds_of_things_are_a_conflict() {
    let kinds = |ours, theirs| ConflictKind::Kind { ours, theirs };
    assert_eq!(kind(file("1\n"), link("a"), file("2\n")), kinds(Made::Link, Made::File));
    assert_eq!(kind(link("a"), link("b"), file("2\n")), kinds(Made::Link, Made::File));
    assert_eq!(kind(Absent, EmptyDir, file("1\n")), kinds(Made::Directory, Made::File));
    assert_eq!(kind(link("a"), link("b"), link("c")), ConflictKind::LinkTarget);
    clean(link("a"), link("a"), file("1\n"), file("1\n"));
}

#[test]
fn a_conflict_reads_like_one_of_diff3() {
    let base = lines("one two three four five six");
    let ours = lines("one TWO three four five");
    let theirs = lines("one 2 2.5 three four five six seven");
    let found = conflict(file(&base), file(&ours), file(&theirs));
    assert_eq!(
        found.to_text("src/a.py", "alpha", "beta"),
        "\
src/a.py: alpha and beta changed the same or neighbouring lines differently
<<<<<<< alpha, line 2
TWO
||||||| before, line 2
two
=======
2
2.5
>>>>>>> beta, lines 2 to 3
<<<<<<< alpha, nothing before line 6
||||||| before, line 6
six
=======
six
seven
>>>>>>> beta, lines 7 to 8
"
    );
}

#[test]
fn a_conflict_is_bounded_and_safe_for_a_terminal() {
    let long = |word: &str| format!("\x1b[31m{}\n", word.repeat(1 << 20));
    let many = |word: &str| (0..5000).map(|at| format!("{word}{at}\n")).collect::<String>();
    let apart = |word: &str| (0..100).map(|at| format!("{word}{at}\nkept{at}\n")).collect::<String>();
    for make in [&long as &dyn Fn(&str) -> String, &many, &apart] {
        let (base, ours, theirs) = (make("x"), make("y"), make("z"));
        let text = conflict(file(&base), file(&ours), file(&theirs)).to_text("a\x1b\nb", "\x1b[0m", "t\n");
        assert!(text.len() < 200 << 10, "{} bytes", text.len());
        assert!(!text.contains('\x1b') && text.is_char_boundary(text.len()), "{text}");
    }
    let text = conflict(file(&apart("x")), file(&apart("y")), file(&apart("z"))).to_text("a", "b", "c");
    assert!(text.ends_with("and 92 places more\n"), "{text}");
    let text = conflict(file(&many("x")), file(&many("y")), file(&many("z"))).to_text("a", "b", "c");
    assert!(text.contains("... 4970 lines more\n"), "{text}");
}

#[test]
fn a_conflict_is_data() {
    let found = conflict(file("1\n"), file("2\n"), file("3"));
    let json = serde_json::to_value(&found).expect("plain data");
    assert_eq!(json["kind"], "content");
    assert_eq!(
        json["hunks"][0]["ours"],
        serde_json::json!({
            "first_line": 1, "line_count": 1, "lines": ["2"], "lacks_newline": false,
        })
    );
    assert_eq!(serde_json::from_value::<Conflict>(json).expect("what was written"), found);
    let named = |kind: ConflictKind| serde_json::to_value(kind).expect("plain data");
    assert_eq!(named(ConflictKind::DeletedByOurs), "deleted-by-ours");
    assert_eq!(
        named(ConflictKind::Kind { ours: Made::Link, theirs: Made::File }),
        serde_json::json!({ "kind": { "ours": "link", "theirs": "file" } })
    );
}

#[test]
fn what_is_too_large_is_not_merged() {
    let small = Limits { size_bytes_max: 8, lines_max: 3 };
    let kind = |base: &str, ours: &str, theirs: &str| match merge(file(base), file(ours), file(theirs), small) {
        Merged::Conflict(conflict) => Some(conflict.kind),
        _ => None,
    };
    assert_eq!(kind("1\n2\n3\n", "A\n2\n3\n", "1\n2\nB\n"), None);
    assert_eq!(kind("1\n2\n3\n", "A\n2\n3\n", "1\n2\n3\n4"), Some(ConflictKind::TooLarge));
    assert_eq!(kind("1\n2\n3\n", "A\n2\n3\n", "1\n2\nBBBBB"), Some(ConflictKind::TooLarge));
    assert_eq!(kind("1\n2\n3\n4\n5\n", "1\n2\n3\n4\n5\n", "A\n2\n3\n4\n5\n"), None, "only one changed it");
}
