//! Commands that test something: what of a plan's code can be a gate.

/// What a test command begins with. Programs that do more than test name the word that must follow.
const TESTS: [&[&str]; 58] = [
    &["pytest"],
    &["py.test"],
    &["tox"],
    &["nox"],
    &["mypy"],
    &["pyright"],
    &["ruff", "check"],
    &["ruff", "format", "--check"],
    &["black", "--check"],
    &["flake8"],
    &["pylint"],
    &["python", "-m", "pytest"],
    &["python", "-m", "unittest"],
    &["python3", "-m", "pytest"],
    &["python3", "-m", "unittest"],
    &["cargo", "test"],
    &["cargo", "nextest"],
    &["cargo", "check"],
    &["cargo", "clippy"],
    &["cargo", "build"],
    &["cargo", "fmt", "--check"],
    &["cargo", "fmt", "--", "--check"],
    &["go", "test"],
    &["go", "vet"],
    &["go", "build"],
    &["npm", "test"],
    &["npm", "t"],
    &["npm", "run", "test"],
    &["npm", "run", "lint"],
    &["npm", "run", "build"],
    &["npm", "run", "typecheck"],
    &["npm", "run", "type-check"],
    &["jest"],
    &["vitest"],
    &["tsc"],
    &["eslint"],
    &["playwright", "test"],
    &["mocha"],
    &["deno", "test"],
    &["make", "test"],
    &["make", "check"],
    &["make", "lint"],
    &["just", "test"],
    &["mvn", "test"],
    &["mvn", "verify"],
    &["gradle", "test"],
    &["./gradlew", "test"],
    &["./gradlew", "check"],
    &["dotnet", "test"],
    &["dotnet", "build"],
    &["swift", "test"],
    &["mix", "test"],
    &["rspec"],
    &["phpunit"],
    &["ctest"],
    &["flutter", "test"],
    &["bats"],
    &["shellcheck"],
];
/// What may stand in front and changes nothing about it.
const LAUNCHERS: [&[&str]; 11] = [
    &["uv", "run"],
    &["poetry", "run"],
    &["pipenv", "run"],
    &["hatch", "run"],
    &["npx"],
    &["bunx"],
    &["pnpm", "exec"],
    &["bundle", "exec"],
    &["yarn", "run"],
    &["pnpm", "dlx"],
    &["time"],
];
/// Package managers that take the words of `npm`.
const LIKE_NPM: [&str; 3] = ["pnpm", "yarn", "bun"];

/// The command in a text, if it is one line that tests something.
pub(super) fn test_command(text: &str) -> Option<String> {
    let text = text.trim().trim_start_matches("$ ").trim();
    if text.is_empty() || text.len() > 400 || text.ends_with('\\') || text.contains(['\n', '<', '…']) {
        return None;
    }
    let mut words: Vec<&str> = text.split_whitespace().skip_while(|word| is_assignment(word)).collect();
    if let Some(launcher) = LAUNCHERS.iter().find(|launcher| words.starts_with(launcher)) {
        words.drain(..launcher.len());
    }
    if words.first().is_some_and(|word| LIKE_NPM.contains(word)) {
        words[0] = "npm";
        if words.get(1).is_some_and(|word| ["lint", "build", "typecheck"].contains(word)) {
            words.insert(1, "run");
        }
    }
    let is_test = TESTS.iter().any(|test| words.starts_with(test));
    // A word of prose after the program is prose: "pytest passes", "jest and vitest".
    let is_prose =
        words.iter().any(|word| ["passes", "pass", "fails", "and", "is", "are", "must", "should"].contains(word));
    (is_test && !is_prose && !text.chars().any(char::is_control)).then(|| text.to_owned())
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=')
        .is_some_and(|(name, _)| !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
}

/// The test commands in a line of prose: what stands in back quotes.
pub(super) fn in_line(line: &str) -> impl Iterator<Item = String> + '_ {
    line.split('`').skip(1).step_by(2).filter_map(test_command)
}

/// A name for a gate that runs this command.
pub(super) fn gate_words(command: &str) -> (String, String) {
    let words: Vec<&str> = command
        .split_whitespace()
        .filter(|word| !is_assignment(word) && !word.starts_with('-') && !["npx", "uv", "run", "poetry"].contains(word))
        .collect();
    let program = words.first().copied().unwrap_or_default().rsplit('/').next().unwrap_or_default().to_owned();
    let rest = words.iter().skip(1).map(|word| word.rsplit('/').next().unwrap_or(word)).collect::<Vec<_>>().join(" ");
    (program, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_that_test() {
        for good in [
            "pytest -q",
            "$ cargo test",
            "uv run pytest tests/a.py::b -v",
            "CI=1 npm test",
            "pnpm lint",
            "npx vitest run",
            "cargo test && cargo clippy",
        ] {
            assert!(test_command(good).is_some(), "{good}");
        }
        for bad in
            ["", "git commit -m x", "cargo add serde", "pytest passes", "npm install", "pytest \\", "python app.py"]
        {
            assert!(test_command(bad).is_none(), "{bad}");
        }
        assert_eq!(in_line("Run `pytest -q` and `ls`").collect::<Vec<_>>(), ["pytest -q"]);
    }
}
