//! A PostgreSQL server of a test's own, in a container made from Debian's packages.

use super::docker::Container;
use super::images;
use std::ffi::OsString;

const PASSWORD: &str = "only for this test";

/// A running server with an empty database `shop`; it goes away with the value.
pub(crate) struct Postgres {
    container: Container,
}

impl Postgres {
    /// Returns once it answers; `None` (a loud skip) without an engine.
    pub(crate) fn new() -> Option<Self> {
        let image = images::postgres()?;
        let password = format!("POSTGRES_PASSWORD={PASSWORD}");
        let options = ["--env", "POSTGRES_USER=shop", "--env", &password];
        let container = Container::start(&image, &options, &[]);
        container.wait_for_line("ready to accept connections");
        Some(Self { container })
    }

    /// What points the example project at it.
    pub(crate) fn settings(&self) -> Vec<(OsString, OsString)> {
        let host = self.container.address();
        let settings = [
            ("DBT_TARGET", "postgres"),
            ("SHOP_HOST", &host),
            ("DBT_ENV_SECRET_SHOP_PASSWORD", PASSWORD),
        ];
        settings.map(|(name, value)| (name.into(), value.into())).into()
    }

    /// What a query finds, one line a row, `|` between the columns.
    pub(crate) fn query(&self, sql: &str) -> String {
        let psql = ["psql", "--username=shop", "--quiet", "--no-align", "--tuples-only"];
        self.container.exec(&[&psql[..], &["--command", sql]].concat()) + "\n"
    }
}
