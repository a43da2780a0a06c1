//! Pages of the manual and completions of shells, made from the arguments themselves.

use std::path::Path;

use anyhow::{Context as _, Result};
use clap::Command;
use clap_complete::Shell;
use edgeplan_files::write_folder_atomic;

use crate::reply::Reply;

/// The completion script of a shell.
pub(crate) fn completions(mut command: Command, shell: Shell) -> Reply {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "edgeplan", &mut script);
    Reply::raw(String::from_utf8_lossy(&script).into_owned())
}

/// The page of `edgeplan`; with a folder, a page there of each command as well.
pub(crate) fn pages(command: Command, out: Option<&Path>) -> Result<Reply> {
    let mut command = command.disable_help_subcommand(true);
    // Gives commands their full names.
    command.build();
    let Some(folder) = out else { return Ok(Reply::raw(page(&command)?.1)) };
    let shown = command.get_subcommands().filter(|command| !command.is_hide_set());
    let files = [&command].into_iter().chain(shown).map(page).collect::<Result<Vec<_>>>()?;
    write_folder_atomic(folder, &files)?;
    Ok(Reply::text(&format!("{} pages in {}", files.len(), folder.display())))
}

/// The file of a command's page, and its text.
fn page(command: &Command) -> Result<(String, String)> {
    let page = clap_mangen::Man::new(command.clone());
    let mut text = Vec::new();
    page.render(&mut text).context("a page of the manual")?;
    Ok((page.get_filename(), String::from_utf8_lossy(&text).into_owned()))
}
