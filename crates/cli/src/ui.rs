//! `edgeplan ui`: the local page.

use std::net::SocketAddr;

use anyhow::Result;
use edgeplan_ui::Page;

use crate::reply::Reply;
use crate::watch;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Address and port to listen on; port 0 takes a free one. What reaches it can plan and name
    /// files of this machine
    #[arg(long, default_value = "127.0.0.1:7434")]
    listen: SocketAddr,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Reply> {
    watch::listen();
    let page = Page::listen(arguments.listen)?;
    eprintln!("http://{}/ shows the page; Ctrl-C ends it", page.address());
    page.serve(watch::interrupted)?;
    Ok(Reply::raw(String::new()))
}
