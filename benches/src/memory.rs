//! What a process has in memory, as the kernel counts it.

/// The peak resident set, in bytes.
pub fn peak_bytes() -> u64 {
    status("VmHWM")
}

/// The resident set now, in bytes.
pub fn resident_bytes() -> u64 {
    status("VmRSS")
}

fn status(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(name));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1_024
}
