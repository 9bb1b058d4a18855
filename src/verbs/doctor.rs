//! `paylink doctor`: examines a configuration before anything is started with it.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use super::{Outcome, say};
use crate::app;
use crate::config::{Profile, Sources};
use crate::pb::Finding;
use crate::pb::finding::Verdict;

/// What `paylink doctor` can be told on the command line.
#[derive(Debug, clap::Args)]
pub struct DoctorArguments {
    /// Print one JSON object, for programs.
    #[arg(long)]
    json: bool,
    /// Fail for what is doubtful, too.
    #[arg(long)]
    strict: bool,
}

/// Examines the configuration and what it names. The exit code is 0 where nothing
/// is broken, 1 where something is, and 78 where the configuration cannot be read.
pub async fn doctor(file: Option<PathBuf>, arguments: DoctorArguments) -> Outcome {
    let config = Sources::of_process(Profile::Serve, file)?.load()?;
    let findings = app::doctor(&config)?.examine().await;
    say(&if arguments.json { as_json(&findings) } else { as_text(&findings) });
    let is_bad = |finding: &Finding| match finding.verdict() {
        Verdict::Broken => true,
        Verdict::Doubtful => arguments.strict,
        _ => false,
    };
    let is_ill = findings.iter().any(is_bad);
    Ok(if is_ill { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn as_json(findings: &[Finding]) -> String {
    let findings = findings.iter().map(|finding| {
        json!({
            "check": finding.check,
            "verdict": word(finding.verdict()),
            "message": finding.message,
            "advice": finding.advice,
        })
    });
    json!({ "findings": findings.collect::<Vec<_>>() }).to_string()
}

fn as_text(findings: &[Finding]) -> String {
    let mut lines = Vec::new();
    for finding in findings {
        let Finding { check, message, advice, .. } = finding;
        lines.push(format!("{:9} {check:16} {message}", word(finding.verdict())));
        if !advice.is_empty() {
            lines.push(format!("{:26} → {advice}", ""));
        }
    }
    let count = |verdict| findings.iter().filter(|found| found.verdict() == verdict).count();
    let (broken, doubtful) = (count(Verdict::Broken), count(Verdict::Doubtful));
    lines.push(format!("{broken} broken, {doubtful} doubtful, of {} findings", findings.len()));
    lines.join("\n")
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Well => "well",
        Verdict::Doubtful => "doubtful",
        Verdict::Broken => "broken",
        Verdict::Skipped | Verdict::Unspecified => "skipped",
    }
}
