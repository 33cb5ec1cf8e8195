//! The commit that a project is checked out at, read from git's own files: no git is needed for it.
//! It is told to people; nothing is decided by it.

use crate::environment::Environment;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// The variables in which CI services name the commit: by convention (Jenkins), GitHub, GitLab,
/// Bitbucket, Azure and CircleCI.
const VARIABLES: [&str; 6] = [
    "GIT_COMMIT",
    "GITHUB_SHA",
    "CI_COMMIT_SHA",
    "BITBUCKET_COMMIT",
    "BUILD_SOURCEVERSION",
    "CIRCLE_SHA1",
];

/// In bytes: more than the packed references of any repository.
const LARGEST: u64 = 64 << 20;

/// How many references may lead to each other.
const MOST_STEPS: u8 = 5;

/// The commit of the repository that this directory lies in. A variable of a CI service tells it only
/// where there is no repository: a job may check out something else than what started it.
pub(crate) fn of(directory: &Path, environment: &Environment) -> Option<String> {
    let directory = directory.canonicalize().ok()?;
    let git = directory.ancestors().map(|above| above.join(".git")).find(|git| git.exists());
    match git.and_then(|git| Repository::at(&git)) {
        Some(repository) => repository.commit(),
        None => VARIABLES.iter().find_map(|name| {
            let value = environment.get(OsStr::new(name))?.to_str()?;
            commit_in(value)
        }),
    }
}

/// Where git keeps a checkout.
struct Repository {
    /// With the `HEAD` of this checkout.
    own: PathBuf,
    /// With the references of all checkouts.
    common: PathBuf,
}

impl Repository {
    /// `.git` is the directory itself, or a file that names it (`git worktree`, submodules).
    fn at(git: &Path) -> Option<Self> {
        let own = match git.is_dir() {
            true => git.to_owned(),
            false => git.parent()?.join(content(git)?.trim().strip_prefix("gitdir:")?.trim()),
        };
        // A copy of a worktree or a submodule names a directory that was left behind.
        if !own.is_dir() {
            return None;
        }
        let common = match content(&own.join("commondir")) {
            Some(common) => own.join(common.trim()),
            None => own.clone(),
        };
        Some(Self { own, common })
    }

    fn commit(&self) -> Option<String> {
        let mut text = content(&self.own.join("HEAD"))?;
        for _ in 0..MOST_STEPS {
            let Some(name) = text.trim().strip_prefix("ref:") else { return commit_in(&text) };
            let name = name.trim().to_owned();
            if !is_reference(&name) {
                return None;
            }
            let own = || content(&self.own.join(&name));
            match own().or_else(|| content(&self.common.join(&name))) {
                Some(next) => text = next,
                None => return self.packed(&name),
            }
        }
        None
    }

    fn packed(&self, name: &str) -> Option<String> {
        let packed = content(&self.common.join("packed-refs"))?;
        let line = packed.lines().find(|line| {
            line.split_once(' ').is_some_and(|(_, reference)| reference.trim() == name)
        })?;
        commit_in(line.split(' ').next()?)
    }
}

/// Whether it leads to a file of git's, and nowhere else.
fn is_reference(name: &str) -> bool {
    name.starts_with("refs/") && name.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// The digest of a commit (SHA-1 or SHA-256), and nothing else that may stand there.
fn commit_in(text: &str) -> Option<String> {
    let text = text.trim();
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_hex && matches!(text.len(), 40 | 64)).then(|| text.to_ascii_lowercase())
}

/// The text of a regular file: a FIFO would wait for ever.
fn content(path: &Path) -> Option<String> {
    if !fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let mut text = String::new();
    File::open(path).ok()?.take(LARGEST).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;

    const ONE: &str = "1111111111111111111111111111111111111111";
    const TWO: &str = "2222222222222222222222222222222222222222";

    /// A directory with these files, and the commit of `below` in it.
    fn found(files: &[(&str, &str)], below: &str, variables: &[(&str, &str)]) -> Option<String> {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join(below)).unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        of(&dir.path().join(below), &variables.collect())
    }

    fn some(commit: &str) -> Option<String> {
        Some(commit.to_owned())
    }

    #[test]
    fn a_branch_is_followed_to_its_file_or_to_the_packed_references() {
        let head = (".git/HEAD", "ref: refs/heads/main\n");
        let packed = format!(
            "# pack-refs with: peeled\n{TWO} refs/heads/mainly\n{ONE} refs/heads/main\n^{TWO}\n"
        );
        assert_eq!(found(&[(".git/HEAD", ONE)], "", &[]), some(ONE));
        assert_eq!(found(&[head, (".git/refs/heads/main", ONE)], "a/project", &[]), some(ONE));
        assert_eq!(found(&[head, (".git/packed-refs", &packed)], "", &[]), some(ONE));
        let both = [head, (".git/packed-refs", &packed), (".git/refs/heads/main", TWO)];
        assert_eq!(found(&both, "", &[]), some(TWO));
        let other = (".git/refs/heads/main", "ref: refs/heads/other");
        assert_eq!(found(&[head, other, (".git/refs/heads/other", ONE)], "", &[]), some(ONE));
    }

    #[test]
    fn a_worktree_has_its_own_head_and_the_references_of_its_repository() {
        let files = [
            ("tree/.git", "gitdir: ../main/.git/worktrees/tree\n"),
            ("main/.git/HEAD", TWO),
            ("main/.git/worktrees/tree/HEAD", "ref: refs/heads/topic\n"),
            ("main/.git/worktrees/tree/commondir", "../..\n"),
            ("main/.git/refs/heads/topic", ONE),
        ];
        assert_eq!(found(&files, "tree/project", &[]), some(ONE));
    }

    #[test]
    fn a_repository_that_cannot_be_read_tells_nothing() {
        for head in [
            "",
            "ref: refs/heads/none",
            "ref: ../HEAD",
            "ref: refs/../../HEAD",
            "ref: HEAD",
            "ref: config",
            "1234",
            "ref: refs/heads/round",
        ] {
            let round = (".git/refs/heads/round", "ref: refs/heads/round");
            let files = [(".git/HEAD", head), round, ("HEAD", ONE), (".git/config", ONE)];
            assert_eq!(found(&files, "", &[("GIT_COMMIT", ONE)]), None, "{head}");
        }
        assert_eq!(found(&[(".git", "gitdir: nowhere")], "", &[("GIT_COMMIT", ONE)]), some(ONE));
        assert_eq!(found(&[(".git", "?")], "", &[]), None);
    }

    #[test]
    fn a_variable_tells_it_where_there_is_no_repository() {
        let both = [("CI_COMMIT_SHA", TWO), ("GIT_COMMIT", ONE)];
        assert_eq!(found(&[], "", &both), some(ONE));
        assert_eq!(found(&[], "", &[("GIT_COMMIT", "$(secret)"), ("GITHUB_SHA", TWO)]), some(TWO));
        assert_eq!(found(&[], "", &[]), None);
        assert_eq!(found(&[(".git/HEAD", ONE)], "", &[("GIT_COMMIT", TWO)]), some(ONE));
        let odd = [("GIT_COMMIT".into(), std::ffi::OsString::from_vec(vec![255]))];
        assert_eq!(of(Path::new("/"), &odd.into_iter().collect()), None);
    }
}
