//! What was measured, and on what: the commit, the profile of the build, the processor, the memory and the engines.

use std::process::Command;

/// The commit that is checked out, with a mark if something is changed.
pub(crate) fn commit() -> String {
    first_line("git", &["describe", "--always", "--dirty", "--abbrev=10", "--exclude=*"])
}

/// The profile in which this program was built: its folder in `target` has that name, or `debug` for `dev`.
pub(crate) fn profile() -> String {
    let program = std::env::current_exe().expect("this program has a path");
    let folder = program.parent().and_then(|folder| folder.file_name()).unwrap_or_default();
    match folder.to_string_lossy().as_ref() {
        "debug" => "dev".to_owned(),
        profile => profile.to_owned(),
    }
}

/// The machine in one line.
pub(crate) fn describe() -> String {
    let cpu_info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let of = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = of(&std::fs::read_to_string("/proc/meminfo").unwrap_or_default(), "MemTotal");
    let gigabytes = memory.split(' ').next().and_then(|number| number.parse::<u64>().ok()).unwrap_or_default() >> 20;
    let redis = first_line("redis-server", &["--version"]);
    let redis = redis.split_whitespace().find_map(|word| word.strip_prefix("v=")).unwrap_or("of unknown version");
    format!(
        "{cores} cores of {}, {gigabytes} GiB, Linux {}, RabbitMQ {}, Redis {redis}",
        of(&cpu_info, "model name"),
        first_line("uname", &["-r"]),
        testkit::rabbitmq_version(),
    )
}

fn first_line(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or("unknown").trim().to_owned()
}
