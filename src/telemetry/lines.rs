//! The log: one line for each fact, as far as the filter wants to know of it.

use std::fmt;
use std::io::Write as _;
use std::sync::OnceLock;
use std::time::Instant;

use opentelemetry::trace::{SpanContext, TraceContextExt as _};
use tracing::callsite::Identifier;
use tracing::dispatcher::WeakDispatch;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::{Context, Filter, Layer};
use tracing_subscriber::registry::LookupSpan;

use super::LogFormat;
use super::line::Line;
use super::repeats::Repeats;

/// Where lines go.
type Out = Box<dyn Fn(&str) + Send + Sync>;

/// Writes events as lines.
///
/// It keeps nothing of spans, whose attributes traces have: a line names the span
/// that it was written in.
pub(super) struct Lines {
    format: LogFormat,
    repeats: Repeats<Identifier>,
    out: Out,
    dispatch: OnceLock<WeakDispatch>,
}

/// Which events are written. Spans are of no interest here, so that they cost
/// nothing where they are not exported.
pub(super) struct Wanted(pub(super) EnvFilter);

// === impl Lines ===

impl Lines {
    /// Writes to standard output.
    pub(super) fn new(format: LogFormat, repeats_max: u32) -> Self {
        Self::to(format, repeats_max, Box::new(write))
    }

    fn to(format: LogFormat, repeats_max: u32, out: Out) -> Self {
        Self { format, repeats: Repeats::new(repeats_max), out, dispatch: OnceLock::new() }
    }

    /// The span that an event belongs to, where its trace is known.
    fn span_of<S>(&self, event: &Event<'_>, context: &Context<'_, S>) -> Option<SpanContext>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let current = context.current_span();
        let is_root = event.is_root();
        let id = event.parent().or_else(|| current.id().filter(|_| !is_root))?;
        let dispatch = self.dispatch.get()?.upgrade()?;
        let found = tracing_opentelemetry::get_otel_context(id, &dispatch)?;
        let span = found.span().span_context().clone();
        span.is_valid().then_some(span)
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn on_register_dispatch(&self, dispatch: &Dispatch) {
        // Comes once, for it is part of one subscriber.
        let _ = self.dispatch.set(dispatch.downgrade());
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        // Who asks for details wants all of them.
        let is_detail = *metadata.level() > Level::INFO;
        let left_out = if is_detail {
            0
        } else {
            let Some(left_out) = self.repeats.admit(metadata.callsite(), Instant::now()) else {
                return;
            };
            left_out
        };
        let span = self.span_of(event, &context);
        (self.out)(&Line::of(self.format, event, left_out, span.as_ref()));
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").field("format", &self.format).finish_non_exhaustive()
    }
}

// === impl Wanted ===

impl<S: Subscriber> Filter<S> for Wanted {
    fn enabled(&self, metadata: &Metadata<'_>, context: &Context<'_, S>) -> bool {
        metadata.is_event() && Filter::<S>::enabled(&self.0, metadata, context)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if metadata.is_event() {
            Filter::<S>::callsite_enabled(&self.0, metadata)
        } else {
            Interest::never()
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Filter::<S>::max_level_hint(&self.0)
    }
}

/// A log that nobody reads is no reason to stop.
fn write(line: &str) {
    let _ = std::io::stdout().lock().write_all(line.as_bytes());
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use opentelemetry::trace::TracerProvider as _;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tracing::{error, info, info_span};
    use tracing_subscriber::layer::SubscriberExt as _;
    use tracing_subscriber::registry;

    use super::*;

    /// Gives the lines that `work` writes, without their times.
    fn check(format: LogFormat, filter: &str, work: impl FnOnce()) -> Vec<String> {
        let written = Arc::new(Mutex::new(String::new()));
        let out = written.clone();
        let lines = Lines::to(format, 3, Box::new(move |line| out.lock().unwrap().push_str(line)));
        let tracer = SdkTracerProvider::builder().build().tracer("test");
        let subscriber = registry()
            .with(tracing_opentelemetry::layer().with_tracer(tracer))
            .with(lines.with_filter(Wanted(EnvFilter::new(filter))));
        tracing::subscriber::with_default(subscriber, work);
        let written = written.lock().unwrap();
        let timeless = |line: &str| match format {
            LogFormat::Text => line.split_once(' ').unwrap().1.to_owned(),
            LogFormat::Json => format!("{{{}", line.split_once("Z\",").unwrap().1),
        };
        written.lines().map(timeless).collect()
    }

    #[test]
    fn a_line_is_a_fact_with_its_fields() {
        let say =
            || info!(link.id = "plink_1", count = 2, rate = 2.5, is_new = true, "A link was made");
        assert_eq!(
            check(LogFormat::Text, "info", say),
            [" INFO A link was made link.id=plink_1 count=2 rate=2.5 is_new=true"]
        );
        assert_eq!(
            check(LogFormat::Json, "info", say),
            [concat!(
                r#"{"level":"INFO","message":"A link was made","#,
                r#""link.id":"plink_1","count":2,"rate":2.5,"is_new":true}"#
            )]
        );
    }

    #[test]
    fn nothing_that_is_written_can_look_like_another_line() {
        let say = || error!(said = "one\n2026 ERROR two \u{1b}[31m", short = "a\tb", "It failed");
        let [text] = &*check(LogFormat::Text, "info", say) else { panic!("one line") };
        assert_eq!(text, "ERROR It failed said=\"one\\n2026 ERROR two \\u{1b}[31m\" short=a\\tb");
        let [json] = &*check(LogFormat::Json, "info", say) else { panic!("one line") };
        let json: serde_json::Value = serde_json::from_str(json).unwrap();
        assert_eq!(json["said"], "one\n2026 ERROR two \u{1b}[31m");
    }

    #[test]
    fn a_line_names_its_trace_whatever_the_filter_lets_through() {
        let lines = check(LogFormat::Json, "error", || {
            info_span!("call").in_scope(|| {
                info!("It began");
                error!("It failed");
            });
        });
        let [line] = &*lines else { panic!("{lines:?}") };
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["trace_id"].as_str().map(str::len), Some(32));
        assert_eq!(line["span_id"].as_str().map(str::len), Some(16));
    }

    #[test]
    fn what_is_said_again_and_again_is_left_out() {
        let lines = check(LogFormat::Text, "debug", || {
            for number in 0..9 {
                info!(number, "Again");
                tracing::debug!(number, "In detail");
            }
        });
        let count = |text: &str| lines.iter().filter(|line| line.contains(text)).count();
        assert_eq!((count("Again"), count("In detail")), (3, 9));
    }
}
