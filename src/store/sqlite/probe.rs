//! Whether a file is a ledger that can be written, or could become one; it is left as it is.

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rustix::fs::{Access, access};

use super::open::{found, may_be_made, runner};
use super::watch::beside;
use super::{blocking, existing};
use crate::store::marker::Marker;
use crate::store::probe::Probe;
use crate::store::{Error, newer_ledger};

pub async fn probe(path: PathBuf) -> Result<Probe, Error> {
    blocking(move || {
        let marker = Marker::at(beside(&path, ".keys"));
        let is_there = path.is_dir() || std::fs::metadata(&path).is_ok_and(|file| file.len() > 0);
        let look = || if is_there { ledger(&path, &marker) } else { place(&path, &marker) };
        look().map_err(|reason| Error::Open { store: path.display().to_string(), reason })
    })
    .await
}

/// Of a file that is not there yet: whether it and its folder can be made, and may be.
fn place(path: &Path, marker: &Marker) -> Result<Probe, String> {
    writable_folder(&folder_of(path))?;
    may_be_made(path, beside(path, "-wal").exists(), marker)?;
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

fn ledger(path: &Path, marker: &Marker) -> Result<Probe, String> {
    if path.is_dir() {
        return Err("it is a folder, and has to be a file".into());
    }
    access(path, Access::READ_OK | Access::WRITE_OK)
        .map_err(|error| format!("it cannot be written: {error}"))?;
    // SQLite's log is beside it.
    writable_folder(&folder_of(path))?;
    let read = existing::read(path, |connection| Ok(look(connection, marker)));
    let any_key = read.map_err(|error| match error {
        Error::Read(reason) => reason,
        other => other.to_string(),
    })??;
    Ok(Probe { exists: true, any_key })
}

/// Whether a key was ever created in the ledger, if a start would take it.
fn look(connection: &Connection, marker: &Marker) -> Result<bool, String> {
    marker.allows(&found(connection)?)?;
    let one = |select: &str| connection.query_row(select, [], |row| row.get::<_, Option<i64>>(0));
    let text = |error: rusqlite::Error| error.to_string();
    let newest = one("SELECT max(version) FROM refinery_schema_history").map_err(text)?;
    if let Some(reason) = newer_ledger(newest, runner().get_migrations()) {
        return Err(reason);
    }
    let has_keys = one("SELECT count(*) FROM sqlite_schema WHERE name = 'keys'").map_err(text)?;
    let any_key = has_keys != Some(0) && one("SELECT count(*) FROM keys").map_err(text)? != Some(0);
    Ok(any_key || marker.is_there())
}
