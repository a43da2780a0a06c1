//! Cleans up after a process that was killed: the one thing that no destructor can do.

use std::path::Path;
#[cfg(unix)]
use std::process::{Child, Command, Stdio};

/// A shell in a process group of its own. It reads the id of the group that it shall end, and
/// waits: for a word that all is over, or for the end of its input, which comes when the process
/// that holds this guard is gone, for whatever reason. Then it kills the group and removes the
/// folder.
#[derive(Debug)]
pub(crate) struct Guard {
    #[cfg(unix)]
    shell: Child,
}

#[cfg(unix)]
const SCRIPT: &str = r#"
while read -r line; do
    case $line in over) exit 0 ;; *) group=$line ;; esac
done
[ -z "$group" ] || kill -s KILL -- "-$group"
rm -rf -- "$1"
"#;

#[cfg(unix)]
impl Guard {
    /// Watches from now on over that folder.
    pub(crate) fn over(folder: &Path) -> std::io::Result<Self> {
        use std::os::unix::process::CommandExt as _;
        let mut command = Command::new("/bin/sh");
        command.args(["-c", SCRIPT, "guard"]).arg(folder).process_group(0);
        let shell =
            command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        Ok(Self { shell })
    }

    /// Watches over that process group, too.
    pub(crate) fn watch(&mut self, group: u32) -> std::io::Result<()> {
        self.say(&group.to_string())
    }

    fn say(&mut self, line: &str) -> std::io::Result<()> {
        use std::io::Write as _;
        let Some(input) = &mut self.shell.stdin else { return Ok(()) };
        writeln!(input, "{line}").and_then(|()| input.flush())
    }
}

#[cfg(unix)]
impl Drop for Guard {
    fn drop(&mut self) {
        // If the guard's process was killed, there is nothing left to end.
        let _ = self.say("over");
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

#[cfg(not(unix))]
impl Guard {
    pub(crate) fn over(_folder: &Path) -> std::io::Result<Self> {
        Ok(Self {})
    }

    pub(crate) fn watch(&mut self, _group: u32) -> std::io::Result<()> {
        Ok(())
    }
}
