//! What shells, editors and manuals are given: `orca schema`, `completions`, `man`, and the plan of `orca init`.

use clap::CommandFactory as _;

use super::args::{Args, SchemaOf};
use super::terminal::Terminal;
use super::{CliError, Exit};
use crate::engine::write_starter;
use crate::gates::reviewer::verdict_schema;
use crate::plan::json_schema;

pub(super) fn init(args: &Args, terminal: &Terminal) -> Result<Exit, CliError> {
    let path = write_starter(args.directory())?;
    terminal.line(&format!("wrote {}; `orca build` builds it", path.display()));
    Ok(Exit::Good)
}

pub(super) fn schema(of: SchemaOf, terminal: &Terminal) -> Exit {
    let schema = match of {
        SchemaOf::Plan => json_schema(),
        SchemaOf::Verdict => verdict_schema(),
    };
    terminal.line(&format!("{schema:#}"));
    Exit::Good
}

pub(super) fn completions(shell: clap_complete::Shell, terminal: &Terminal) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "orca", &mut script);
    terminal.bytes(&script);
    Exit::Good
}

pub(super) fn man(terminal: &Terminal) -> Result<Exit, CliError> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Args::command()).render(&mut page).map_err(|error| CliError::World(error.to_string()))?;
    terminal.bytes(&page);
    Ok(Exit::Good)
}
