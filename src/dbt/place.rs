//! The place that a target of `profiles.yml` names: every key of it that tells in which warehouse,
//! database, schema or directory the relations are.
//!
//! What is not known to be of no account tells the place: another value of it is another warehouse
//! until an operator says otherwise.

use super::jinja::Renderer;
use super::project::scalar;
use crate::trees::IntoTree;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Keys that say who connects, how, and what computes, wherever they stand in a target. From the
/// credentials of dbt-duckdb 1.10, dbt-postgres 1.10 and dbt-clickhouse 1.10, and dbt's pages on the
/// profiles of BigQuery, Snowflake, Redshift, Databricks, Spark, Trino, Athena and SQL Server.
const NO_PLACE: &str = "threads user username uid pass pwd key api_key key_id keyfile keyfile_json \
    client_id client_email role roles method auth auth_type authenticator authentication sslmode \
    sslkey sslrootcert secure verify encrypt use_ssl ssl http_scheme compression \
    compress_block_size search_path application_name autocommit warehouse http_path compute \
    query_tag query_group priority maximum_bytes_billed scopes impersonate_service_account \
    execution_project quota_project compute_region submission_method session_properties \
    session_parameters connection_parameters server_side_parameters custom_settings http_headers \
    client_tags prepared_statements_enabled timezone retries extensions keep_open \
    disable_transactions read_only module_paths flights is_ducklake use_credential_provider driver \
    work_group spark_work_group aws_profile_name iam_profile autocreate db_groups ra3_node \
    reuse_connections insecure_mode windows_login trusted_connection check_exchange \
    use_lw_deletes allow_automatic_deduplication debug_query_state session_token";

/// Parts of the names of such keys, where their value is a scalar.
const NO_PLACE_PARTS: [&str; 13] = [
    "timeout",
    "retr",
    "keepalive",
    "keep_alive",
    "poll_interval",
    "password",
    "passphrase",
    "token",
    "secret",
    "private_key",
    "access_key",
    "credential",
    "cert",
];

/// The mappings of dbt-duckdb that hold any setting of DuckDB, and those settings that tell where a
/// file is.
const SETTINGS: [&str; 2] = ["settings", "config_options"];
const PLACE_SETTINGS: [&str; 5] = ["s3_", "azure_", "gcs_", "file_search_path", "home_directory"];

/// Keys whose values are files or directories. A relative one refers to the working directory.
const PATHS: [&str; 4] = ["path", "external_root", "data_path", "schema_directory"];

/// Values that an adapter takes where the key is absent.
const DEFAULTS: [(&str, &str, &str); 3] = [
    ("duckdb", "schema", "main"),
    ("clickhouse", "schema", "default"),
    ("clickhouse", "host", "localhost"),
];

/// Reads the place that a target names.
pub(super) struct TargetReader<'a> {
    pub(super) adapter: Option<&'a str>,
    pub(super) renderer: &'a Renderer,
    /// The working directory.
    pub(super) here: &'a Path,
    /// A path without links and `..`, as far as it exists.
    pub(super) resolve: &'a dyn Fn(&Path) -> PathBuf,
}

impl TargetReader<'_> {
    /// What each key of the target says, by the first of its names. A value that cannot be rendered
    /// stands for itself, with the values of the variables that it names.
    pub(super) fn keys(&self, output: &Map<String, Value>) -> BTreeMap<String, String> {
        let is_duckdb = self.adapter == Some("duckdb");
        let is_derived = is_duckdb && !output.contains_key("remote") && !self.is_attached(output);
        let kept = output.iter().filter(|(key, _)| {
            *key != "type" && !(is_derived && *key == "database") && !is_no_place(key)
        });
        let values = kept.filter_map(|(key, value)| {
            let value = self.value(key, value)?;
            let default = |(adapter, name, text): &(&str, &str, &str)| {
                self.adapter == Some(*adapter) && *name == key && value == *text
            };
            let key = super::profile::location_key(key).unwrap_or(key);
            (!DEFAULTS.iter().any(default)).then(|| (key.to_owned(), value.to_string()))
        });
        values.into_tree()
    }

    /// Whether the relations are lost with the process that builds them.
    pub(super) fn is_in_memory(&self, output: &Map<String, Value>) -> bool {
        let in_memory = |value: &Value| {
            let text = scalar(value).map(|text| self.renderer.render_or_raw(&text));
            let text = text.unwrap_or_default();
            text.trim().starts_with(":memory:") || text.starts_with("file::memory:")
        };
        match self.adapter {
            Some("duckdb") => {
                let is_elsewhere = output.contains_key("remote") || self.is_attached(output);
                !is_elsewhere && output.get("path").is_none_or(in_memory)
            }
            Some("sqlite") => match output.get("schemas_and_paths") {
                Some(Value::Object(paths)) => paths.values().any(in_memory),
                _ => false,
            },
            _ => false,
        }
    }

    /// Whether the `database` of the target is one that DuckDB attaches, and not that of the `path`.
    fn is_attached(&self, output: &Map<String, Value>) -> bool {
        let rendered = |value: &Value| Some(self.renderer.render_or_raw(&scalar(value)?));
        let Some(database) = output.get("database").and_then(rendered) else { return false };
        let attached = output.get("attach").and_then(Value::as_array);
        let aliases = attached.into_iter().flatten().filter_map(|one| rendered(one.get("alias")?));
        aliases.into_iter().any(|alias| alias == database)
    }

    /// A value without what is of no account; `None` if nothing remains of it.
    fn value(&self, key: &str, value: &Value) -> Option<Value> {
        match value {
            Value::Null => None,
            Value::Object(map) => {
                let is_setting = SETTINGS.contains(&key) && self.adapter == Some("duckdb");
                let tells = |name: &str| PLACE_SETTINGS.iter().any(|start| name.starts_with(start));
                let kept = map.iter().filter(|(name, _)| !is_setting || tells(name));
                let kept = kept.filter(|(name, _)| !is_no_place(name));
                let all: Map<String, Value> = kept
                    .filter_map(|(name, value)| Some((name.clone(), self.value(name, value)?)))
                    .into_tree();
                (!all.is_empty()).then_some(Value::Object(all))
            }
            Value::Array(all) => {
                let all: Vec<Value> = all.iter().filter_map(|one| self.value(key, one)).collect();
                (!all.is_empty()).then_some(Value::Array(all))
            }
            Value::Bool(_) | Value::Number(_) | Value::String(_) => self.scalar(key, value),
        }
    }

    fn scalar(&self, key: &str, value: &Value) -> Option<Value> {
        let key = key.to_ascii_lowercase();
        if NO_PLACE_PARTS.iter().any(|part| key.contains(part)) {
            return None;
        }
        let text = without_credentials(self.renderer.render_or_raw(&scalar(value)?).trim());
        let text = match key.as_str() {
            _ if ["True", "False"].contains(&text.as_str()) => text.to_lowercase(),
            "host" | "server" => text.to_lowercase(),
            name if PATHS.contains(&name) => self.path(text),
            _ => text,
        };
        // dbt-duckdb writes external files to the working directory where nothing else is said.
        let is_default = key == "external_root" && Path::new(&text) == (self.resolve)(self.here);
        (!text.is_empty() && !is_default).then(|| text.into())
    }

    /// A file or directory; anything with a scheme (`s3://`, `md:`, `ducklake:`) stays as it is.
    fn path(&self, text: String) -> String {
        let is_plain = !text.contains(':') && !text.contains("{{");
        match is_plain && !text.is_empty() {
            true => (self.resolve)(&self.here.join(&text)).display().to_string(),
            false => text,
        }
    }
}

/// Whether nothing under a key of this name tells the place.
fn is_no_place(key: &str) -> bool {
    let key = key.to_ascii_lowercase().replace('-', "_");
    NO_PLACE.split_whitespace().any(|name| name == key)
}

/// A URL or a connection string without the user, and without options of no account
/// (`?motherduck_token=…`, `password=…`).
fn without_credentials(text: &str) -> String {
    let is_separator = |c: char| [' ', '&', '?', ';'].contains(&c);
    let counts = |piece: &&str| {
        let key = piece.split_once('=').map_or("", |(key, _)| key).trim().to_ascii_lowercase();
        let key = key.rsplit(':').next().unwrap_or_default();
        !is_no_place(key) && !NO_PLACE_PARTS.iter().any(|part| key.contains(part))
    };
    let kept: String = text.split_inclusive(is_separator).filter(counts).collect();
    let kept = kept.trim_end_matches(is_separator);
    match kept.split_once("://") {
        Some((scheme, rest)) => {
            let end = rest.find('/').unwrap_or(rest.len());
            let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
            let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
            format!("{scheme}://{host}{path}")
        }
        None => kept.to_owned(),
    }
}

#[cfg(test)]
mod tests;
