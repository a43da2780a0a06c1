//! Ranked models on a screen, to filter and sort; of one of them its plan, what binds in it, and
//! files that run it.

mod opened;

use std::io::IsTerminal as _;

use edgeplan::Task;
use edgeplan::fit::{Fit, Order, Ranked};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Cell, Row, Table, TableState};
use ratatui::{DefaultTerminal, Frame};

/// Whether there is a screen to show them on.
pub fn has_screen() -> bool {
    std::io::stdout().is_terminal() && std::io::stdin().is_terminal()
}

/// What comes first, and the column of the table that says so.
const ORDERS: [(Order, &str, usize); 4] = [
    (Order::Size, "size", 1),
    (Order::Speed, "speed", 2),
    (Order::Quality, "quality", 5),
    (Order::Context, "context", 6),
];

/// What is typed and chosen so far.
#[derive(Debug)]
struct View {
    filter: String,
    order: usize,
    state: TableState,
}

/// What a key leads to.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Stay,
    Leave,
    Choose,
}

/// Shows models until they are left; each can be opened.
///
/// # Errors
/// A terminal that cannot be drawn on or read from.
pub fn show(fit: &Fit, task: &Task<'_>, ranked: &mut Ranked) -> std::io::Result<()> {
    let mut view = View { filter: String::new(), order: 0, state: TableState::default() };
    view.state.select(Some(0));
    let mut terminal = ratatui::try_init()?;
    let ended = view.run(&mut terminal, fit, task, ranked);
    ratatui::try_restore()?;
    ended
}

impl View {
    fn run(
        &mut self,
        terminal: &mut DefaultTerminal,
        fit: &Fit,
        task: &Task<'_>,
        ranked: &mut Ranked,
    ) -> std::io::Result<()> {
        loop {
            ranked.sort(ORDERS[self.order].0);
            let (shown, sources) = self.rows(ranked);
            terminal.draw(|frame| self.draw(frame, &shown))?;
            let next = match event::read()? {
                Event::Key(key) if key.kind != KeyEventKind::Release => {
                    self.press(key, sources.len())
                }
                _ => Next::Stay,
            };
            match next {
                Next::Stay => {}
                Next::Leave => return Ok(()),
                Next::Choose => {
                    if let Some(source) = sources.get(self.state.selected().unwrap_or(0)) {
                        opened::show(terminal, fit, task, source)?;
                    }
                }
            }
        }
    }

    /// The table without the models that the filter leaves out, and the sources of its rows.
    fn rows(&self, ranked: &Ranked) -> (edgeplan_report::table::Table, Vec<String>) {
        let mut table = ranked.table();
        let wanted = self.filter.to_lowercase();
        let rows = std::mem::take(&mut table.rows);
        let all = rows.into_iter().zip(ranked.fitting().map(|(model, _)| model.source.clone()));
        let (rows, sources) =
            all.filter(|(row, _)| row[0].to_lowercase().contains(&wanted)).unzip();
        table.rows = rows;
        (table, sources)
    }

    fn press(&mut self, key: KeyEvent, rows: usize) -> Next {
        let at = self.state.selected().unwrap_or(0);
        let last = rows.saturating_sub(1);
        match key.code {
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => {
                return Next::Leave;
            }
            KeyCode::Esc if self.filter.is_empty() => return Next::Leave,
            KeyCode::Enter if rows > 0 => return Next::Choose,
            KeyCode::Esc => self.filter.clear(),
            KeyCode::Backspace => drop(self.filter.pop()),
            KeyCode::Tab | KeyCode::Right => self.order = (self.order + 1) % ORDERS.len(),
            KeyCode::BackTab | KeyCode::Left => {
                self.order = (self.order + ORDERS.len() - 1) % ORDERS.len();
            }
            KeyCode::Up => self.state.select(Some(at.saturating_sub(1))),
            KeyCode::Down => self.state.select(Some((at + 1).min(last))),
            KeyCode::PageUp => self.state.select(Some(at.saturating_sub(10))),
            KeyCode::PageDown => self.state.select(Some((at + 10).min(last))),
            KeyCode::Char(letter) => self.filter.push(letter),
            _ => {}
        }
        if matches!(key.code, KeyCode::Char(_) | KeyCode::Backspace | KeyCode::Esc) {
            self.state.select(Some(0));
        }
        Next::Stay
    }

    fn draw(&mut self, frame: &mut Frame<'_>, shown: &edgeplan_report::table::Table) {
        let areas =
            Layout::vertical([Constraint::Length(1), Constraint::Min(1), Constraint::Length(1)])
                .split(frame.area());
        let (_, order, column) = ORDERS[self.order];
        let head =
            format!(" filter: {}_   sorted by {order}, {} models", self.filter, shown.rows.len());
        frame.render_widget(Line::from(head), areas[0]);
        let widths: Vec<Constraint> = (0..shown.columns.len())
            .map(|at| {
                let cells = shown.rows.iter().map(|row| row[at].chars().count());
                let name = shown.columns[at].trim_end_matches('>').chars().count();
                let width = u16::try_from(cells.max().unwrap_or(0).max(name)).unwrap_or(40);
                // A model without the end of its name is another one.
                if at == 0 { Constraint::Min(width) } else { Constraint::Length(width) }
            })
            .collect();
        let names = shown.columns.iter().enumerate().map(|(at, name)| {
            let bold = if at == column { Modifier::BOLD } else { Modifier::DIM };
            Cell::from(name.trim_end_matches('>').to_owned()).style(Style::new().add_modifier(bold))
        });
        let rows = shown.rows.iter().map(|row| Row::new(row.iter().map(String::as_str)));
        let table = Table::new(rows, widths)
            .header(Row::new(names))
            .column_spacing(2)
            .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
        frame.render_stateful_widget(table, areas[1], &mut self.state);
        let help = " letters filter, Tab sorts, arrows move, Enter plans, Esc leaves";
        frame.render_widget(Line::from(help), areas[2]);
    }
}

#[cfg(test)]
mod tests {
    use edgeplan::fit::Fit;
    use edgeplan::{Sources, Task};
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;

    #[test]
    fn letters_filter_tab_sorts_and_enter_chooses() {
        let fit = Fit {
            models: vec!["catalog:tinyllama-1.1b".into(), "catalog:llama-3.2-1b".into()],
            cluster: Sources::cluster(None).unwrap(),
            workload: edgeplan_pricing::workload::Workload::default(),
        };
        let mut ranked = fit.run(&Task::default());
        ranked.sort(Order::Size);
        let mut view = View { filter: String::new(), order: 0, state: TableState::default() };
        for letter in "3.2".chars() {
            assert_eq!(view.press(KeyCode::Char(letter).into(), 2), Next::Stay);
        }
        let (shown, sources) = view.rows(&ranked);
        assert_eq!(sources, ["catalog:llama-3.2-1b"]);
        assert_eq!(view.press(KeyCode::Tab.into(), 1), Next::Stay);
        let mut terminal = Terminal::new(TestBackend::new(80, 6)).unwrap();
        terminal.draw(|frame| view.draw(frame, &shown)).unwrap();
        let text = terminal.backend().to_string();
        assert!(text.contains("filter: 3.2_   sorted by speed, 1 models"), "{text}");
        assert!(text.contains("llama-3.2-1b") && !text.contains("tinyllama"), "{text}");
        assert_eq!(view.press(KeyCode::Enter.into(), 1), Next::Choose);
        assert_eq!(view.press(KeyCode::Esc.into(), 1), Next::Stay);
        assert!(view.filter.is_empty());
        assert_eq!(view.press(KeyCode::Esc.into(), 1), Next::Leave);
    }
}
