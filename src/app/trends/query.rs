//! `/v1/trends`: which windows are asked for, and what bounds them.

use std::sync::Arc;

use time::OffsetDateTime;

use crate::app::costs::moment;
use crate::app::{App, BadParameter};
use crate::store::{self, WindowQuery};
use crate::trends::{Config, DAY_SECONDS, Window, WindowId, WindowKey, Windowing};

/// The widest windows that are put together.
const WIDTH_LIMIT_SECONDS: u32 = 31 * DAY_SECONDS;

/// What is looked at where nobody says since when.
const DEFAULT_PERIOD: time::Duration = time::Duration::DAY;

/// A period, a key and a width, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrendsRequest {
    from_ms: i64,
    to_ms: i64,
    key: Option<WindowKey>,
    width_seconds: u32,
}

/// Why there are no windows.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TrendsError {
    #[error(transparent)]
    Parameter(#[from] BadParameter),
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl TrendsRequest {
    /// `from` and `to` as a date (UTC) or RFC 3339: the last 24 hours where they are not given. Every window
    /// that overlaps the period is meant, whole. `key` and `window_seconds` as `key()` and `width()` say.
    pub fn parse(
        from: Option<&str>,
        to: Option<&str>,
        key_text: Option<&str>,
        window_seconds: Option<&str>,
        windowing: Windowing,
    ) -> Result<TrendsRequest, BadParameter> {
        let width_seconds = width(window_seconds, windowing)?;
        let to_time = match to {
            Some(text) => moment("to", text)?,
            // What is counted at this moment is meant.
            None => OffsetDateTime::now_utc() + time::Duration::milliseconds(1),
        };
        let from_time = match from {
            Some(text) => moment("from", text)?,
            None => to_time - DEFAULT_PERIOD,
        };
        if to_time <= from_time {
            let message = "has to be after `from`".into();
            return Err(BadParameter { field: "to", message });
        }
        let whole = |at: OffsetDateTime| {
            let ms = i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or_default();
            WindowId::of(ms, WindowKey::default(), width_seconds)
        };
        let last = whole(to_time - time::Duration::milliseconds(1));
        Ok(TrendsRequest {
            from_ms: whole(from_time).start_ms,
            to_ms: last.end_ms(),
            key: key_text.map(key).transpose()?,
            width_seconds,
        })
    }
}

/// Which key's windows: the key itself; nothing: those of texts without a key. A value in quotation marks is
/// a JSON string: `""` for the empty key, and for a key that begins with a quotation mark.
pub fn key(text: &str) -> Result<WindowKey, BadParameter> {
    if text.is_empty() {
        return Ok(WindowKey::of(None));
    }
    if !text.starts_with('"') {
        return Ok(WindowKey::of(Some(text)));
    }
    let key: String = serde_json::from_str(text).map_err(|_| BadParameter {
        field: "key",
        message:
            "begins with a quotation mark and is not a JSON string; \"\" is the empty key, and \
                  nothing at all asks for texts without a key"
                .into(),
    })?;
    Ok(WindowKey::of(Some(&key)))
}

/// A multiple of the stored width, which counts where nothing is given.
pub fn width(text: Option<&str>, windowing: Windowing) -> Result<u32, BadParameter> {
    let stored = windowing.window_seconds;
    let Some(text) = text else { return Ok(stored) };
    let number = text.parse::<u32>().ok();
    number
        .filter(|width| {
            (stored..=WIDTH_LIMIT_SECONDS).contains(width) && width.is_multiple_of(stored)
        })
        .ok_or_else(|| {
            // What is no number may be anything, and any length.
            let seen = number.map_or_else(|| "no number".to_owned(), |number| number.to_string());
            let message = format!(
                "is {seen}; it has to be a multiple of {stored}, the width of what is stored \
                 (stream.window_seconds), and at most {WIDTH_LIMIT_SECONDS}"
            );
            BadParameter { field: "window_seconds", message }
        })
}

impl App {
    /// The windows that a request means, in the order of their start, then their key.
    pub async fn trends(
        self: &Arc<App>,
        request: TrendsRequest,
    ) -> Result<Vec<Window>, TrendsError> {
        let most = self.trends.config.max_windows;
        // What was counted a moment ago belongs in the answer.
        self.flush().await;
        let query = WindowQuery {
            from_ms: request.from_ms,
            to_ms: request.to_ms,
            key: request.key,
            width_seconds: request.width_seconds,
            most,
        };
        let windows = self.store.windows(query).await?;
        if windows.len() > most {
            let message = format!(
                "at {} s there are more than {most} windows in this period, the most of one answer \
                 (trends.max_windows): ask for a multiple of it, a shorter period or one key",
                request.width_seconds
            );
            return Err(BadParameter { field: "window_seconds", message }.into());
        }
        Ok(windows)
    }

    /// The section `[trends]`.
    pub fn trends_config(&self) -> &Config {
        &self.trends.config
    }

    /// How windows are cut.
    pub fn windowing(&self) -> Windowing {
        self.trends.windowing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTES: Windowing = Windowing { window_seconds: 60, lateness_seconds: 30 };

    fn parse(from: &str, to: &str, width: Option<&str>) -> Result<TrendsRequest, BadParameter> {
        TrendsRequest::parse(Some(from), Some(to), None, width, MINUTES)
    }

    #[test]
    fn whole_windows_are_meant() {
        let request = parse("2026-11-20T12:00:30Z", "2026-11-20T13:00:00Z", Some("3600"));
        let request = request.expect("sound");
        assert_eq!((request.to_ms - request.from_ms, request.from_ms % 3_600_000), (3_600_000, 0));
        let request = parse("2026-11-20T12:00:30Z", "2026-11-20T12:01:00.001Z", None);
        let request = request.expect("sound");
        assert_eq!(request.to_ms - request.from_ms, 120_000);
    }

    #[test]
    fn a_key_may_be_missing_empty_or_begin_with_a_quotation_mark() {
        for (text, expected) in [
            ("", Some(None)),
            ("acme", Some(Some("acme"))),
            ("null", Some(Some("null"))),
            (r#""""#, Some(Some(""))),
            (r#""\"a""#, Some(Some("\"a"))),
            (r#""a"#, None),
        ] {
            let read = key(text).ok();
            assert_eq!(read.as_ref().map(WindowKey::name), expected, "{text}");
        }
    }

    #[test]
    fn a_bad_parameter_is_named_with_its_limit_and_value() {
        for (from, to, width, field, word) in [
            ("2026-11-20", "2026-11-19", None, "to", "after"),
            ("yesterday", "2026-11-19", None, "from", "RFC 3339"),
            ("2026-11-20", "2026-11-21", Some("90"), "window_seconds", "90"),
            ("2026-11-20", "2026-11-21", Some("0"), "window_seconds", "multiple of 60"),
            ("2026-11-20", "2026-11-21", Some("hour"), "window_seconds", "no number"),
            ("2026-11-20", "2026-11-21", Some("6000000"), "window_seconds", "2678400"),
        ] {
            let error = parse(from, to, width).expect_err("unsound");
            assert!(error.field == field && error.message.contains(word), "{error}");
        }
    }
}
