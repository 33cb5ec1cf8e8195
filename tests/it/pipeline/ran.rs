//! How a run of the program ended, and how it started the fake dbt.

use serde_json::Value;

/// A run of the program.
#[derive(Debug)]
pub(super) struct Ran {
    /// The exit code; 128+n when a signal ended the program itself.
    pub(super) code: i32,
    pub(super) stdout: String,
    pub(super) stderr: String,
    /// Every start of dbt in it, in order.
    pub(super) calls: Vec<Call>,
}

/// A start of dbt.
#[derive(Debug)]
pub(super) struct Call {
    pid: Value,
    /// Its arguments; a byte that is no UTF-8 stands as the Latin-1 letter of the same number.
    pub(super) words: Vec<String>,
    /// Those of its variables whose name begins with `DBT`.
    pub(super) environment: Value,
    /// The names of the nodes that it built, in order; tests that passed are among them.
    pub(super) built: Vec<String>,
    /// Those of them that it built with `--full-refresh`.
    pub(super) refreshed: Vec<String>,
}

impl Call {
    /// The starts that the fake dbt noted.
    pub(super) fn all(notes: &[Value]) -> Vec<Self> {
        let mut calls: Vec<Self> = Vec::new();
        for note in notes {
            if note["start"].is_array() {
                calls.push(Self::begun(note));
            }
            let Some(id) = note["built"].as_str() else { continue };
            let name = id.rsplit('.').next().unwrap_or_default().to_owned();
            // A dbt of another run, which is at work at the same time, started before.
            let call = calls.iter_mut().rfind(|call| call.pid == note["pid"]);
            let Some(call) = call else { continue };
            if note["refreshed"] == true {
                call.refreshed.push(name.clone());
            }
            call.built.push(name);
        }
        calls
    }

    fn begun(note: &Value) -> Self {
        let words = note["start"].as_array().into_iter().flatten();
        Self {
            pid: note["pid"].clone(),
            words: words.filter_map(Value::as_str).map(str::to_owned).collect(),
            environment: note["environment"].clone(),
            built: Vec::new(),
            refreshed: Vec::new(),
        }
    }

    /// Whether it was given this word.
    pub(super) fn has(&self, word: &str) -> bool {
        self.words.iter().any(|own| own == word)
    }

    /// The value of an option, given as `--name value` or as `--name=value`.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        let at = self.words.iter().position(|word| word == name);
        let attached = || {
            let values = self.words.iter().filter_map(|word| word.strip_prefix(name));
            values.filter_map(|rest| rest.strip_prefix('=')).next()
        };
        at.and_then(|at| self.words.get(at + 1)).map(String::as_str).or_else(attached)
    }
}

impl Ran {
    /// It ended with this exit code.
    #[track_caller]
    pub(super) fn ends_with(&self, code: i32) -> &Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    /// It started dbt with these subcommands, in this order.
    #[track_caller]
    pub(super) fn starts(&self, subcommands: &[&str]) -> &Self {
        let started: Vec<&str> =
            self.calls.iter().filter_map(|call| call.words.first()).map(String::as_str).collect();
        assert_eq!(started, subcommands, "{self:#?}");
        self
    }

    /// Its dbts together built these nodes, in this order.
    #[track_caller]
    pub(super) fn builds(&self, names: &[&str]) -> &Self {
        let built: Vec<&String> = self.calls.iter().flat_map(|call| &call.built).collect();
        assert_eq!(built, names, "{self:#?}");
        self
    }

    /// Standard error has all of these words.
    #[track_caller]
    pub(super) fn says(&self, words: &[&str]) -> &Self {
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} is not said: {self:#?}");
        }
        self
    }

    /// The last start of dbt.
    #[track_caller]
    pub(super) fn last(&self) -> &Call {
        self.calls.last().unwrap_or_else(|| panic!("dbt was not started: {self:#?}"))
    }

    /// Standard output as JSON.
    #[track_caller]
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}
