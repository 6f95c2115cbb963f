//! The environment that the systemd unit gives to the program besides its sandbox.

/// The variables that the unit sets. Without them the allocator of the C library keeps much more
/// memory than the program uses.
pub fn environment_of_the_unit() -> Vec<(&'static str, String)> {
    let unit = include_str!("../../../systemd/fichierd.service");
    let lines = unit.lines().filter_map(|line| line.strip_prefix("Environment="));
    let pairs = lines.flat_map(str::split_whitespace).filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name, value.to_owned())).collect()
}
