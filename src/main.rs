//! The `orca` command: parses flags, calls the library, renders.

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(code) = orca::sandbox::shim_main(std::env::args_os()) {
        return code;
    }
    if let Some(code) = orca::agents::driver_main(std::env::args_os()) {
        return code;
    }
    orca::cli::main()
}
