//! The two hashes by which the hub lists files, and how a file on disk is held against them.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, ensure};
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// What a listing says of a file's content, in lower-case hexadecimal.
///
/// Large files (Git LFS) are listed by the SHA-256 of their content, all others by git's own name
/// for them: the SHA-1 of `blob SIZE\0` and the content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListedHash {
    Sha256(String),
    GitBlobSha1(String),
}

impl ListedHash {
    /// Of a Git LFS pointer. Some mirrors write the algorithm before the digits, as pointers do.
    pub fn sha256(oid: &str) -> anyhow::Result<ListedHash> {
        let digits = oid.strip_prefix("sha256:").unwrap_or(oid);
        hexadecimal(digits, 64).map(ListedHash::Sha256)
    }

    pub fn git_blob_sha1(oid: &str) -> anyhow::Result<ListedHash> {
        hexadecimal(oid, 40).map(ListedHash::GitBlobSha1)
    }

    /// The digits alone.
    pub fn digits(&self) -> &str {
        match self {
            ListedHash::Sha256(digits) | ListedHash::GitBlobSha1(digits) => digits,
        }
    }

    /// The same kind of hash, of a file that was read.
    pub fn of(&self, digests: &Digests) -> ListedHash {
        match self {
            ListedHash::Sha256(_) => ListedHash::Sha256(digests.sha256.clone()),
            ListedHash::GitBlobSha1(_) => ListedHash::GitBlobSha1(digests.git_blob_sha1.clone()),
        }
    }
}

/// As the lock file writes it.
impl fmt::Display for ListedHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListedHash::Sha256(digits) => write!(f, "sha256:{digits}"),
            ListedHash::GitBlobSha1(digits) => write!(f, "git-blob-sha1:{digits}"),
        }
    }
}

/// `digits` in lower case, if there are `count` of them and nothing else. They become part of file
/// names, so that nothing else may pass.
pub fn hexadecimal(digits: &str, count: usize) -> anyhow::Result<String> {
    ensure!(
        digits.len() == count && digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "`{digits}` is not a hash of {count} hexadecimal digits"
    );
    Ok(digits.to_ascii_lowercase())
}

/// Both hashes of a file, from one reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digests {
    pub size: u64,
    pub sha256: String,
    pub git_blob_sha1: String,
}

impl Digests {
    pub fn of_file(path: &Path) -> anyhow::Result<Digests> {
        let cannot_read = || format!("cannot read {}", path.display());
        let file = File::open(path).with_context(cannot_read)?;
        let size = file.metadata().with_context(cannot_read)?.len();
        read(file, size).with_context(cannot_read)
    }
}

/// `size` has to be known before the content: git hashes it first.
fn read(mut content: impl Read, size: u64) -> io::Result<Digests> {
    let mut sha256 = Sha256::new();
    let mut git = Sha1::new();
    git.update(format!("blob {size}\0"));
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = content.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        sha256.update(&buffer[..count]);
        git.update(&buffer[..count]);
    }
    Ok(Digests {
        size,
        sha256: hex::encode(sha256.finalize()),
        git_blob_sha1: hex::encode(git.finalize()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_hashes_are_those_of_git_and_of_sha256sum() {
        let digests = read(&b"hello\n"[..], 6).unwrap();
        assert_eq!(
            digests.sha256,
            "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"
        );
        assert_eq!(digests.git_blob_sha1, "ce013625030ba8dba906f756967f9e9ca394464a");
    }

    #[test]
    fn only_whole_hashes_pass() {
        let digits = "A".repeat(64);
        let listed = ListedHash::sha256(&format!("sha256:{digits}")).unwrap();
        assert_eq!(listed.digits(), "a".repeat(64));
        for bad in ["", "abc", "../../etc/passwd", &"g".repeat(64)] {
            assert!(ListedHash::sha256(bad).is_err(), "{bad}");
        }
    }
}
