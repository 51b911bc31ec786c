//! How `/metrics` is read: a sample's value by its name and labels.

use std::time::{Duration, Instant};

use crate::client::Client;

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The value of the sample that has that name and all those labels; 0 where there is none.
pub async fn metric(client: &Client, name: &str, labels: &[(&str, &str)]) -> f64 {
    let text = client.get("/metrics").await.text();
    let has = |line: &str| {
        let rest = line.strip_prefix(name)?.strip_prefix('{').or(line.strip_prefix(name))?;
        let named =
            labels.iter().all(|(name, value)| rest.contains(&format!("{name}=\"{value}\"")));
        let value = rest.rsplit_once(' ').map_or(rest, |(_, value)| value);
        let is_sample = rest.starts_with(' ') || line[name.len()..].starts_with('{');
        (named && is_sample).then(|| value.trim().parse::<f64>().ok()).flatten()
    };
    text.lines().find_map(has).unwrap_or(0.0)
}

/// Waits until the sample has that value.
pub async fn reaches(client: &Client, name: &str, labels: &[(&str, &str)], value: f64) {
    let start = Instant::now();
    loop {
        let seen = metric(client, name, labels).await;
        if seen == value {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "{name}{labels:?} is {seen} and never {value}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
