//! Connections that idle, that send and don't read, that are answered before they have sent all, that come
//! through a proxy; and a stop that ends whatever they do.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::double::{Double, Script};
use crate::gateway::{Gateway, Setup};
use crate::metrics::{metric, reaches};

/// A connection to the gateway that has sent that.
fn open(gateway: &Gateway, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", gateway.port().parse().expect("a port")))
        .expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a time-out can be set");
    stream.set_write_timeout(Some(Duration::from_secs(2))).expect("a time-out can be set");
    stream.write_all(bytes).expect("it reads");
    stream
}

/// All that comes until the other side closes.
fn rest(mut stream: &TcpStream) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

const NDJSON: &str = "POST /v1/batch?task=sentiment HTTP/1.1\r\nHost: localhost\r\n\
                      Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n";

/// Sends lines that are answered at once and reads nothing; returns what the other side says in the end.
async fn send_and_read_nothing(stream: TcpStream) -> std::io::Error {
    send_and_read_none(stream, json!({"id": "x".repeat(2_000), "text": 7})).await
}

async fn send_and_read_none(stream: TcpStream, line: serde_json::Value) -> std::io::Error {
    let line = format!("{line}\n");
    let chunk = format!("{:x}\r\n{line}\r\n", line.len());
    let sending = move || {
        let (mut stream, mut at) = (stream, 0);
        loop {
            match stream.write(&chunk.as_bytes()[at..]) {
                Ok(sent) => at = (at + sent) % chunk.len(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return error,
            }
        }
    };
    tokio::task::spawn_blocking(sending).await.expect("it was sent")
}

#[tokio::test]
async fn idle_connections_shut_nobody_out() {
    let setup = Setup::local().set("server.max_connections", 40);
    let gateway = setup.set("server.max_connections_per_address", 30).start().await;
    // Some have sent half a head, and wait as well.
    let port = gateway.port().parse().unwrap();
    let idle: Vec<TcpStream> = (0..120)
        .map(|at| {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            if at % 2 == 0 {
                // One that was turned away may be gone already.
                let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost");
            }
            stream
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    // On connections that are new and end: one that is kept may be the idlest.
    let ask = |path: &str| {
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let mut answer = String::new();
        open(&gateway, head.as_bytes()).read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        answer
    };
    (0..3).for_each(|_| drop(ask("/healthz")));
    let metrics = ask("/metrics");
    let told = |name: &str| -> f64 {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|value| value.trim().parse().ok())
            .unwrap_or_else(|| panic!("{name}: {metrics}"))
    };
    assert!(told("undertone_connections_open ") <= 30.0);
    assert!(told("undertone_connections_closed_total{reason=\"idle\"} ") > 0.0);
    drop(idle);
}

#[tokio::test]
async fn an_address_has_its_share_of_the_connections_and_is_told_so() {
    let double = Double::start().await;
    double.otherwise(Script::hang());
    let setup = Setup::with(&double).escalating().set("server.max_connections_per_address", 4);
    let gateway = setup.set("llm.deadline_ms", 60_000).start().await;
    let body = json!({"text": "Hm."}).to_string();
    let request = format!(
        "POST /v1/sentiment HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let client = gateway.client();
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let busy: Vec<TcpStream> = (0..4).map(|_| open(&gateway, request.as_bytes())).collect();
    double.arrived(1).await;
    let refused = open(&gateway, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let answer = rest(&refused).unwrap();
    assert!(answer.starts_with("HTTP/1.1 429"), "{answer}");
    for said in
        ["retry-after: 5", "connection: close", "max_connections_per_address", "4 are allowed"]
    {
        assert!(answer.contains(said), "{said} is not in {answer}");
    }
    drop(busy);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let by_address = [("reason", "address")];
    assert!(metric(&client, "undertone_connections_refused_total", &by_address).await >= 1.0);
}

#[tokio::test]
async fn a_connection_that_takes_nothing_of_its_answers_is_closed() {
    let gateway = Setup::local().set("server.write_timeout_seconds", 2).start().await;
    let stream = open(&gateway, NDJSON.as_bytes());
    let start = Instant::now();
    let error = send_and_read_nothing(stream).await;
    assert!(start.elapsed() < Duration::from_secs(45), "{:?}: {error}", start.elapsed());
    let client = gateway.client();
    assert!(
        metric(&client, "undertone_connections_closed_total", &[("reason", "unread")]).await >= 1.0
    );
    reaches(&client, "undertone_in_flight_bytes", &[], 0.0).await;
}

#[tokio::test]
async fn what_unread_batches_hold_is_bounded_and_others_are_answered() {
    let double = Double::start().await;
    double.otherwise(Script::hang());
    let setup = Setup::with(&double).escalating().set("server.max_in_flight_bytes", 8 << 20);
    let setup = setup.set("llm.deadline_ms", 60_000).set("llm.attempt_timeout_ms", 60_000);
    let gateway = setup.set("server.max_body_bytes", 1 << 20).start().await;
    // Behind those that an LLM takes its time for, others are read ahead.
    let line = json!({"id": "x".repeat(8_000), "text": "Hm."});
    let unread: Vec<_> = (0..8)
        .map(|_| tokio::spawn(send_and_read_none(open(&gateway, NDJSON.as_bytes()), line.clone())))
        .collect();
    let client = gateway.client();
    let start = Instant::now();
    let mut most = 0.0_f64;
    while start.elapsed() < Duration::from_secs(8) {
        let held = metric(&client, "undertone_in_flight_bytes", &[]).await;
        most = most.max(held);
        assert!(held <= 8_388_608.0, "{held}");
        let lines = "{\"text\": \"Great phone.\", \"route\": \"local\"}\n".repeat(20);
        let batch = gateway
            .request(reqwest::Method::POST, "/v1/batch?task=sentiment")
            .header("Content-Type", "application/x-ndjson")
            .body(lines);
        let answer = crate::client::Reply::of(batch).await;
        assert_eq!(answer.text().matches("\"label\"").count(), 20, "{}", answer.text());
    }
    assert!(most > 2_000_000.0, "{most}: they read ahead what they may");
    unread.iter().for_each(tokio::task::JoinHandle::abort);
    drop(gateway);
}

#[tokio::test]
async fn a_stop_ends_beside_connections_that_read_nothing() {
    let mut gateway = Setup::local().start().await;
    let unread: Vec<_> = (0..3)
        .map(|_| tokio::spawn(send_and_read_nothing(open(&gateway, NDJSON.as_bytes()))))
        .collect();
    let idle = open(&gateway, b"");
    tokio::time::sleep(Duration::from_secs(3)).await;
    let start = Instant::now();
    gateway.terminate();
    assert_eq!(gateway.ended().await.code(), Some(0), "{}", gateway.log());
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    for one in unread {
        one.await.unwrap();
    }
    drop(idle);
}

#[tokio::test]
async fn a_stop_tells_a_batch_without_end_where_it_ended() {
    let mut gateway = Setup::local().start().await;
    let line = "{\"id\": \"first\", \"text\": \"Great phone.\"}\n";
    let chunk = format!("{:x}\r\n{line}\r\n", line.len());
    let stream = open(&gateway, format!("{NDJSON}{chunk}").as_bytes());
    tokio::time::sleep(Duration::from_millis(500)).await;
    gateway.terminate();
    let answer = rest(&stream).unwrap();
    assert!(answer.contains("\"id\":\"first\""), "{answer}");
    assert!(answer.contains("\"status\":503") && answer.contains("is stopping"), "{answer}");
    assert_eq!(gateway.ended().await.code(), Some(0), "{}", gateway.log());
}

#[tokio::test]
async fn requests_that_a_stop_cut_off_are_told_of() {
    let double = Double::start().await;
    double.otherwise(Script::hang());
    let setup = Setup::with(&double).escalating().set("server.drain_seconds", 1);
    let mut gateway = setup.set("llm.deadline_ms", 8_000).start().await;
    let client = gateway.client();
    let call = tokio::spawn(async move {
        let request = client.request(reqwest::Method::POST, "/v1/sentiment");
        request.json(&json!({"text": "Hm."})).send().await
    });
    double.arrived(1).await;
    gateway.terminate();
    assert_eq!(gateway.ended().await.code(), Some(1));
    assert!(gateway.log().contains("1 requests were cut off"), "{}", gateway.log());
    assert!(call.await.unwrap().is_err());
}

#[tokio::test]
async fn an_early_refusal_is_seen_by_who_is_still_sending() {
    let gateway = Setup::local().start().await;
    let post = |kind: &str, length: usize| {
        format!(
            "POST /v1/sentiment HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n\
             Content-Length: {length}\r\n\r\n"
        )
    };
    let size = 12 << 20;
    for (head, status) in [
        (post("application/json", size), "413"),
        (post("text/plain", size), "415"),
        (post("application/json", size).replace("/v1/sentiment", "/v1/nothing"), "404"),
        (post("application/json", size).replace("localhost", "evil.example"), "403"),
    ] {
        let mut stream = open(&gateway, head.as_bytes());
        // All of it, as a client does that does not look before it has sent.
        let sent = stream.write_all(&vec![b' '; size]);
        let answer = rest(&stream);
        assert!(sent.is_ok(), "{status}: {sent:?}");
        let answer = answer.unwrap_or_else(|error| panic!("{status}: {error}"));
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{status}: {answer}");
        assert!(answer.contains("connection: close"), "{answer}");
    }
    // A request that was read whole leaves the connection open.
    let body = b"{\"text\": 7}";
    let head = post("application/json", body.len());
    let twice = [
        head.as_bytes(),
        body,
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    ];
    let answer = rest(&open(&gateway, &twice.concat())).unwrap();
    assert!(answer.starts_with("HTTP/1.1 422") && answer.contains("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn readiness_costs_a_reading_a_second_however_often_it_is_asked() {
    let gateway = Setup::local().start().await;
    let read = async || metric(&gateway.client(), "undertone_texts_per_pass_count", &[]).await;
    let (start, before) = (Instant::now(), read().await);
    for _ in 0..200 {
        assert_eq!(gateway.get("/readyz").await.status, 200);
    }
    let most = 2.0 + start.elapsed().as_secs_f64();
    let passes = read().await - before;
    assert!(passes <= most, "{passes} readings for 200 questions in {:?}", start.elapsed());
}

#[tokio::test]
async fn callers_behind_a_trusted_proxy_are_told_apart_and_nobody_else_is_believed() {
    let double = Double::start().await;
    double.otherwise(Script::hang());
    let setup = Setup::with(&double).escalating().set("server.max_connections_per_address", 2);
    let setup = setup.set("llm.deadline_ms", 60_000);
    let post = |caller: &str| {
        let body = json!({"text": format!("Hm, {caller}.")}).to_string();
        format!(
            "POST /v1/sentiment HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             X-Forwarded-For: 6.6.6.6, {caller}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let get = |caller: &str| {
        format!(
            "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: {caller}\r\n\
             Connection: close\r\n\r\n"
        )
    };
    let gateway = setup.clone().set("server.trusted_proxies", "[\"127.0.0.0/8\"]").start().await;
    let _busy: Vec<TcpStream> =
        (0..2).map(|_| open(&gateway, post("192.0.2.1").as_bytes())).collect();
    double.arrived(1).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    for (caller, status) in [("192.0.2.1", "429"), ("192.0.2.2", "200"), ("6.6.6.6", "200")] {
        let answer = rest(&open(&gateway, get(caller).as_bytes())).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{caller}: {answer}");
    }
    drop(gateway);

    // Without a word on proxies the address is that of the connection, whatever a header says.
    let gateway = setup.start().await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let before = double.requests().len();
    let _busy: Vec<TcpStream> =
        ["192.0.2.1", "192.0.2.2"].map(|caller| open(&gateway, post(caller).as_bytes())).into();
    double.arrived(before + 2).await;
    let answer = rest(&open(&gateway, get("192.0.2.3").as_bytes())).unwrap();
    assert!(answer.starts_with("HTTP/1.1 429"), "{answer}");
}
