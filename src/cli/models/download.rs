//! One file of the hub onto the disk: into a part that outlives broken connections and the program
//! itself, held against the listing before it gets its name.

use std::io::{self, ErrorKind};
use std::path::Path;

use anyhow::{Context, anyhow, ensure};
use reqwest::header::CONTENT_RANGE;
use reqwest::{Response, StatusCode};
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncWriteExt, BufWriter};

use super::hash::Digests;
use super::hub::{Hub, ListedFile};
use super::patience::Failure;
use super::screen::Screen;

/// Where a file comes from, and how far along the whole pull is when it begins.
pub struct Download<'a> {
    pub hub: &'a Hub,
    pub screen: &'a Screen,
    pub repo: &'a str,
    pub commit: &'a str,
    pub file: &'a ListedFile,
    /// Bytes of the files before this one, for the bar.
    pub before: u64,
}

impl Download<'_> {
    /// Completes `part` and holds it against the listing. After an error `part` holds the beginning
    /// of the right file, or is gone.
    pub async fn run(&self, part: &Path) -> anyhow::Result<Digests> {
        self.hub.patience().retrying(self.screen, async || self.attempt(part).await).await?;
        let digests = read_back(part).await?;
        if let Err(error) = self.check(&digests) {
            remove(part).await?;
            return Err(error);
        }
        Ok(digests)
    }

    /// Whether what was read is what is listed.
    pub fn check(&self, digests: &Digests) -> anyhow::Result<()> {
        let found = self.file.hash.of(digests);
        ensure!(
            digests.size == self.file.size && found == self.file.hash,
            "{} is not what the hub lists: {} bytes with {found}, listed are {} bytes with {}; \
             nothing of it was kept",
            self.file.path,
            digests.size,
            self.file.size,
            self.file.hash
        );
        Ok(())
    }

    async fn attempt(&self, part: &Path) -> Result<(), Failure> {
        let mut have = length(part).await?;
        if have > self.file.size {
            remove(part).await?;
            have = 0;
        }
        self.screen.arrived(self.before + have);
        // An empty file is asked for too: it has to come into being.
        if have == self.file.size && have > 0 {
            return Ok(());
        }
        let response = self.hub.content(self.repo, self.commit, &self.file.path, have).await?;
        let start = match response.status() {
            StatusCode::PARTIAL_CONTENT => self.continues_at(&response, have)?,
            StatusCode::RANGE_NOT_SATISFIABLE => {
                self.same_size(ContentRange::of(&response).and_then(|range| range.total))?;
                None
            }
            _ => {
                self.same_size(response.content_length())?;
                Some(0)
            }
        };
        let Some(start) = start else {
            remove(part).await?;
            return Err(Failure::passing(anyhow!(
                "the server does not continue {} at byte {have}: starting over",
                self.file.path
            )));
        };
        self.write(response, part, start).await
    }

    /// The first byte of a 206, if it is the one that was asked for.
    fn continues_at(&self, response: &Response, have: u64) -> anyhow::Result<Option<u64>> {
        let range = ContentRange::of(response);
        self.same_size(range.and_then(|range| range.total))?;
        Ok(range.and_then(|range| range.start).filter(|start| *start == have))
    }

    /// A server that speaks of another size serves another file: no further attempt helps.
    fn same_size(&self, said: Option<u64>) -> anyhow::Result<()> {
        ensure!(
            said.is_none_or(|size| size == self.file.size),
            "the server has {} bytes of {}, but {} are listed",
            said.unwrap_or_default(),
            self.file.path,
            self.file.size
        );
        Ok(())
    }

    /// Appends the body to `part`, which holds `start` bytes that stay.
    async fn write(&self, mut response: Response, part: &Path, start: u64) -> Result<(), Failure> {
        let mut open = OpenOptions::new();
        if start > 0 {
            open.append(true);
        } else {
            open.write(true).create(true).truncate(true);
        }
        let file = match open.open(part).await {
            Ok(file) => file,
            Err(error) => return Err(self.unwritable(part, error).await),
        };
        let mut file = BufWriter::with_capacity(1 << 20, file);
        let mut have = start;
        let broke_off = loop {
            match response.chunk().await {
                Ok(Some(bytes)) => {
                    have += bytes.len() as u64;
                    if have > self.file.size {
                        remove(part).await?;
                        return Err(anyhow!(
                            "the server sends more than the {} bytes that are listed for {}",
                            self.file.size,
                            self.file.path
                        )
                        .into());
                    }
                    if let Err(error) = file.write_all(&bytes).await {
                        return Err(self.unwritable(part, error).await);
                    }
                    self.screen.arrived(self.before + have);
                }
                Ok(None) => break None,
                Err(error) => break Some(error.without_url()),
            }
        };
        if let Err(error) = flush(&mut file).await {
            return Err(self.unwritable(part, error).await);
        }
        let so_far = format!("{} of {} bytes of {}", have, self.file.size, self.file.path);
        match broke_off {
            Some(error) => Err(Failure::passing(
                anyhow!(error).context(format!("the connection broke after {so_far}")),
            )),
            None if have < self.file.size => {
                Err(Failure::passing(anyhow!("the server sent only {so_far}")))
            }
            None => Ok(()),
        }
    }

    /// A full disk is given back what the part took; others may need it more.
    async fn unwritable(&self, part: &Path, error: io::Error) -> Failure {
        let full = matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
        let error = anyhow!(error).context(format!("cannot write {}", part.display()));
        if !full {
            return error.into();
        }
        let needed = format!(
            "the disk is full: {} needs {} bytes, and nothing of it was kept",
            self.file.path, self.file.size
        );
        match remove(part).await {
            Ok(()) => error.context(needed).into(),
            Err(removal) => removal.context(error).context(needed).into(),
        }
    }
}

/// The rename that follows must not reach the disk before the content.
async fn flush(file: &mut BufWriter<File>) -> io::Result<()> {
    file.flush().await?;
    match file.get_ref().sync_all().await {
        // Some file systems and devices cannot sync; they are as good as they get.
        Err(error) if error.kind() == ErrorKind::InvalidInput => Ok(()),
        done => done,
    }
}

/// Hashing hundreds of megabytes would hold up whatever else runs on the thread.
pub async fn read_back(path: &Path) -> anyhow::Result<Digests> {
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || Digests::of_file(&path)).await?
}

async fn length(part: &Path) -> anyhow::Result<u64> {
    match tokio::fs::metadata(part).await {
        Ok(metadata) => Ok(metadata.len()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", part.display())),
    }
}

async fn remove(part: &Path) -> anyhow::Result<()> {
    match tokio::fs::remove_file(part).await {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", part.display()))
        }
        _ => Ok(()),
    }
}

/// `bytes 5-9/10`, `bytes */10`, `bytes 5-9/*` (RFC 9110, 14.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ContentRange {
    start: Option<u64>,
    total: Option<u64>,
}

impl ContentRange {
    fn of(response: &Response) -> Option<ContentRange> {
        ContentRange::parse(response.headers().get(CONTENT_RANGE)?.to_str().ok()?)
    }

    fn parse(value: &str) -> Option<ContentRange> {
        let (range, total) = value.trim().strip_prefix("bytes ")?.split_once('/')?;
        let start = range.split_once('-').and_then(|(start, _)| start.trim().parse().ok());
        Some(ContentRange { start, total: total.trim().parse().ok() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_range_is_read_in_all_its_forms() {
        let check = |value, start, total| {
            assert_eq!(ContentRange::parse(value), Some(ContentRange { start, total }), "{value}");
        };
        check("bytes 5-9/10", Some(5), Some(10));
        check("bytes */10", None, Some(10));
        check("bytes 5-9/*", Some(5), None);
        assert_eq!(ContentRange::parse("lines 1-2/3"), None);
    }
}
