//! One model: its plan, what binds in it, files that run it.

use std::path::PathBuf;

use edgeplan::fit::{Fit, Look};
use edgeplan::{Runtime, Task};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::layout::{Constraint, Layout};
use ratatui::text::Line;
use ratatui::widgets::Paragraph;
use ratatui::{DefaultTerminal, Frame};

/// What is read of a model, and how far down.
#[derive(Debug)]
struct Page<'a> {
    source: &'a str,
    text: String,
    first: u16,
}

/// What a key leads to.
#[derive(Debug)]
enum Next {
    Stay,
    Leave,
    Look(Look),
}

/// Shows the plan of a model, and what else is asked of it, until it is left.
pub(super) fn show(
    terminal: &mut DefaultTerminal,
    fit: &Fit,
    task: &Task<'_>,
    source: &str,
) -> std::io::Result<()> {
    let mut page = Page { source, text: String::new(), first: 0 };
    let mut next = Next::Look(Look::Plan);
    loop {
        match next {
            Next::Leave => return Ok(()),
            Next::Stay => {}
            Next::Look(look) => {
                page.read("planning ...".into());
                terminal.draw(|frame| page.draw(frame))?;
                page.read(fit.look(source, &look, task).unwrap_or_else(|error| error.to_string()));
            }
        }
        terminal.draw(|frame| page.draw(frame))?;
        next = match event::read()? {
            Event::Key(key) if key.kind != KeyEventKind::Release => page.press(key),
            _ => Next::Stay,
        };
    }
}

/// The folder for the files of a model, in the current one.
fn folder(source: &str) -> PathBuf {
    let name = source.rsplit(['/', ':', '\\']).next().unwrap_or(source);
    PathBuf::from(format!("deploy-{}", name.trim_end_matches(".gguf")))
}

impl Page<'_> {
    fn read(&mut self, text: String) {
        (self.text, self.first) = (text, 0);
    }

    fn press(&mut self, key: KeyEvent) -> Next {
        let last = u16::try_from(self.text.lines().count().saturating_sub(1)).unwrap_or(u16::MAX);
        let to = match key.code {
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => {
                return Next::Leave;
            }
            KeyCode::Esc | KeyCode::Char('q') => return Next::Leave,
            KeyCode::Char('p') => return Next::Look(Look::Plan),
            KeyCode::Char('e') => return Next::Look(Look::Explain),
            KeyCode::Char('x') => return self.export(),
            KeyCode::Up => self.first.saturating_sub(1),
            KeyCode::Down => self.first.saturating_add(1),
            KeyCode::PageUp => self.first.saturating_sub(10),
            KeyCode::PageDown => self.first.saturating_add(10),
            _ => self.first,
        };
        self.first = to.min(last);
        Next::Stay
    }

    fn export(&mut self) -> Next {
        match Runtime::find("llama.cpp") {
            Ok(engine) => Next::Look(Look::Export { engine, folder: folder(self.source) }),
            Err(problem) => {
                self.read(problem);
                Next::Stay
            }
        }
    }

    fn draw(&self, frame: &mut Frame<'_>) {
        let areas =
            Layout::vertical([Constraint::Length(1), Constraint::Min(1), Constraint::Length(1)])
                .split(frame.area());
        frame.render_widget(Line::from(format!(" {}", self.source)), areas[0]);
        frame.render_widget(Paragraph::new(self.text.as_str()).scroll((self.first, 0)), areas[1]);
        let help = format!(
            " p plan, e explain, x export for llama.cpp into {}, arrows scroll, Esc goes back",
            folder(self.source).display()
        );
        frame.render_widget(Line::from(help), areas[2]);
    }
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;

    #[test]
    fn a_plan_is_scrolled_and_keys_ask_for_more() {
        let name = "catalog:tinyllama-1.1b";
        let cluster = edgeplan::Sources::cluster(None).unwrap();
        let workload = edgeplan_pricing::workload::Workload::default();
        let fit = Fit { models: vec![name.into()], cluster, workload };
        let mut page = Page { source: name, text: String::new(), first: 0 };
        page.read(fit.look(name, &Look::Plan, &Task::default()).unwrap());
        let mut terminal = Terminal::new(TestBackend::new(100, 8)).unwrap();
        terminal.draw(|frame| page.draw(frame)).unwrap();
        let text = terminal.backend().to_string();
        assert!(text.contains("tokens/s") && text.contains("into deploy-tinyllama-1.1b"), "{text}");
        assert!(matches!(page.press(KeyCode::Down.into()), Next::Stay));
        assert_eq!(page.first, 1);
        assert!(matches!(page.press(KeyCode::Char('e').into()), Next::Look(Look::Explain)));
        assert!(matches!(page.press(KeyCode::Esc.into()), Next::Leave));
        let Next::Look(export) = page.press(KeyCode::Char('x').into()) else { panic!("no export") };
        let place = tempfile::tempdir().unwrap();
        let Look::Export { engine, .. } = export else { panic!("{export:?}") };
        let folder = place.path().join("files");
        let said =
            fit.look(name, &Look::Export { engine, folder: folder.clone() }, &Task::default());
        assert!(said.unwrap().contains("serve.sh") && folder.join("serve.sh").is_file());
        let again = fit.look(name, &Look::Export { engine, folder }, &Task::default());
        assert!(again.unwrap_err().to_string().contains("files"), "a folder in use is refused");
    }

    #[test]
    fn folders_are_named_after_models() {
        assert_eq!(folder("catalog:a-b"), PathBuf::from("deploy-a-b"));
        assert_eq!(folder("/models/a.gguf"), PathBuf::from("deploy-a"));
    }
}
