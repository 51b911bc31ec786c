//! Starting again with ONNX Runtime's telemetry switched off: the library reads a variable of the
//! environment when it is loaded, and a process cannot safely change its own.

use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::app::{TELEMETRY_OFF, TELEMETRY_VARIABLE, telemetry_is_off};

/// Which process has started again. `exec` keeps the number, so whoever finds its own here and the
/// variable still not set would start again for ever.
const RESTARTED: &str = "ORT_DISABLE_TELEMETRY_SET_BY";

/// Returns where ONNX Runtime's telemetry is off in the environment, else runs the program again with
/// it off, as the same process. Belongs before anything else: nothing may be under way.
///
/// # Errors
/// Why the program cannot be run again; it must not go on then.
pub fn without_telemetry() -> Result<(), String> {
    if telemetry_is_off() {
        return Ok(());
    }
    let process = std::process::id().to_string();
    if std::env::var_os(RESTARTED).is_some_and(|by| *by == *process) {
        return Err(refusal("the variable does not keep its value"));
    }
    let program = std::env::current_exe().map_err(|error| refusal(&error.to_string()))?;
    let mut arguments = std::env::args_os();
    let mut again = Command::new(program);
    if let Some(name) = arguments.next() {
        again.arg0(name);
    }
    again.args(arguments).env(TELEMETRY_VARIABLE, TELEMETRY_OFF).env(RESTARTED, process);
    Err(refusal(&again.exec().to_string()))
}

fn refusal(reason: &str) -> String {
    format!(
        "ONNX Runtime would send telemetry unless {TELEMETRY_VARIABLE} is {TELEMETRY_OFF} when the \
         program starts. Undertone could not start itself again with it ({reason}): set \
         {TELEMETRY_VARIABLE}={TELEMETRY_OFF} and start undertone again"
    )
}
