//! The example project itself: it must build with every dbt that the README names.

use crate::support::{Shop, shop};

#[test]
fn the_example_builds_completely_with_each_supported_dbt() {
    for version in ["1.8", "1.9", "1.10", "1.11", "1.12", "v2"] {
        let Some(shop) = Shop::with_dbt(version) else { continue };
        shop.bare_dbt(&["build"]).expect_built(&shop::ALL);
        assert_eq!(shop.query("select count(*) from loyal_customers"), "2\n", "dbt {version}");
    }
}
