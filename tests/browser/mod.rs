//! A headless Chromium, driven through chromedriver: WebDriver over plain HTTP, no more of it than the tests need.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

/// How long one command of the browser may take.
const TIME_MAX: Duration = Duration::from_secs(60);

/// Whether there is a browser to drive; where not, says that `test` is skipped.
pub(crate) fn is_there(test: &str) -> bool {
    super::support::has_tool("chromium", test) && super::support::has_tool("chromedriver", test)
}

/// One browser with one page.
pub(crate) struct Browser {
    driver: Child,
    port: u16,
    session: String,
    _home: tempfile::TempDir,
}

impl Browser {
    /// Starts one, with a home of its own.
    pub(crate) fn start() -> Self {
        // Its socket lies there, and the path of a socket is short.
        let home = tempfile::Builder::new().prefix("orca-browser-").tempdir_in("/tmp").expect("a temporary directory");
        let mut driver = Command::new("chromedriver")
            .args(["--port=0"])
            .env("HOME", home.path())
            .env("TMPDIR", home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver starts");
        let mut said = BufReader::new(driver.stdout.take().expect("it is piped"));
        let mut port = None;
        let mut line = String::new();
        while port.is_none() && said.read_line(&mut line).is_ok_and(|read| read > 0) {
            let number = line.split("started successfully on port ").nth(1);
            port = number.and_then(|rest| rest.trim().trim_end_matches('.').parse().ok());
            line.clear();
        }
        // Whoever stops reading stops the writer.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        let mut browser =
            Self { driver, port: port.expect("chromedriver says its port"), session: String::new(), _home: home };
        let profile = format!("--user-data-dir={}", browser._home.path().join("profile").display());
        let args = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", &profile];
        let capabilities = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": {"args": args},
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }}});
        let made = browser.ask("POST", "/session", &capabilities);
        browser.session = made["sessionId"].as_str().unwrap_or_else(|| panic!("no session: {made}")).to_owned();
        browser
    }

    /// Opens a page, and waits until it is there.
    pub(crate) fn open(&self, url: &str) -> &Self {
        self.command("url", &json!({"url": url}));
        self
    }

    /// What a script returns.
    pub(crate) fn run(&self, script: &str) -> Value {
        self.command("execute/sync", &json!({"script": script, "args": []}))
    }

    /// A command of the DevTools protocol.
    pub(crate) fn devtools(&self, cmd: &str, params: &Value) -> &Self {
        self.command("goog/cdp/execute", &json!({"cmd": cmd, "params": params}));
        self
    }

    /// As if the system were set to these colours.
    pub(crate) fn prefer(&self, scheme: &str) -> &Self {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.devtools("Emulation.setEmulatedMedia", &json!({"features": features}))
    }

    /// As if the window were as wide.
    pub(crate) fn width(&self, width: u32) -> &Self {
        let metrics = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false});
        self.devtools("Emulation.setDeviceMetricsOverride", &metrics)
    }

    /// Presses keys, one after the other, in what has the focus.
    pub(crate) fn press(&self, keys: &[&str]) -> &Self {
        let press = |key: &&str| [json!({"type": "keyDown", "value": key}), json!({"type": "keyUp", "value": key})];
        let actions: Vec<Value> = keys.iter().flat_map(press).collect();
        self.command("actions", &json!({"actions": [{"type": "key", "id": "keys", "actions": actions}]}));
        self
    }

    /// What the page wrote to the console, and what the browser had to complain about.
    pub(crate) fn console(&self) -> Vec<String> {
        let lines = self.command("se/log", &json!({"type": "browser"}));
        lines.as_array().into_iter().flatten().map(ToString::to_string).collect()
    }

    /// The addresses that were asked for since this was last called.
    pub(crate) fn requests(&self) -> Vec<String> {
        let lines = self.command("se/log", &json!({"type": "performance"}));
        let address = |line: &Value| {
            let message: Value = serde_json::from_str(line["message"].as_str()?).ok()?;
            let (event, params) = (&message["message"], &message["message"]["params"]);
            // The browser's own first page is not ours.
            let is_own = params["documentURL"].as_str().is_some_and(|of| of.starts_with("chrome:"));
            let is_request = event["method"] == "Network.requestWillBeSent" && !is_own;
            is_request.then(|| params["request"]["url"].as_str().unwrap_or_default().to_owned())
        };
        lines.as_array().into_iter().flatten().filter_map(address).collect()
    }

    #[track_caller]
    fn command(&self, path: &str, body: &Value) -> Value {
        self.ask("POST", &format!("/session/{}/{path}", self.session), body)
    }

    /// One request, one answer, its `value`.
    #[track_caller]
    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.try_ask(method, path, body).expect("chromedriver answers");
        assert_eq!(status, 200, "{method} {path} {body}: {answer}");
        answer["value"].clone()
    }

    fn try_ask(&self, method: &str, path: &str, body: &Value) -> std::io::Result<(u16, Value)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(TIME_MAX))?;
        let body = if method == "DELETE" { String::new() } else { body.to_string() };
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )?;
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        let mut length = 0;
        loop {
            line.clear();
            reader.read_line(&mut line)?;
            if line.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        let mut answer = vec![0; length];
        reader.read_exact(&mut answer)?;
        Ok((status, serde_json::from_slice(&answer).unwrap_or_default()))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The browser ends with its session; without an answer, with its driver.
        let _ = self.try_ask("DELETE", &format!("/session/{}", self.session), &Value::Null);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
