//! Files that hold what belongs to users: texts, answers, costs. Their owner alone reads them, whatever the
//! umask. Owns how such files and folders are made and tightened; what stands in them is others' business.

use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// What group and others may do.
const OTHERS: u32 = 0o077;

/// Creates a folder, with those above it, where there is none. One that is there already stays as it is: it
/// may be shared with other programs, and the files in it are closed by themselves.
pub fn create_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// How a file is opened that its owner alone may read, should it be created.
pub fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

/// Takes group's and others' permissions from a file that is there, and says so in the log.
pub fn tighten(path: &Path) {
    let Ok(metadata) = std::fs::metadata(path) else { return };
    let mode = metadata.permissions().mode();
    if !metadata.is_file() || mode & OTHERS == 0 {
        return;
    }
    let file = path.display();
    match std::fs::set_permissions(path, Permissions::from_mode(mode & 0o700)) {
        Ok(()) => tracing::warn!(
            %file,
            before = format!("{:04o}", mode & 0o777),
            "the file holds users' data and others could read it: now its owner alone can"
        ),
        Err(error) => tracing::warn!(
            %file,
            %error,
            "the file holds users' data and others can read it; its permissions cannot be changed: \
             use chmod 600"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777
    }

    #[test]
    fn only_the_owner_reads_what_is_made_or_tightened() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let inner = folder.path().join("a/b");
        create_folder(&inner).expect("created");
        let file = inner.join("file");
        options().write(true).create_new(true).open(&file).expect("created");
        assert_eq!((mode(&inner), mode(&file)), (0o700, 0o600));
        std::fs::set_permissions(&file, Permissions::from_mode(0o664)).expect("it is ours");
        tighten(&file);
        assert_eq!(mode(&file), 0o600);
    }
}
