//! One integration binary; each module tests one behaviour through the real program.

// `cfg(test)` tells clippy that helper functions of tests are tests as well.
#[cfg(test)]
mod support;
mod tampering;

#[cfg(test)]
mod agreement;
#[cfg(test)]
mod architecture;
#[cfg(test)]
mod aspects;
#[cfg(test)]
mod clickhouse;
#[cfg(test)]
mod command_line;
#[cfg(test)]
mod compose;
#[cfg(test)]
mod containers;
#[cfg(test)]
mod context;
#[cfg(test)]
mod convergence;
#[cfg(test)]
mod dbt_v2;
#[cfg(test)]
mod dockerfile;
#[cfg(test)]
mod engines;
#[cfg(test)]
mod example;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod halves;
#[cfg(test)]
mod handover;
#[cfg(test)]
mod identity;
#[cfg(test)]
mod inputs;
#[cfg(test)]
mod kinds;
#[cfg(test)]
mod kubernetes;
#[cfg(test)]
mod left_out;
#[cfg(test)]
mod locking;
#[cfg(test)]
mod main_job;
#[cfg(test)]
mod one_process;
#[cfg(test)]
mod operators;
#[cfg(test)]
mod orphans;
#[cfg(test)]
mod packaging;
mod people;
#[cfg(test)]
mod pid1;
#[cfg(test)]
mod pipeline;
#[cfg(test)]
mod power_cut;
#[cfg(test)]
mod reads;
#[cfg(test)]
mod refresh;
#[cfg(test)]
mod release;
#[cfg(test)]
mod resume;
#[cfg(test)]
mod search;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod settle;
#[cfg(test)]
mod shipped;
#[cfg(test)]
mod skip;
#[cfg(test)]
mod told;
#[cfg(test)]
mod tutor;
#[cfg(test)]
mod verify;
#[cfg(test)]
mod volume_mounts;
#[cfg(test)]
mod volume_tool;
#[cfg(test)]
mod warm;
