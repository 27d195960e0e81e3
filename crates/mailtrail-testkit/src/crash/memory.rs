//! What a process has in memory, as Linux says it; 0 where nobody does.

/// The most that it ever had.
pub(super) fn peak_bytes(process: u32) -> u64 {
    status(process, "VmHWM:")
}

/// What it has now.
pub(crate) fn resident_bytes(process: u32) -> u64 {
    status(process, "VmRSS:")
}

fn status(process: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let said = status.lines().find_map(|line| line.strip_prefix(name));
    let kilobytes = said.and_then(|said| said.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0).saturating_mul(1_024)
}
