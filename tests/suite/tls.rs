//! A database that is spoken to over TLS: its certificate is checked, and who is turned away is told why.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
};
use serde_json::json;

use crate::gateway::{Finished, Setup};
use crate::postgres::server::{Database, Server};

/// An authority of a test's own.
fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate().expect("a key can be made");
    CertifiedIssuer::self_signed(params, key).expect("an authority signs itself")
}

/// A server with a certificate of that authority for that name.
fn server(authority: &CertifiedIssuer<'static, KeyPair>, name: &str) -> Server {
    let key = KeyPair::generate().expect("a key can be made");
    let params = CertificateParams::new(vec![name.to_owned()]).expect("it is a name");
    let certificate = params.signed_by(&key, &**authority).expect("the authority signs");
    Server::start_over_tls(&certificate.pem(), &key.serialize_pem())
}

/// Trusts that authority alone.
fn setup(url: String, authority: &CertifiedIssuer<'static, KeyPair>) -> Setup {
    let setup = Setup::local().set("store.url", url);
    let file = setup.path("authority.pem");
    std::fs::write(&file, authority.pem()).expect("written");
    setup.variable("SSL_CERT_FILE", file.display())
}

/// Fails with that in its message, at once: nothing that waiting would mend.
#[track_caller]
fn is_refused(finished: &Finished, took: std::time::Duration, expected: &[&str]) {
    assert_eq!(finished.code, Some(1), "{}{}", finished.stdout, finished.stderr);
    for part in expected {
        assert!(finished.stderr.contains(part), "{part}: {}", finished.stderr);
    }
    assert!(took.as_secs() < 12, "it waited {took:?}: {}", finished.stderr);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make test-all"]
async fn a_certificate_is_taken_from_its_authority_and_for_its_name_alone() {
    let (ours, theirs) = (authority("Ours"), authority("Theirs"));
    let right = server(&ours, "127.0.0.1");
    let url = format!("{}?sslmode=require", right.database().url());
    let gateway = setup(url.clone(), &ours).start().await;
    gateway.sentiment(json!({"text": "Hm.", "route": "local"})).await;
    assert_eq!(gateway.get("/readyz").await.json()["store"]["ok"], true);
    gateway.costs("").await;

    let wrong_name = server(&ours, "elsewhere.example");
    let other_url = format!("{}?sslmode=require", wrong_name.database().url());
    for (setup, fault) in
        [(setup(url, &theirs), "UnknownIssuer"), (setup(other_url, &ours), "not valid for")]
    {
        let start = std::time::Instant::now();
        let finished = setup.run(&["costs"]).await;
        is_refused(&finished, start.elapsed(), &[fault, "SSL_CERT_FILE", "store.url"]);
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make test-all"]
async fn tls_on_one_side_alone_is_refused_with_what_to_set() {
    let ours = authority("Ours");
    let server = server(&ours, "127.0.0.1");
    let tls_alone = server.database().url();
    let plain = Database::new().url();
    for (url, hint) in [
        // This machine is spoken to in the clear where nothing else is asked for.
        (tls_alone.clone(), "set sslmode=require"),
        (format!("{tls_alone}?sslmode=disable"), "set sslmode=require"),
        (format!("{plain}?sslmode=require"), "set sslmode=disable"),
    ] {
        let start = std::time::Instant::now();
        let finished = setup(url, &ours).run(&["costs"]).await;
        is_refused(&finished, start.elapsed(), &[hint, "store.url"]);
    }
}
