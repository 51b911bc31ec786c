//! Keys as a running gateway knows them.

use std::time::Duration;

use secrecy::ExposeSecret;

use super::*;
use crate::store::Durability;

async fn access() -> (tempfile::TempDir, Store, Access) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = format!("sqlite://{}", folder.path().join("ledger.db").display());
    let config = store::Config::new(url, Durability::Process);
    let store = Store::open(&config).await.expect("a new store opens");
    let config = Config {
        require_keys: false,
        requests_per_minute: 3,
        texts_per_minute: 0,
        tokens_per_minute: 0,
        budget_webhook: WebhookUrl::default(),
    };
    let access = Access::open(store.clone(), config, None).await.expect("it can be read");
    (folder, store, access)
}

fn new(scopes: &[Scope]) -> NewKey {
    NewKey {
        team: "care".into(),
        scopes: scopes.to_vec(),
        expires_at: None,
        requests_per_minute: None,
        texts_per_minute: None,
        tokens_per_minute: None,
        budgets: Vec::new(),
        hard: true,
    }
}

async fn key(store: &Store, new: NewKey) -> (String, String) {
    let (stored, secret) = create(store, new).await.expect("a key");
    (stored.id, format!("Bearer {}", secret.expose_secret()))
}

#[tokio::test]
async fn without_keys_all_are_let_in_and_from_the_first_on_none_without_one() {
    let (_folder, store, access) = access().await;
    let grant = access.admit(None, Some(Scope::Analyze)).expect("it is open");
    assert!(access.is_open() && grant.key_id().is_none() && grant.may(Scope::CostsRead));

    let (id, header) = key(&store, new(&[Scope::Analyze])).await;
    access.refresh().await.expect("read");
    assert!(!access.is_open());
    let grant = access.admit(Some(&header), Some(Scope::Analyze)).expect("a key");
    assert_eq!((grant.key_id(), grant.team()), (Some(id.as_str()), Some("care")));
    let denied = |header: Option<&str>| access.admit(header, None).expect_err("no key");
    assert_eq!(denied(None), Denied::NoKey);
    for header in ["", "Bearer", "Bearer ", "Basic dTpw", &header.replace("Bearer ", "")] {
        assert_eq!(denied(Some(header)), Denied::NoKey, "{header}");
    }
    assert_eq!(denied(Some("Bearer ut_0")), Denied::UnknownKey);
    let lacks = access.admit(Some(&header), Some(Scope::CostsRead));
    assert_eq!(lacks.expect_err("no scope"), Denied::Scope(Scope::CostsRead));

    store.revoke_key(id, OffsetDateTime::now_utc()).await.expect("revoked");
    assert!(grant.check().is_ok());
    access.refresh().await.expect("read");
    assert_eq!(denied(Some(&header)), Denied::UnknownKey);
    assert_eq!(grant.check(), Err(Denied::UnknownKey), "who holds it is told as well");
    assert_eq!(denied(None), Denied::NoKey, "keys are required for good");
}

#[tokio::test]
async fn a_key_expires_by_itself_and_limits_outlive_a_refresh() {
    let (_folder, store, access) = access().await;
    let expires_at = Some(OffsetDateTime::now_utc() + Duration::from_millis(300));
    let (_, header) = key(&store, NewKey { expires_at, ..new(&[Scope::Analyze]) }).await;
    let (_, lasting) = key(&store, new(&[Scope::Analyze])).await;
    access.refresh().await.expect("read");
    for left in [2, 1, 0] {
        let grant = access.admit(Some(&lasting), None).expect("within the limit");
        assert_eq!(grant.standing().map(|standing| standing.remaining), Some(left));
        access.refresh().await.expect("read");
    }
    let denied = access.admit(Some(&lasting), None).expect_err("used up");
    assert!(matches!(denied, Denied::Rate { what: "requests", limit: 3, .. }), "{denied:?}");
    while access.admit(Some(&header), Some(Scope::CostsRead)).err() != Some(Denied::UnknownKey) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn what_makes_no_key_is_named() {
    let (_folder, store, _access) = access().await;
    let past = Some(OffsetDateTime::UNIX_EPOCH);
    let below = vec![(store::Period::Day, "-1".parse().expect("an amount"))];
    for (wrong, option) in [
        (NewKey { team: " ".into(), ..new(&[Scope::Analyze]) }, "--team"),
        (NewKey { team: "x".repeat(65), ..new(&[Scope::Analyze]) }, "--team"),
        (new(&[]), "--scopes"),
        (NewKey { expires_at: past, ..new(&[Scope::Analyze]) }, "--expires"),
        (NewKey { budgets: below, ..new(&[Scope::Analyze]) }, "--budget-day"),
    ] {
        let error = create(&store, wrong).await.expect_err(option).to_string();
        assert!(error.starts_with(option), "{error}");
    }
    assert_eq!(store.keys().await, Ok(vec![]));
}

#[test]
fn scopes_are_stored_by_name() {
    for scope in Scope::ALL {
        assert_eq!(scope.name().parse(), Ok(scope));
        assert!(Scopes::stored(&format!("later:version {}", scope.name())).contain(scope));
    }
    let both: Scopes = [Scope::CostsRead, Scope::Analyze].into_iter().collect();
    assert_eq!(both.to_string(), "analyze costs:read");
    assert!(!both.contain(Scope::MetricsRead));
    assert!("costs".parse::<Scope>().is_err());
}

#[tokio::test]
async fn the_texts_of_a_batch_count_and_one_that_does_not_fit_counts_none() {
    let (_folder, store, access) = access().await;
    let limited = NewKey { texts_per_minute: Some(10), ..new(&[Scope::Analyze]) };
    let (_, header) = key(&store, limited).await;
    access.refresh().await.expect("read");
    let grant = access.admit(Some(&header), None).expect("a key");
    assert_eq!(grant.count_texts(7), Ok(()));
    for (asked, longest) in [(4, 6), (5_000, 42)] {
        let denied = grant.count_texts(asked).expect_err("three are left");
        let Denied::Texts { left, limit, retry_after, .. } = denied else { panic!("{denied}") };
        assert_eq!((left, limit), (3, 10), "none of the refused are counted");
        assert!(retry_after.as_secs() < longest, "{retry_after:?}");
    }
    for _ in 0..3 {
        assert_eq!(grant.count_text(), Ok(()));
    }
    assert!(matches!(grant.count_text(), Err(Denied::Rate { what: "texts", limit: 10, .. })));
    assert_eq!(grant.standing().expect("it has limits").remaining, 0, "the tighter one is told");
}
