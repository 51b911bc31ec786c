//! Whether a file is a ledger that can be written, or could become one; it is left as it is.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use rustix::fs::{Access, access};

use super::open::runner;
use super::{BUSY_TIMEOUT, blocking};
use crate::store::probe::Probe;
use crate::store::{Error, newer_ledger};

pub async fn probe(path: PathBuf) -> Result<Probe, Error> {
    blocking(move || {
        let look = || if path.exists() { ledger(&path) } else { place(&path) };
        look().map_err(|reason| Error::Open { store: path.display().to_string(), reason })
    })
    .await
}

/// Of a file that is not there yet: whether it and its folder can be made.
fn place(path: &Path) -> Result<Probe, String> {
    writable_folder(&folder_of(path))?;
    Ok(Probe::default())
}

fn folder_of(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new(".")).to_owned()
}

/// The folder, or the nearest one above it that there is.
fn writable_folder(folder: &Path) -> Result<(), String> {
    let above = folder.ancestors().map(|above| match above.as_os_str().is_empty() {
        true => Path::new("."),
        false => above,
    });
    let there = above.into_iter().find(|above| above.exists()).unwrap_or(Path::new("."));
    if !there.is_dir() {
        return Err(format!("{} is not a folder", there.display()));
    }
    access(there, Access::WRITE_OK | Access::EXEC_OK)
        .map_err(|error| format!("the folder {} cannot be written: {error}", there.display()))
}

fn ledger(path: &Path) -> Result<Probe, String> {
    if path.is_dir() {
        return Err("it is a folder, and has to be a file".into());
    }
    access(path, Access::READ_OK | Access::WRITE_OK)
        .map_err(|error| format!("it cannot be written: {error}"))?;
    // SQLite's log is beside it.
    writable_folder(&folder_of(path))?;
    read(path).map_err(|error| error.to_string())?
}

fn read(path: &Path) -> rusqlite::Result<Result<Probe, String>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    let is_there = |table: &str| {
        connection.prepare("SELECT 1 FROM sqlite_master WHERE name = ?1")?.exists([table])
    };
    if !is_there("refinery_schema_history")? {
        return Ok(Err("it is a file of something else, not a ledger".into()));
    }
    let newest = "SELECT max(version) FROM refinery_schema_history";
    let newest = connection.query_row(newest, [], |row| row.get::<_, Option<i64>>(0))?;
    let ours = runner();
    if let Some(reason) = newer_ledger(newest, ours.get_migrations()) {
        return Ok(Err(reason));
    }
    let any_key = is_there("keys")? && connection.prepare("SELECT 1 FROM keys")?.exists([])?;
    Ok(Ok(Probe { exists: true, any_key }))
}
