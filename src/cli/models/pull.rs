//! `undertone models pull`: a model from the hub into its folder, whole and checked, or not at all.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use clap::Args;

use super::catalogue::{Catalogue, Target};
use super::download::{Download, read_back};
use super::hash::Digests;
use super::hub::Hub;
use super::install::{Claim, Staging};
use super::lock::{LOCK_FILE, Lock, LockedFile, LockedModel};
use super::next_steps::next_steps;
use super::screen::Screen;
use super::wanted::Chosen;
use crate::cli::output;

/// Get a model from the hub
///
/// Every file is checked against the size and hash that the hub lists for it before the folder
/// appears. models/models.lock keeps the commit and the hashes; pulling the same name again brings
/// the same bytes or fails. A download that breaks off goes on where it stopped when the same
/// command is given again.
///
/// HF_ENDPOINT names a mirror; HF_TOKEN is sent to that host alone, for private or gated models.
#[derive(Clone, Debug, Args)]
pub struct PullArgs {
    /// A short name (`undertone models list` shows them) or a repository, as owner/repo
    pub name: String,
    /// The branch, tag or commit to pull, whatever the lock file says
    #[arg(long, value_name = "REV")]
    pub revision: Option<String>,
    /// Where models are kept, a folder each
    #[arg(long, value_name = "DIR", default_value = "models")]
    pub models_dir: PathBuf,
    /// Forget the lock file's entry, and replace the folder whatever is in it
    #[arg(long)]
    pub force: bool,
}

/// A model that is there now.
#[derive(Clone, Debug)]
pub struct Pulled {
    pub folder: PathBuf,
    pub model: LockedModel,
    /// `false` where it was there already, as locked.
    pub fresh: bool,
}

pub(super) async fn run(args: &PullArgs) -> anyhow::Result<ExitCode> {
    let catalogue = Catalogue::built_in()?;
    let hub = Hub::from_environment(&catalogue.endpoint)?;
    let pulled = pull(&hub, &catalogue, args).await?;
    output::line(&next_steps(&pulled, &catalogue)?)?;
    Ok(ExitCode::SUCCESS)
}

/// Brings the model that `args` name from `hub` into the models folder.
pub async fn pull(hub: &Hub, catalogue: &Catalogue, args: &PullArgs) -> anyhow::Result<Pulled> {
    let target = catalogue.target(&args.name)?;
    let _claim = Claim::of(&args.models_dir)?;
    let mut lock = Lock::read(&args.models_dir)?;
    let staging = Staging::of(&args.models_dir, &target.name)?;
    let locked = locked(&lock, &target, args)?;
    let there = staging.folder().exists() && !args.force;
    if there {
        let locked = locked.as_ref().with_context(|| {
            format!(
                "{} is there, but {LOCK_FILE} has no entry for it; --force replaces it",
                staging.folder().display()
            )
        })?;
        intact(staging.folder(), locked).await?;
    }
    let already =
        |model: LockedModel| Pulled { folder: staging.folder().to_owned(), model, fresh: false };

    let screen = Screen::new();
    let (revision, commit) = match (&args.revision, locked) {
        (None, Some(locked)) if there => return Ok(already(locked)),
        (None, Some(locked)) => (locked.revision, locked.commit),
        (Some(revision), locked) => {
            let commit = hub.commit(&target.repo, revision, &screen).await?;
            match locked.filter(|locked| there && locked.commit == commit) {
                Some(locked) => return Ok(already(locked)),
                None => (revision.clone(), commit),
            }
        }
        (None, None) => {
            let commit = hub.commit(&target.repo, &target.revision, &screen).await?;
            (target.revision.clone(), commit)
        }
    };
    let bound =
        (args.revision.is_none() && !args.force).then(|| lock.model(&target.name)).flatten();
    let chosen =
        target.wanted.choose(&target.repo, &hub.files(&target.repo, &commit, &screen).await?)?;
    for file in &chosen {
        as_locked(file, bound)?;
    }

    let gathering = Gathering { hub, screen: &screen, repo: &target.repo, commit: &commit, bound };
    let files = gathering.run(&staging, &chosen).await.inspect_err(|_| {
        if staging.sweep() {
            screen.note("What has arrived is kept; the same command goes on from there.");
        }
    })?;

    let model = LockedModel {
        name: target.name,
        repo: target.repo,
        revision,
        commit,
        endpoint: hub.address(),
        files: files.iter().map(|(_, file)| file.clone()).collect(),
    };
    let finished: Vec<_> = files.into_iter().map(|(part, file)| (part, file.name)).collect();
    lock.put(model.clone());
    staging.install(&finished, || lock.write(&args.models_dir))?;
    Ok(Pulled { folder: staging.folder().to_owned(), model, fresh: true })
}

/// The lock file's entry for the name, if it counts.
fn locked(lock: &Lock, target: &Target, args: &PullArgs) -> anyhow::Result<Option<LockedModel>> {
    let Some(locked) = lock.model(&target.name).filter(|_| !args.force) else {
        return Ok(None);
    };
    ensure!(
        locked.repo == target.repo,
        "{LOCK_FILE} has {} from {}, and it would come from {} now; --force changes over",
        target.name,
        locked.repo,
        target.repo
    );
    Ok(Some(locked.clone()))
}

/// Whether a folder holds what was pulled. What somebody changed there is not overwritten unasked.
async fn intact(folder: &Path, locked: &LockedModel) -> anyhow::Result<()> {
    for file in &locked.files {
        let path = folder.join(&file.name);
        let as_pulled = path.exists() && read_back(&path).await?.sha256 == file.sha256;
        ensure!(
            as_pulled,
            "{} is not as it was pulled; --force fetches the whole folder anew",
            path.display()
        );
    }
    Ok(())
}

/// The entry of the lock file that a chosen file is bound by.
fn entry<'a>(file: &Chosen, bound: Option<&'a LockedModel>) -> Option<&'a LockedFile> {
    bound?.files.iter().find(|locked| locked.name == file.name)
}

/// Refuses, before anything is downloaded, a listing that says something else than it once did.
fn as_locked(file: &Chosen, bound: Option<&LockedModel>) -> anyhow::Result<()> {
    let Some(locked) = entry(file, bound) else {
        return Ok(());
    };
    let listed = &file.listed;
    ensure!(
        locked.listed == listed.hash.to_string() && locked.size == listed.size,
        "{} is listed with {} and {} bytes now, and was pulled with {} and {} bytes ({LOCK_FILE}): \
         refused; --force takes what the hub has now",
        listed.path,
        listed.hash,
        listed.size,
        locked.listed,
        locked.size
    );
    Ok(())
}

/// The download of a model's files, one after the other.
struct Gathering<'a> {
    hub: &'a Hub,
    screen: &'a Screen,
    repo: &'a str,
    commit: &'a str,
    bound: Option<&'a LockedModel>,
}

impl Gathering<'_> {
    /// The finished part of each file, and what the lock file is to say of it.
    async fn run(
        &self,
        staging: &Staging,
        chosen: &[Chosen],
    ) -> anyhow::Result<Vec<(PathBuf, LockedFile)>> {
        staging.open()?;
        self.screen.expect(chosen.iter().map(|file| file.listed.size).sum());
        let mut before = 0;
        let mut finished = Vec::new();
        for file in chosen {
            self.screen.file(&file.name);
            let part = staging.part(&file.name, file.listed.hash.digits());
            let download = Download {
                hub: self.hub,
                screen: self.screen,
                repo: self.repo,
                commit: self.commit,
                file: &file.listed,
                before,
            };
            let digests = download.run(&part).await?;
            self.as_before(file, &digests, &part)?;
            before += file.listed.size;
            finished.push((part, in_lock_file(file, digests)));
        }
        Ok(finished)
    }

    /// What is listed by a SHA-1 is held against the SHA-256 of the first pull besides.
    fn as_before(&self, file: &Chosen, digests: &Digests, part: &Path) -> anyhow::Result<()> {
        match entry(file, self.bound) {
            Some(locked) if locked.sha256 != digests.sha256 => {
                std::fs::remove_file(part)
                    .with_context(|| format!("cannot remove {}", part.display()))?;
                bail!(
                    "{} has sha256 {}, and {LOCK_FILE} says {}: refused",
                    file.listed.path,
                    digests.sha256,
                    locked.sha256
                )
            }
            _ => Ok(()),
        }
    }
}

fn in_lock_file(file: &Chosen, digests: Digests) -> LockedFile {
    LockedFile {
        name: file.name.clone(),
        path: file.listed.path.clone(),
        size: digests.size,
        sha256: digests.sha256,
        listed: file.listed.hash.to_string(),
    }
}
