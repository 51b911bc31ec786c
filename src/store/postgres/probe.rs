//! Whether a database can be reached and holds a ledger, or could; it is left as it is.

use std::path::Path;

use tokio_postgres::Client;

use super::connect::{Connector, reason, why_not_connected};
use super::{START_LIMIT, cannot_open, found, marker_of, migrations};
use crate::store::marker::Marker;
use crate::store::probe::Probe;
use crate::store::{Durability, Error, newer_ledger};

pub async fn probe(url: &str, durability: Durability, folder: &Path) -> Result<Probe, Error> {
    let connector = Connector::new(url, durability)?;
    let marker = marker_of(&connector, folder);
    let looking = async {
        let link = connector.connect().await.map_err(|error| why_not_connected(&error))?;
        let probe = look(&link.client, &marker).await.unwrap_or_else(|error| Err(reason(&error)));
        link.close().await;
        probe
    };
    let probe = tokio::time::timeout(START_LIMIT, looking).await;
    let probe = probe
        .unwrap_or_else(|_| Err(format!("it gave no answer within {} s", START_LIMIT.as_secs())));
    probe.map_err(|reason| cannot_open(&connector, reason))
}

async fn look(
    client: &Client,
    marker: &Marker,
) -> Result<Result<Probe, String>, tokio_postgres::Error> {
    let one = "SELECT to_regclass('refinery_schema_history') IS NOT NULL,
                      to_regclass('keys') IS NOT NULL,
                      pg_is_in_recovery(),
                      coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)";
    let row = client.query_one(one, &[]).await?;
    let [exists, has_keys, is_replica, may_create] = [0, 1, 2, 3].map(|at| row.get::<_, bool>(at));
    if is_replica {
        return Ok(Err("it is a replica, which cannot be written: name the primary".into()));
    }
    if let Err(reason) = marker.allows(&found(client).await?) {
        return Ok(Err(reason));
    }
    if !exists {
        return Ok(match may_create {
            true => Ok(Probe::default()),
            false => Err("the user may not create tables there: GRANT CREATE ON SCHEMA".into()),
        });
    }
    let newest = "SELECT max(version)::bigint FROM refinery_schema_history";
    let newest = client.query_one(newest, &[]).await?.get::<_, Option<i64>>(0);
    let ours = migrations::migrations::runner();
    if let Some(reason) = newer_ledger(newest, ours.get_migrations()) {
        return Ok(Err(reason));
    }
    let any_key = match has_keys {
        true => client.query_one("SELECT EXISTS (SELECT FROM keys)", &[]).await?.get(0),
        false => false,
    } || marker.is_there();
    Ok(Ok(Probe { exists, any_key }))
}
