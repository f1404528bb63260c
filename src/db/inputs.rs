//! What comes from outside: plan documents, the environment, the listing of the project, the state of each file.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, OnceLock};

use salsa::Setter as _;

use super::queries::{self, Lowered};
use crate::base::{BlobDigest, Entry, Name, RelPath, TaskName, Tree};
use crate::context::{Definition, SourceIndex, ToolIdentity};
use crate::plan::{Document, PlanPart, Task};

/// The plan's documents, root first.
#[salsa::input(debug)]
pub(super) struct PlanInput {
    /// As loaded. A document's text decides whether it is another one.
    pub documents: Arc<Vec<Document>>,
    /// Which of its tasks this is about; `None` is all.
    pub part: Option<Arc<PlanPart>>,
}

/// What of the machine the plan's tasks may refer to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// Variables of orca's environment that some task passes on.
    pub variables: BTreeMap<String, String>,
    /// Tools that some task or gate declares.
    pub tools: BTreeMap<String, ToolIdentity>,
    /// Toolchains that some task declares, by what is installed.
    pub toolchains: BTreeMap<Name, BlobDigest>,
    /// The files that `[context]` names, by content.
    pub texts: BTreeMap<RelPath, String>,
}

/// [`Facts`] as an input.
#[salsa::input(debug)]
pub(super) struct Environment {
    /// The facts.
    pub facts: Arc<Facts>,
}

/// What files there are, without their content.
#[salsa::input(debug)]
pub(super) struct Listing {
    /// The index that patterns are answered from.
    pub index: Arc<SourceIndex>,
}

/// One source file.
#[salsa::input(debug)]
pub(super) struct SourceFile {
    /// What is there; `None` if it went away.
    pub entry: Option<Entry>,
}

/// The database. Cloning is cheap and is how queries run in parallel; a clone must be gone before inputs are set.
#[salsa::db]
#[derive(Clone)]
pub struct OrcaDb {
    storage: salsa::Storage<Self>,
    singletons: OnceLock<Singletons>,
    files: Arc<Mutex<HashMap<RelPath, SourceFile>>>,
}

/// The inputs of which there is one each.
#[derive(Debug, Clone, Copy)]
struct Singletons {
    plan: PlanInput,
    environment: Environment,
    listing: Listing,
}

/// What queries need besides salsa: the handle of a file.
#[salsa::db]
pub(super) trait Db: salsa::Database {
    /// The handle of a path; every path is registered before a query asks for it.
    fn file(&self, path: &RelPath) -> Option<SourceFile>;
}

#[salsa::db]
impl salsa::Database for OrcaDb {}

#[salsa::db]
impl Db for OrcaDb {
    fn file(&self, path: &RelPath) -> Option<SourceFile> {
        self.files.lock().expect("no query panics while holding it").get(path).copied()
    }
}

impl Default for OrcaDb {
    fn default() -> Self {
        Self::with_observer(None)
    }
}

impl OrcaDb {
    /// A database that tells `observer` the name of each query as it executes; for tests.
    #[must_use]
    pub fn with_observer(observer: Option<Box<dyn Fn(String) + Send + Sync>>) -> Self {
        let callback = observer.map(|observer| -> Box<dyn Fn(salsa::Event) + Send + Sync> {
            Box::new(move |event| {
                if let salsa::EventKind::WillExecute { database_key } = event.kind {
                    observer(format!("{database_key:?}"));
                }
            })
        });
        let db = Self { storage: salsa::Storage::new(callback), singletons: OnceLock::new(), files: Arc::default() };
        let singletons = Singletons {
            plan: PlanInput::new(&db, Arc::default(), None),
            environment: Environment::new(&db, Arc::default()),
            listing: Listing::new(&db, Arc::default()),
        };
        db.singletons.set(singletons).expect("set once, here");
        db
    }

    fn singletons(&self) -> &Singletons {
        self.singletons.get().expect("set when the database is made")
    }

    fn id<'db>(&'db self, name: &TaskName) -> queries::TaskId<'db> {
        queries::TaskId::new(self, name.clone())
    }

    /// The plan as lowered, with its findings.
    #[must_use]
    pub fn lowered(&self) -> Arc<Lowered> {
        queries::lowered(self, self.plan()).clone()
    }

    /// What of the machine the plan refers to, as it was set.
    #[must_use]
    pub fn facts(&self) -> Arc<Facts> {
        self.environment().facts(self).clone()
    }

    /// One task of the plan.
    #[must_use]
    pub fn task(&self, name: &TaskName) -> Option<Arc<Task>> {
        queries::task(self, self.plan(), self.id(name)).clone()
    }

    /// What of a task's context does not depend on files.
    #[must_use]
    pub fn definition(&self, name: &TaskName) -> Option<Arc<Definition>> {
        queries::definition(self, self.plan(), self.environment(), self.id(name)).clone()
    }

    /// The source paths that a task's patterns cover.
    #[must_use]
    pub fn sources(&self, name: &TaskName) -> Arc<BTreeSet<RelPath>> {
        queries::sources(self, self.plan(), self.listing(), self.id(name)).clone()
    }

    /// The source files of a task's view, as far as their state was set.
    #[must_use]
    pub fn source_view(&self, name: &TaskName) -> Arc<Tree> {
        queries::source_view(self, self.plan(), self.listing(), self.id(name)).clone()
    }

    /// The plan's documents, as they were set.
    #[must_use]
    pub fn documents(&self) -> Arc<Vec<Document>> {
        self.plan().documents(self).clone()
    }

    /// What files there are, as it was set.
    #[must_use]
    pub fn index(&self) -> Arc<SourceIndex> {
        self.listing().index(self).clone()
    }

    /// The state of a source file, as it was last set; `None` where it never was.
    #[must_use]
    pub fn entry(&self, path: &RelPath) -> Option<Option<Entry>> {
        self.file(path).map(|file| file.entry(self).clone())
    }

    fn plan(&self) -> PlanInput {
        self.singletons().plan
    }

    fn environment(&self) -> Environment {
        self.singletons().environment
    }

    fn listing(&self) -> Listing {
        self.singletons().listing
    }

    /// Sets the documents, if any text differs.
    pub fn set_documents(&mut self, documents: Vec<Document>) {
        let same = {
            let old = self.plan().documents(self);
            old.len() == documents.len()
                && old.iter().zip(&documents).all(|(old, new)| old.path == new.path && old.text == new.text)
        };
        if !same {
            self.plan().set_documents(self).to(Arc::new(documents));
        }
    }

    /// Says which of the plan's tasks this is about.
    pub fn set_part(&mut self, part: PlanPart) {
        self.plan().set_part(self).to(Some(Arc::new(part)));
    }

    /// Sets the facts, if they differ.
    pub fn set_facts(&mut self, facts: Facts) {
        if **self.environment().facts(self) != facts {
            self.environment().set_facts(self).to(Arc::new(facts));
        }
    }

    /// Sets the listing, if it differs.
    pub fn set_listing(&mut self, index: SourceIndex) {
        if **self.listing().index(self) != index {
            self.listing().set_index(self).to(Arc::new(index));
        }
    }

    /// Sets the state of source files, where it differs. Answers whether any was known otherwise. Handles are reused: inputs
    /// are never freed.
    pub fn set_files(&mut self, files: impl IntoIterator<Item = (RelPath, Option<Entry>)>) -> bool {
        let mut is_other = false;
        for (path, entry) in files {
            let known = self.file(&path);
            match known {
                Some(file) if *file.entry(self) == entry => {}
                Some(file) => {
                    file.set_entry(self).to(entry);
                    is_other = true;
                }
                None => {
                    let file = SourceFile::new(self, entry);
                    self.files.lock().expect("no query panics while holding it").insert(path, file);
                }
            }
        }
        is_other
    }
}
