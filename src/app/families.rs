//! What `/metrics` tells: every family once, with its kind, its labels and a sentence.
//! `docs/reference/metrics.md` is this table, and a test holds it, the table and what the source counts to
//! each other.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

use super::App;
use crate::classifier;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Only grows, from the start of the program.
    Counter,
    /// The same, in fractions: the crate's counters are whole numbers, so that it is kept as a gauge.
    Amount,
    Gauge,
    Histogram,
}

use Kind::{Amount, Counter, Gauge, Histogram};

struct Family {
    name: &'static str,
    kind: Kind,
    /// With commas.
    labels: &'static str,
    help: &'static str,
}

const fn family(
    name: &'static str,
    kind: Kind,
    labels: &'static str,
    help: &'static str,
) -> Family {
    Family { name, kind, labels, help }
}

/// By what they are about, a line each.
#[rustfmt::skip]
const FAMILIES: &[Family] = &[
    family("undertone_build_info", Gauge, "version, model, onnxruntime", "Always 1; the labels say which version runs, with which local model and which build of ONNX Runtime."),
    // Requests and connections.
    family("undertone_http_request_duration_seconds", Histogram, "route, status", "Seconds from a request's head to the head of its answer; of a batch, until the answer begins."),
    family("undertone_connections_open", Gauge, "", "Connections that are open now."),
    family("undertone_connections_refused_total", Counter, "reason", "Connections, or requests behind a trusted proxy, that were turned away: reason=all above server.max_connections, reason=address above server.max_connections_per_address."),
    family("undertone_connections_closed_total", Counter, "reason", "Connections that the gateway closed: reason=idle to make room for another one, reason=unread where the client took nothing of its answer, reason=stopped at the end of server.drain_seconds."),
    family("undertone_in_flight_bytes", Gauge, "", "Bytes of requests and answers that are held now, of server.max_in_flight_bytes."),
    family("undertone_in_flight_refused_total", Counter, "", "Bodies and lines that were turned away because no room for their bytes came free."),
    family("undertone_live_clients", Gauge, "", "Clients that listen to /v1/live now."),
    // Texts and the local model.
    family("undertone_texts_total", Counter, "outcome, cached", "Texts that were answered, by the outcome of their escalation and by whether the answer was cached."),
    family("undertone_tags_crowded_total", Counter, "", "Texts whose tags found no place of their own among those of their caller and day, and are counted as (other)."),
    family("undertone_escalation_reasons_total", Counter, "reason", "Reasons for wanting an LLM; a text may have several."),
    family("undertone_local_read_seconds", Histogram, "", "Seconds that the local model took for a text, waiting for its turn not included."),
    family("undertone_texts_per_pass", Histogram, "", "Texts that the local model read in one pass."),
    family("undertone_classifier_queue_texts", Gauge, "", "Texts that wait for the local model now."),
    family("undertone_classifier_queue_seconds", Histogram, "", "Seconds that a text waited before a local model began to read it."),
    family("undertone_unread_texts_total", Counter, "reason", "Texts that the local model did not read: reason=refused at once for want of room or time, reason=late when their turn came, reason=abandoned where nobody waited any more."),
    // LLMs.
    family("undertone_llm_attempts_total", Counter, "provider, model, state", "Attempts at LLMs that have ended: settled at a known cost, unresolved where the reply was lost, or unpriced where its cost is not known."),
    family("undertone_llm_latency_seconds", Histogram, "provider", "Seconds of an attempt at an LLM."),
    family("undertone_llm_cost_usd_total", Amount, "provider, model", "US dollars that settled attempts have cost since the start, approximately; the ledger is exact (undertone costs)."),
    family("undertone_llm_tokens_total", Counter, "provider, model, bucket", "Tokens of attempts at LLMs; the buckets input, output, cache_read and cache_write do not overlap."),
    family("undertone_llm_over_reservation_total", Counter, "provider, model", "Attempts that cost more than was set aside for them."),
    family("undertone_llm_absurd_usage_total", Counter, "provider, model", "Attempts whose reply named more tokens than it can have used; they stay unresolved."),
    family("undertone_llm_breaker_open", Gauge, "provider, model", "1 while a provider that failed several times in a row is left alone, else 0."),
    family("undertone_llm_model_unknown", Gauge, "provider, model", "1 while a provider does not know a configured model or successor, which is asked for again from time to time, else 0."),
    family("undertone_llm_texts_per_call", Histogram, "", "Texts that shared a call to an LLM."),
    family("undertone_llm_terms_dropped_total", Counter, "", "Aspects that an LLM named and that do not stand in the text."),
    // The store.
    family("undertone_store_up", Gauge, "", "1 if the store took a write when it was last tried, a few seconds ago at most, else 0."),
    family("undertone_store_failures_total", Counter, "kind", "Writes that the store did not take: kind=full the disk is full, kind=busy somebody else holds a lock, kind=slow no answer in time, kind=write any other failure, kind=closed; kind=read could not be read."),
    family("undertone_store_last_commit_timestamp_seconds", Gauge, "", "When the store last committed a group of writes, in seconds since 1970."),
    family("undertone_journal_bytes", Gauge, "", "Bytes on the journal that wait to be brought to the store."),
    family("undertone_journaled_attempts_total", Counter, "", "Attempts at LLMs that were written to the journal because the store could not take them."),
    family("undertone_journal_quarantined_lines_total", Counter, "", "Lines of the journal that could not be read, or that the ledger does not take, and that were set aside."),
    // Budgets and prices.
    family("undertone_budget_spent_ratio", Gauge, "subject, name, period", "The part of a budget that is spent; 1 is all of it."),
    family("undertone_budget_warnings_total", Counter, "percent", "Warnings that 50, 80 or 100 per cent of a budget are spent."),
    family("undertone_price_book_refused", Gauge, "", "1 while a new price book is refused and the old one stays in force, else 0."),
    // Whether it is right.
    family("undertone_compared_total", Counter, "task, reason, agrees", "Verdicts of an LLM that were compared with the local model's, and whether they agree."),
    family("undertone_feedback_total", Counter, "task, route, agrees", "What people said of verdicts, by whose verdict it was and whether they agree."),
    family("undertone_drift_index", Gauge, "task, dimension", "How far the last window of texts is from the baseline (population stability index)."),
    family("undertone_drift_alarm", Gauge, "task", "1 while a dimension of the input has drifted from the baseline (drift.alarm), else 0."),
    family("undertone_drift_baseline_texts", Gauge, "task", "Texts that the baseline of the input holds."),
    family("undertone_drift_windows_total", Counter, "task", "Windows of texts that were compared with the baseline."),
    family("undertone_shadow_texts_total", Counter, "task, label, agrees", "Texts that the model in shadow read, by the serving model's label and whether both agree."),
    family("undertone_shadow_compared_total", Counter, "task, serving_agrees, shadow_agrees", "Texts that an LLM and both local models read, and who agrees with the LLM."),
    family("undertone_shadow_read_seconds", Histogram, "", "Seconds that the model in shadow took for a text."),
    family("undertone_shadow_dropped_total", Counter, "", "Texts that the model in shadow was not shown because it did not keep up."),
    family("undertone_shadow_failed_total", Counter, "", "Texts that the model in shadow could not read."),
    family("undertone_texts_kept_total", Counter, "", "Texts that were kept to learn from, with consent (learning.keep_texts)."),
    family("undertone_texts_not_kept_total", Counter, "", "Texts that should have been kept to learn from, and were not."),
    // Windows and alerts.
    family("undertone_trends_crowded_total", Counter, "what", "Texts whose key (what=key, or what=team_key: beyond the team's share), and judgements whose term (what=term), found no place of their own in a window."),
    family("undertone_alerts_fired_total", Counter, "rule", "Alerts that fired."),
    family("undertone_alert_tries_total", Counter, "outcome", "Tries to deliver an alert: delivered, again later, or failed for good."),
    // Kafka, of a gateway that reads the results.
    family("undertone_results_folded_total", Counter, "", "Records of the results topic that were counted in windows."),
    family("undertone_results_passed_over_total", Counter, "", "Records of the results topic that are no results."),
    family("undertone_results_texts_total", Counter, "outcome, cached", "Texts of the results topic, as undertone_texts_total."),
    family("undertone_results_reasons_total", Counter, "reason", "Reasons for wanting an LLM in the results topic."),
    family("undertone_results_worker_seconds", Histogram, "", "Seconds that a text of the results topic took its worker."),
    // Kafka, of a worker.
    family("undertone_stream_records_total", Counter, "outcome", "Records that a worker has committed, by what came of them."),
    family("undertone_stream_record_seconds", Histogram, "", "Seconds from reading a record to its commit."),
    family("undertone_stream_transactions_total", Counter, "outcome", "Transactions of a worker, committed or aborted."),
    family("undertone_stream_rebalances_total", Counter, "", "Times that the group's partitions were shared out anew."),
    family("undertone_stream_partitions", Gauge, "", "Partitions that are this worker's."),
    family("undertone_stream_paused_partitions", Gauge, "", "Partitions of this worker that are not read on for now."),
    family("undertone_stream_in_flight_records", Gauge, "", "Records that are between reading and committing."),
    family("undertone_stream_in_flight_bytes", Gauge, "", "Bytes of the records that are between reading and committing."),
    family("undertone_stream_escalations", Gauge, "state", "Texts of a worker that are with an LLM (state=asking) or wait for their turn (state=waiting)."),
    family("undertone_stream_lag_records", Gauge, "topic, partition", "Records of a partition that are not committed yet."),
    // The process; the names are those of Prometheus's own clients.
    family("process_resident_memory_bytes", Gauge, "", "Bytes of memory that the process holds."),
    family("process_cpu_seconds_total", Amount, "", "Seconds of processor time that the process has used."),
    family("process_open_fds", Gauge, "", "Files and sockets that the process has open."),
    family("process_max_fds", Gauge, "", "Files and sockets that the process may have open."),
    family("process_start_time_seconds", Gauge, "", "When the process started, in seconds since 1970."),
];

impl Family {
    fn unit(&self) -> Option<Unit> {
        let stem = self.name.trim_end_matches("_total");
        if stem.ends_with("_seconds") {
            return Some(Unit::Seconds);
        }
        stem.ends_with("_bytes").then_some(Unit::Bytes)
    }

    fn describe(&self) {
        let (name, help) = (self.name, self.help);
        let unit = self.unit().unwrap_or(Unit::Count);
        match self.kind {
            Counter => describe_counter!(name, unit, help),
            Amount | Gauge => describe_gauge!(name, unit, help),
            Histogram => describe_histogram!(name, unit, help),
        }
        // What has not happened yet is told as 0, so that its first time is seen as a rise.
        match self.kind {
            Counter if self.labels.is_empty() => metrics::counter!(name).increment(0),
            _ => {}
        }
    }
}

/// Describes all that will be counted.
pub(super) fn describe() {
    FAMILIES.iter().for_each(Family::describe);
}

/// Calls what only grows a counter.
fn as_counters(text: String) -> String {
    let amounts = FAMILIES.iter().filter(|family| family.kind == Amount);
    amounts.fold(text, |text, family| {
        let gauge = format!("# TYPE {} gauge", family.name);
        text.replace(&gauge, &format!("# TYPE {} counter", family.name))
    })
}

impl App {
    /// What `/metrics` answers, in Prometheus's text format.
    pub fn render_metrics(&self) -> String {
        super::process::observe();
        metrics::gauge!("undertone_classifier_queue_texts").set(self.classifier().waiting() as f64);
        as_counters(self.metrics.render())
    }

    pub(super) fn tell_build(&self) {
        let labels = [
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
            ("model", self.local_model().to_owned()),
            ("onnxruntime", classifier::runtime_build().to_owned()),
        ];
        metrics::gauge!("undertone_build_info", &labels).set(1.0);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    fn row(family: &Family) -> String {
        let kind = match family.kind {
            Counter | Amount => "counter",
            Gauge => "gauge",
            Histogram => "histogram",
        };
        let labels: Vec<String> = family
            .labels
            .split(", ")
            .filter(|label| !label.is_empty())
            .map(|label| format!("`{label}`"))
            .collect();
        format!("| `{}` | {kind} | {} | {} |", family.name, labels.join(" "), family.help)
    }

    #[test]
    fn the_documented_metrics_are_those_that_are_told() {
        let rows: Vec<String> = FAMILIES.iter().map(row).collect();
        let shown = include_str!("../../docs/reference/metrics.md");
        let shown: Vec<&str> = shown.lines().filter(|line| line.starts_with("| `")).collect();
        assert_eq!(shown, rows, "docs/reference/metrics.md has to hold:\n{}", rows.join("\n"));
    }

    /// The names of families that the source counts: whole literals after a macro of `metrics`.
    fn counted(folder: &Path, names: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                counted(&path, names);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                for call in ["metrics::counter!(", "metrics::gauge!(", "metrics::histogram!("] {
                    for call in text.split(call).skip(1) {
                        let name = call.trim_start().strip_prefix('"');
                        let name = name.and_then(|rest| rest.split('"').next());
                        // This file names the macros themselves.
                        let is_name =
                            |name: &&str| name.starts_with(|c: char| c.is_ascii_lowercase());
                        names.extend(name.filter(is_name).map(str::to_owned));
                    }
                }
            }
        }
    }

    #[test]
    fn all_that_is_counted_is_described_and_the_other_way_round() {
        let mut names = BTreeSet::new();
        counted(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut names);
        let described: BTreeSet<String> =
            FAMILIES.iter().map(|family| family.name.to_owned()).collect();
        assert_eq!(described.len(), FAMILIES.len(), "a family is listed twice");
        assert_eq!(names, described);
    }
}
