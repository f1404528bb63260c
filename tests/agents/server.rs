//! The scripted model: a service on the loopback that answers agents by what they were asked to do.
//!
//! ```text
//! agent --POST--> question --"# Task: NAME"--> conversation --nth tool result--> turn --tools offered--> call
//!                     \--nth request of the task--> trouble
//! ```
//!
//! It keeps nothing of a conversation: how far one has come stands in the request. What it counts are requests, so that a
//! test can say that an agent was not asked, or asked once.
#![expect(clippy::disallowed_methods, reason = "a window of time is kept by a real clock")]

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::dialect::{Dialect, Question, Reply};
use super::http::{self, Request};
use super::script::{Script, Trouble, Turn};
use super::tools;

/// How the task's name is found in a prompt: the first line of every complete task.
const MARKER: &str = "# Task: ";
/// How long a silent connection is waited for before it is looked whether the server ends.
const POLL: Duration = Duration::from_millis(50);

/// One request that was for a task.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// The task.
    pub(crate) task: String,
    /// The model it was addressed to.
    pub(crate) model: String,
    /// Through which interface.
    pub(crate) dialect: Dialect,
    /// All that the user said: the complete task.
    pub(crate) prompt: String,
    /// How many tools were called before in this conversation.
    pub(crate) turn: usize,
    /// What went wrong on purpose.
    pub(crate) trouble: Option<Trouble>,
}

/// A scripted model that listens, until it is dropped.
pub(crate) struct ModelServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    listener: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    ends: AtomicBool,
}

#[derive(Default)]
struct State {
    script: Script,
    asked: Vec<Asked>,
    /// Requests that were about no task: titles, and the like.
    asides: usize,
    /// Requests that could not be answered from the script: mistakes of the test.
    unknown: Vec<String>,
    conversations: BTreeMap<String, usize>,
    refuses_until: Option<Instant>,
}

/// What to do with a request.
enum Answer {
    Stream(Reply),
    Refuse(Trouble),
    Hang(Reply),
    Cut(Reply),
    Unknown(String),
}

impl ModelServer {
    /// Listens on a free port of 127.0.0.1.
    pub(crate) fn start(script: Script) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("the loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let state = Mutex::new(State { script, ..State::default() });
        let shared = Arc::new(Shared { state, ends: AtomicBool::new(false) });
        let serving = Arc::clone(&shared);
        let listener = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if serving.ends.load(Ordering::SeqCst) {
                    break;
                }
                let serving = Arc::clone(&serving);
                // A client may go away at any time: a broken connection is its own affair.
                std::thread::spawn(move || stream.and_then(|stream| serving.serve(&stream)));
            }
        });
        Self { address, shared, listener: Some(listener) }
    }

    /// The address that a provider is configured with.
    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Replaces the script; what was counted stays.
    pub(crate) fn learn(&self, script: Script) -> &Self {
        self.shared.state().script = script;
        self
    }

    /// Everything that was asked, in order. Fails where something was asked that the script does not know.
    #[track_caller]
    pub(crate) fn asked(&self) -> Vec<Asked> {
        let state = self.shared.state();
        assert!(state.unknown.is_empty(), "the script knows no answer: {:?}", state.unknown);
        state.asked.clone()
    }

    /// How many requests there were for a task.
    #[track_caller]
    pub(crate) fn requests(&self, task: &str) -> usize {
        self.asked().iter().filter(|asked| asked.task == task).count()
    }

    /// How many conversations about a task got their first answer.
    #[track_caller]
    pub(crate) fn conversations(&self, task: &str) -> usize {
        self.asked().iter().filter(|asked| asked.task == task && asked.turn == 0 && asked.trouble.is_none()).count()
    }

    /// How many requests were about no task, as for a conversation's title: they are paid for like any other.
    pub(crate) fn asides(&self) -> usize {
        self.shared.state().asides
    }

    /// Forgets what was asked.
    #[track_caller]
    pub(crate) fn forget(&self) -> &Self {
        let _checked = self.asked();
        self.shared.state().asked.clear();
        self
    }
}

impl Drop for ModelServer {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::SeqCst);
        let _woken = TcpStream::connect(self.address);
        if let Some(listener) = self.listener.take() {
            let _joined = listener.join();
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn serve(&self, stream: &TcpStream) -> io::Result<()> {
        let Some(request) = Request::read(stream)? else { return Ok(()) };
        let body = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
        let Some(dialect) = Dialect::of_path(&request.path) else {
            self.state().unknown.push(request.path);
            return http::answer(stream, 404, &[], r#"{"error":{"message":"no such interface"}}"#);
        };
        let question = dialect.question(&body);
        let (answer, number) = self.state().answer(dialect, &question);
        match answer {
            Answer::Stream(reply) => {
                http::begin_stream(stream)?;
                dialect.events(&reply, number).iter().try_for_each(|event| http::chunk(stream, event))?;
                http::end_stream(stream)
            }
            Answer::Refuse(trouble) => {
                let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
                let refusal = dialect.refusal(trouble, now_s).expect("what is refused has a status");
                http::answer(stream, refusal.status, &refusal.headers, &refusal.body)
            }
            Answer::Hang(reply) => {
                http::begin_stream(stream)?;
                http::chunk(stream, &dialect.events(&reply, number)[0])?;
                self.wait_for_end_of(stream)
            }
            Answer::Cut(reply) => {
                http::begin_stream(stream)?;
                let events = dialect.events(&reply, number);
                let (whole, broken) = (&events[..events.len() / 2], &events[events.len() / 2]);
                whole.iter().try_for_each(|event| http::chunk(stream, event))?;
                http::chunk(stream, &broken[..broken.len() / 2])?;
                stream.shutdown(std::net::Shutdown::Both)
            }
            Answer::Unknown(what) => {
                self.state().unknown.push(what);
                http::answer(stream, 400, &[], r#"{"error":{"message":"the script knows no answer"}}"#)
            }
        }
    }

    fn wait_for_end_of(&self, mut stream: &TcpStream) -> io::Result<()> {
        stream.set_read_timeout(Some(POLL))?;
        while !self.ends.load(Ordering::SeqCst) {
            match stream.read(&mut [0; 64]) {
                Ok(0) => break,
                Err(error) if !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => break,
                _ => {}
            }
        }
        Ok(())
    }
}

impl State {
    /// Decides on a request and counts it.
    fn answer(&mut self, dialect: Dialect, question: &Question) -> (Answer, usize) {
        if question.tools.is_empty() {
            self.asides += 1;
            return (Answer::Stream(Reply::Text("A task".to_owned())), 0);
        }
        let Some(task) = task_of(&question.prompt) else {
            return (Answer::Unknown(format!("no `{MARKER}` in: {}", question.prompt)), 0);
        };
        let nth = self.asked.iter().filter(|asked| asked.task == task).count() + 1;
        let number = self.asked.len() + 1;
        let trouble = self.window_trouble(number).or_else(|| self.script.trouble_at(&task, nth));
        self.asked.push(Asked {
            task: task.clone(),
            model: question.model.clone(),
            dialect,
            prompt: question.prompt.clone(),
            turn: question.turn,
            trouble,
        });
        if let Some(trouble @ (Trouble::RateLimit { .. } | Trouble::UsageLimit { .. } | Trouble::Status(_))) = trouble {
            return (Answer::Refuse(trouble), number);
        }
        let opened = self.conversations.entry(task.clone()).or_default();
        if question.turn == 0 && trouble.is_none() {
            *opened += 1;
        }
        let turn = self.script.turn(&task, opened.saturating_sub(1), question.turn);
        let reply = match turn {
            None => return (Answer::Unknown(format!("turn {} of {task}", question.turn)), number),
            Some(Turn::Say(text)) => Reply::Text(text.clone()),
            Some(turn) => match tools::call(turn, &question.tools) {
                Ok(call) => Reply::Call(call),
                Err(why) => return (Answer::Unknown(why), number),
            },
        };
        let answer = match trouble {
            Some(Trouble::Hang) => Answer::Hang(reply),
            Some(Trouble::Cut) => Answer::Cut(reply),
            _ => Answer::Stream(reply),
        };
        (answer, number)
    }

    /// Whether the time is on in which everything is refused, and for how long still.
    fn window_trouble(&mut self, number: usize) -> Option<Trouble> {
        let window = self.script.window()?;
        if number < window.from_request {
            return None;
        }
        let until = *self.refuses_until.get_or_insert_with(|| Instant::now() + window.lasts);
        let left = until.checked_duration_since(Instant::now())?;
        Some(Trouble::RateLimit { reset_s: Some(left.as_secs() + 1) })
    }
}

/// The task that a prompt is about.
fn task_of(prompt: &str) -> Option<String> {
    let (_, rest) = prompt.split_once(MARKER)?;
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || "_-[],.".contains(letter);
    let name: String = rest.chars().take_while(|letter| is_part(*letter)).collect();
    (!name.is_empty()).then_some(name)
}
