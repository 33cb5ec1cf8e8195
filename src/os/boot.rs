//! Which boot of the kernel this is (random(4)).

/// What no other boot has; `None` where the kernel does not say.
#[must_use]
pub fn id() -> Option<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(text.trim().to_owned()).filter(|id| !id.is_empty())
}
