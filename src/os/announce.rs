//! Where a run is reported, besides standard error: Kubernetes and Prometheus.
//!
//! None of it is ever a reason to fail: what was built is built.

use crate::decide::summary::Summary;
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// What Kubernetes reads of a termination message (`terminationMessagePath`).
const MESSAGE: usize = 4096;

/// Leave a verdict where the container's runtime looks for one, if it made such a file.
pub(crate) fn to_the_runtime(path: &Path, summary: &Summary) {
    if let Err(error) = overwrite(path, &summary.short(MESSAGE)) {
        log::debug!("no termination message in {}: {error:#}", path.display());
    }
}

fn overwrite(path: &Path, text: &str) -> Result<()> {
    // Anything but a file could wait for ever.
    if !fs::metadata(path)?.is_file() {
        bail!("it is not a file");
    }
    let mut file = File::options().write(true).truncate(true).open(path)?;
    Ok(file.write_all(text.as_bytes())?)
}

/// Replace a file of Prometheus' textfile collector, which must never see half of one.
pub(crate) fn to_prometheus(path: &Path, summary: &Summary) {
    let written = replace(path, summary.metrics().as_bytes());
    if let Err(error) = written.with_context(|| path.display().to_string()) {
        log::warn!("the metrics cannot be written: {error:#}");
    }
}

fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut name = path.file_name().context("it has no file name")?.to_owned();
    // The collector reads `*.prom` alone.
    name.push(format!(".{}.new", std::process::id()));
    let beside: PathBuf = path.with_file_name(name);
    fs::write(&beside, bytes)?;
    fs::rename(&beside, path).inspect_err(|_| drop(fs::remove_file(&beside)))?;
    Ok(())
}
