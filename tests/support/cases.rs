//! What two agents do to the same files, and what comes of it: the cases of `docs/integration.md`.

/// Two agents over the same base: what each does, what comes of it, and how often the second one runs.
pub(crate) struct Case {
    /// What it is about.
    pub(crate) name: &'static str,
    /// The lines of the first agent.
    pub(crate) one: &'static str,
    /// The lines of the second agent, which is later in plan order.
    pub(crate) two: &'static str,
    /// Path and content; `None`: it is not there.
    pub(crate) after: &'static [(&'static str, Option<&'static str>)],
    /// How often the second agent runs.
    pub(crate) second_runs: usize,
}

/// The cases of `docs/integration.md`, in a directory with `a.txt` and `crlf.txt`.
pub(crate) const CASES: [Case; 15] = [
    Case {
        name: "the same line, equally",
        one: "sed -i s/^5$/five/ a.txt",
        two: "sed -i s/^5$/five/ a.txt",
        after: &[("a.txt", Some("1\n2\n3\n4\nfive\n6\n7\n8\n9\n10\n"))],
        second_runs: 1,
    },
    Case {
        name: "adjacent lines",
        one: "sed -i s/^5$/five/ a.txt",
        two: "sed -i s/^6$/six/ a.txt",
        after: &[("a.txt", Some("1\n2\n3\n4\nfive\nsix\n7\n8\n9\n10\n"))],
        second_runs: 2,
    },
    Case {
        name: "one deletes what the other edits",
        one: "rm a.txt",
        two: "if [ -e a.txt ]; then sed -i s/^6$/six/ a.txt; else echo gone > b.txt; fi",
        after: &[("a.txt", None), ("b.txt", Some("gone\n"))],
        second_runs: 2,
    },
    Case {
        name: "one edits what the other deletes",
        one: "sed -i s/^6$/six/ a.txt",
        two: "grep -q six a.txt && cp a.txt b.txt; rm a.txt",
        after: &[("a.txt", None), ("b.txt", Some("1\n2\n3\n4\n5\nsix\n7\n8\n9\n10\n"))],
        second_runs: 2,
    },
    Case { name: "both delete", one: "rm a.txt", two: "rm -f a.txt", after: &[("a.txt", None)], second_runs: 1 },
    Case {
        name: "rename and edit",
        one: "mv a.txt b.txt",
        two: "[ -e b.txt ] && file=b.txt || file=a.txt; sed -i s/^6$/six/ $file",
        after: &[("a.txt", None), ("b.txt", Some("1\n2\n3\n4\n5\nsix\n7\n8\n9\n10\n"))],
        second_runs: 2,
    },
    Case {
        name: "both create the same file, equally",
        one: "echo new > b.txt",
        two: "echo new > b.txt",
        after: &[("b.txt", Some("new\n"))],
        second_runs: 1,
    },
    Case {
        name: "both create the same file, differently",
        one: "echo one > b.txt",
        two: "echo two >> b.txt",
        after: &[("b.txt", Some("one\ntwo\n"))],
        second_runs: 2,
    },
    Case {
        name: "mode and text",
        one: "chmod +x a.txt",
        two: "sed -i s/^6$/six/ a.txt",
        after: &[("a.txt", Some("1\n2\n3\n4\n5\nsix\n7\n8\n9\n10\n"))],
        second_runs: 1,
    },
    Case {
        name: "binary",
        one: "printf 'a\\0b' > c.bin",
        two: "printf 'b\\0a' >> c.bin",
        after: &[("c.bin", Some("a\0bb\0a"))],
        second_runs: 2,
    },
    Case {
        name: "no newline at the end",
        one: "printf 'x\\ny' > a.txt",
        two: "sed -i 's/^\\(1\\|x\\)$/& first/' a.txt",
        after: &[("a.txt", Some("x first\ny"))],
        second_runs: 2,
    },
    Case {
        name: "CRLF",
        one: "sed -i 's/^2\\r$/two\\r/' crlf.txt",
        two: "sed -i 's/^9\\r$/nine\\r/' crlf.txt",
        after: &[("crlf.txt", Some("1\r\ntwo\r\n3\r\n4\r\n5\r\n6\r\n7\r\n8\r\nnine\r\n10\r\n"))],
        second_runs: 1,
    },
    Case {
        name: "a file becomes a link where the other edits",
        one: "rm a.txt; ln -s crlf.txt a.txt",
        two: "[ -L a.txt ] || sed -i s/^6$/six/ a.txt",
        after: &[("crlf.txt", Some("1\r\n2\r\n3\r\n4\r\n5\r\n6\r\n7\r\n8\r\n9\r\n10\r\n"))],
        second_runs: 2,
    },
    Case {
        name: "a file where the other makes a directory",
        one: "echo file > d",
        two: "if [ -e d ]; then echo met > b.txt; else mkdir d; echo x > d/x; fi",
        after: &[("d", Some("file\n")), ("b.txt", Some("met\n"))],
        second_runs: 2,
    },
    Case {
        name: "nothing of the second is left",
        one: "sed -i s/^5$/five/ a.txt",
        two: "sed -i s/^5$/FIVE/ a.txt",
        after: &[("a.txt", Some("1\n2\n3\n4\nfive\n6\n7\n8\n9\n10\n"))],
        second_runs: 2,
    },
];
