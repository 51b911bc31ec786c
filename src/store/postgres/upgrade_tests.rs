//! What a ledger of an older version becomes.

use std::time::UNIX_EPOCH;

use super::tests::{open, other};
use super::*;
use crate::store::postgres_server::Database;

#[tokio::test]
#[ignore = "needs PostgreSQL: make test-all"]
async fn a_sum_that_an_older_version_stopped_is_made_whole() {
    let database = Database::new();
    let mut old = other(&database).await;
    let runner = migrations::migrations::runner().set_target(refinery::Target::Version(11));
    runner.run_async(&mut old).await.expect("the older tables");
    old.batch_execute(
        "INSERT INTO attempts (id, request_id, reserved_at, expires_at, tags, endpoint, text_bytes,
            provider, model_asked, state)
         SELECT gen_random_uuid(), 'r', 1, 2, '{}', 'sentiment', 1, 'openai',
            CASE WHEN n < 6 THEN 'm' ELSE 'n' END, 'reserved'
         FROM generate_series(1, 6) AS n;
         UPDATE attempts SET state = 'settled', settled_at = 3, cost_pico = 2500000000000000000",
    )
    .await
    .expect("attempts of long ago");
    let stopped = old.query_one("SELECT max(cost_pico) FROM settled_days", &[]).await;
    assert_eq!(stopped.expect("a sum").get::<_, i64>(0), i64::MAX);
    let store = open(&database).await;
    let (from, to) = (OffsetDateTime::UNIX_EPOCH, OffsetDateTime::UNIX_EPOCH + time::Duration::DAY);
    let query = CostQuery { from, to, group_by: vec![crate::store::GroupBy::Model], price: None };
    let report = store.costs(query, UNIX_EPOCH).await.expect("a report");
    assert_eq!(report.total.cost_usd.to_string(), "15000000");
    assert_eq!(report.rows[0].figures.cost_usd.to_string(), "12500000");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make test-all"]
async fn what_an_older_version_settled_is_summed_at_the_first_start() {
    let database = Database::new();
    let mut old = other(&database).await;
    let runner = migrations::migrations::runner().set_target(refinery::Target::Version(9));
    runner.run_async(&mut old).await.expect("the older tables");
    old.batch_execute(
        "INSERT INTO attempts (id, request_id, reserved_at, expires_at, settled_at, tags, endpoint,
            text_bytes, provider, model_asked, input, cost_pico, state)
         SELECT gen_random_uuid(), 'r', n * 40000000, n * 40000000 + 1, 9, '{}', 'sentiment', 1,
            'openai', 'm', 7, 1 << n::int, 'settled'
         FROM generate_series(1::bigint, 6) AS n",
    )
    .await
    .expect("attempts of long ago");
    let store = open(&database).await;
    let at = |ms: i64| OffsetDateTime::UNIX_EPOCH + time::Duration::milliseconds(ms);
    let query = |from, to| CostQuery { from: at(from), to: at(to), group_by: vec![], price: None };
    for (from, to, calls, pico) in
        [(0, 5 * 86_400_000, 6, 126), (0, 86_400_000, 2, 6), (80_000_001, 200_000_000, 2, 24)]
    {
        let report = store.costs(query(from, to), UNIX_EPOCH).await.expect("a report");
        let total = report.total;
        assert_eq!((total.calls, total.cost_usd), (calls, Usd::from_pico(pico)), "{from}..{to}");
    }
    // Settled by whatever version: the database adds it.
    old.batch_execute(
        "INSERT INTO attempts (id, request_id, reserved_at, expires_at, tags, endpoint, text_bytes,
            provider, model_asked, state)
         VALUES (gen_random_uuid(), 'r', 1, 2, '{}', 'sentiment', 1, 'openai', 'm', 'reserved');
         UPDATE attempts SET state = 'settled', settled_at = 3, cost_pico = 1000
         WHERE state = 'reserved'",
    )
    .await
    .expect("settled");
    let total = store.costs(query(0, 86_400_000), UNIX_EPOCH).await.expect("a report").total;
    assert_eq!((total.calls, total.cost_usd), (3, Usd::from_pico(1006)));
}
