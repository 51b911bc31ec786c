//! Opening the file: made where there is none, refused where it is another program's or not the ledger that
//! it should be, brought up to date, and watched from then on.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::keeper::Keeper;
use super::watch::{Watch, beside};
use super::{BUSY_TIMEOUT, Durability};
use crate::private;
use crate::store::marker::{Found, Marker};

mod migrations {
    refinery::embed_migrations!("migrations/sqlite");
}

pub(super) use migrations::migrations::runner;

/// Pages of 4 KB that the write-ahead log may have, about.
const MOST_LOG_PAGES: u32 = 8000;

/// What a writer needs.
pub(super) struct Opened {
    pub connection: Connection,
    pub keeper: Keeper,
    pub watch: Arc<Watch>,
    /// The ledger's id.
    pub id: String,
}

/// Opens a file that is created, with its folder, where there is none.
///
/// # Errors
/// A sentence that goes on after "the store … cannot be opened: ".
pub(super) fn create(
    path: &Path,
    durability: Durability,
    marker: &Marker,
) -> Result<Opened, String> {
    let text = |error: rusqlite::Error| error.to_string();
    if let Some(folder) = path.parent() {
        private::create_folder(folder)
            .map_err(|error| format!("its folder cannot be created: {error}"))?;
    }
    make(path, marker)?;
    let mut connection = connect(path, durability, OpenFlags::SQLITE_OPEN_CREATE).map_err(text)?;
    let found = found(&connection)?;
    marker.allows(&found)?;
    migrate(&mut connection)?;
    if let (Found::Unnamed, Some(id)) = (&found, marker.ledger()) {
        // A copy from before ledgers had ids, restored.
        connection.execute("UPDATE ledger_identity SET id = ?1", [id]).map_err(text)?;
    }
    let kept = connect(path, durability, OpenFlags::empty()).map_err(text)?;
    let id =
        kept.query_row("SELECT id FROM ledger_identity", [], |row| row.get(0)).map_err(text)?;
    let watch = Watch::begin(path).map_err(|error| format!("it cannot be looked at: {error}"))?;
    let watch = Arc::new(watch);
    let keeper = Keeper::new(Arc::clone(&watch), kept);
    Ok(Opened { connection, keeper, watch, id })
}

/// Makes a missing file, for its owner alone: SQLite gives those beside it the same permissions. One that
/// is there is never opened here, since closing it again would take SQLite's locks from it.
fn make(path: &Path, marker: &Marker) -> Result<(), String> {
    let log = beside(path, "-wal");
    // Looked for first: whoever makes a new ledger at the same time makes the log after the file.
    let has_log = log.exists();
    if std::fs::metadata(path).is_ok_and(|file| file.len() > 0) {
        for file in [path, &log, &beside(path, "-shm")] {
            private::tighten(file);
        }
        return Ok(());
    }
    may_be_made(path, has_log, marker)?;
    match private::options().write(true).create_new(true).open(path) {
        Ok(_) => tracing::info!(file = %path.display(), "a new ledger is made"),
        // Empty: made by another process, or by hand.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => private::tighten(path),
        // SQLite says it better.
        Err(_) => {}
    }
    Ok(())
}

/// Refuses a new ledger where one was lost.
pub(super) fn may_be_made(path: &Path, has_log: bool, marker: &Marker) -> Result<(), String> {
    marker.allows(&Found::Nothing).map_err(|error| format!("{error}.{}", rescued(path)))?;
    if has_log {
        return Err(format!(
            "it is missing or empty, but its write-ahead log {} is there: the ledger was removed or \
             moved.{} Put it back. If you really want to start anew, delete the log",
            beside(path, "-wal").display(),
            rescued(path)
        ));
    }
    Ok(())
}

/// Names the newest copy that a gateway saved of a lost ledger.
fn rescued(path: &Path) -> String {
    let begin = beside(path, ".rescued-");
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let entries = std::fs::read_dir(folder.unwrap_or(Path::new("."))).into_iter().flatten();
    let begin = begin.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let newest: Option<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|file| {
            file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&begin))
        })
        .max();
    newest.map_or_else(String::new, |file| format!(" What it held is in {}.", file.display()))
}

/// What a file holds before anything is changed in it.
pub(super) fn found(connection: &Connection) -> Result<Found, String> {
    let text = |error: rusqlite::Error| error.to_string();
    let has = |table: &str| {
        connection
            .prepare("SELECT 1 FROM sqlite_schema WHERE name = ?1")
            .and_then(|mut select| select.exists([table]))
            .map_err(text)
    };
    if has("ledger_identity")? {
        let select = "SELECT id FROM ledger_identity";
        return Ok(Found::Ledger(
            connection.query_row(select, [], |row| row.get(0)).map_err(text)?,
        ));
    }
    if has("refinery_schema_history")? {
        return Ok(Found::Unnamed);
    }
    let tables: u32 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(text)?;
    match tables {
        0 => Ok(Found::Nothing),
        _ => Err("it is a database of another program: it has tables, and none of them is \
                  Undertone's. Name another file in store.url"
            .to_owned()),
    }
}

/// A connection that writes. `create` decides whether a missing file is an error.
pub(super) fn connect(
    path: &Path,
    durability: Durability,
    create: OpenFlags,
) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | create;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // SQLite does not wait for others where it changes the mode of a file: of two processes that meet
    // a new one, the second would be told at once that it is locked.
    let patience = Instant::now() + BUSY_TIMEOUT;
    while let Err(error) = connection.pragma_update(None, "journal_mode", "wal") {
        let busy = error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy);
        if !busy || Instant::now() >= patience {
            return Err(error);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    // In WAL mode, FULL syncs at every commit; NORMAL syncs at checkpoints alone, which loses
    // nothing while the operating system lives. `checkpointer` makes one every second.
    let synchronous = match durability {
        Durability::Disk => "full",
        Durability::Process => "normal",
    };
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // What is deleted is overwritten: a kept text that somebody wants forgotten is gone.
    connection.pragma_update(None, "secure_delete", true)?;
    // While others commit, no checkpoint can start the log afresh: past this length, one of them does,
    // and finds little left to bring to the disk.
    connection.pragma_update(None, "wal_autocheckpoint", MOST_LOG_PAGES)?;
    Ok(connection)
}

/// Brings the tables up to date. Of several processes that start at once, one wins each step; the
/// others find it done when they look again.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), String> {
    const TRIES: u32 = 5;
    let mut tries = 1;
    while let Err(error) = migrations::migrations::runner().run(connection) {
        if tries == TRIES {
            return Err(error.to_string());
        }
        tries += 1;
        std::thread::sleep(Duration::from_millis(50));
    }
    // A file that cannot be written passes for up to date where there is nothing to migrate.
    match connection.is_readonly("main") {
        Ok(false) => Ok(()),
        Ok(true) => Err("it is read-only".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
