//! One line of the log: a fact, with the trace that it belongs to.

use std::fmt::{self, Write as _};

use jiff::Timestamp;
use opentelemetry::trace::SpanContext;
use tracing::field::{Field, Visit};
use tracing::{Event, Level};

use super::LogFormat;

/// A line that is being written. What comes from elsewhere cannot break out of it:
/// neither form has a control character in it.
pub(super) struct Line {
    format: LogFormat,
    text: String,
    fields: String,
}

// === impl Line ===

impl Line {
    /// Writes an event down, with the line's end.
    pub(super) fn of(
        format: LogFormat,
        event: &Event<'_>,
        left_out: u64,
        span: Option<&SpanContext>,
    ) -> String {
        let mut line = Self { format, text: String::new(), fields: String::new() };
        event.record(&mut line);
        if left_out > 0 {
            line.plain("log.left_out", left_out);
        }
        if let Some(span) = span {
            line.string("trace_id", &span.trace_id().to_string());
            line.string("span_id", &span.span_id().to_string());
        }
        line.whole(Timestamp::now(), *event.metadata().level())
    }

    fn whole(self, now: Timestamp, level: Level) -> String {
        let Self { format, text, fields } = self;
        match format {
            LogFormat::Text => format!("{now:.6} {level:>5} {}{fields}\n", safe(&text)),
            LogFormat::Json => {
                let (start, text) = (format!("{{\"timestamp\":\"{now:.6}\""), quoted(&text));
                format!("{start},\"level\":\"{level}\",\"message\":{text}{fields}}}\n")
            }
        }
    }

    /// Adds what is of the same form in both formats.
    fn plain(&mut self, name: &str, value: impl fmt::Display) {
        // Writing to a string does not fail.
        let _ = match self.format {
            LogFormat::Text => write!(self.fields, " {name}={value}"),
            LogFormat::Json => write!(self.fields, ",\"{name}\":{value}"),
        };
    }

    fn string(&mut self, name: &str, value: &str) {
        match self.format {
            LogFormat::Json => self.plain(name, quoted(value)),
            LogFormat::Text if value.is_empty() || value.contains([' ', '"']) => {
                self.plain(name, format_args!("{value:?}"));
            }
            LogFormat::Text => self.plain(name, safe(value)),
        }
    }
}

impl Visit for Line {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.plain(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.plain(field.name(), value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() {
            self.plain(field.name(), value);
        } else {
            // JSON has no numbers for these.
            self.string(field.name(), &value.to_string());
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.plain(field.name(), value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.string(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let value = format!("{value:?}");
        match field.name() {
            "message" => self.text = value,
            // What the `log` crate says of itself is said already.
            name if name.starts_with("log.") => {}
            name => self.string(name, &value),
        }
    }
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

/// Spells control characters out, so that nobody's text can begin a line, or
/// colour a terminal.
fn safe(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            safe.extend(character.escape_default());
        } else {
            safe.push(character);
        }
    }
    safe
}
