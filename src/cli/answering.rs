//! What the orca that watches answers for others: the same text as the commands print, by the same functions.

use super::args::GraphFormat;
use super::{graph, status};
use crate::engine::{Look, Status};
use crate::serve::{GraphAsk, GraphForm, Printer};

/// Prints as the commands do.
pub(super) struct AsCommands;

impl Printer for AsCommands {
    fn status(&self, status: &Status) -> String {
        status::told(status)
    }

    fn status_json(&self, status: &Status) -> String {
        status::in_json(status)
    }

    fn graph(&self, look: &Look, ask: &GraphAsk) -> String {
        let format = match ask.format {
            GraphForm::Tree => GraphFormat::Tree,
            GraphForm::Dot => GraphFormat::Dot,
            GraphForm::Mermaid => GraphFormat::Mermaid,
            GraphForm::Json => GraphFormat::Json,
        };
        let GraphAsk { layers, critical_path, width, .. } = *ask;
        graph::drawn(look, &graph::Drawing { format, layers, critical_path, width })
    }
}
