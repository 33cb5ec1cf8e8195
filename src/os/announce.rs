//! Reports the end of a run to Kubernetes (the termination message of the container) and to
//! Prometheus (a metrics file).
//!
//! A report that cannot be written never makes the run fail, because the nodes have been built.

use crate::decide::summary::Summary;
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// How much Kubernetes reads of a termination message (`terminationMessagePath`), in bytes.
const MESSAGE_LIMIT: usize = 4096;

/// Write a short summary as the termination message of the container, if the container runtime has
/// created the file `path` for it.
pub(crate) fn to_the_runtime(path: &Path, summary: &Summary) {
    if let Err(error) = overwrite(path, &summary.short_json(MESSAGE_LIMIT)) {
        log::debug!("no termination message in {}: {error:#}", path.display());
    }
}

fn overwrite(path: &Path, text: &str) -> Result<()> {
    // Opening a FIFO, for example, could block for ever.
    if !fs::metadata(path)?.is_file() {
        bail!("it is not a regular file");
    }
    let mut file = File::options().write(true).truncate(true).open(path)?;
    Ok(file.write_all(text.as_bytes())?)
}

/// Write the metrics of the run to a file for Prometheus' textfile collector. The file is replaced
/// atomically, so that the collector never reads an incomplete one.
pub(crate) fn to_prometheus(path: &Path, summary: &Summary) {
    let written = replace(path, summary.prometheus_text().as_bytes());
    if let Err(error) = written.with_context(|| path.display().to_string()) {
        log::warn!("cannot write the metrics file: {error:#}");
    }
}

fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut name = path.file_name().context("it has no file name")?.to_owned();
    // The collector reads only files called `*.prom`.
    name.push(format!(".{}.new", std::process::id()));
    let beside: PathBuf = path.with_file_name(name);
    fs::write(&beside, bytes)?;
    fs::rename(&beside, path).inspect_err(|_| drop(fs::remove_file(&beside)))?;
    Ok(())
}
