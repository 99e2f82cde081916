//! Annotated CSV as InfluxDB writes it: tables with types and defaults
//!
//! The first column holds the annotations. A table starts with them or after a
//! blank line, and its first plain row names the columns.

use std::borrow::Cow;
use std::rc::Rc;

/// One row of a table.
pub(super) struct Record<'a> {
    table: Rc<Table<'a>>,
    cells: Vec<Cow<'a, str>>,
}

#[derive(Default, Clone)]
struct Table<'a> {
    datatypes: Vec<Cow<'a, str>>,
    defaults: Vec<Cow<'a, str>>,
    names: Vec<Cow<'a, str>>,
}

impl Record<'_> {
    /// The cell of a column, or the column's default; none without the column.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let place = self.place(name)?;
        let cell = self.cells.get(place).map_or("", |cell| cell);
        if cell.is_empty() {
            return self.table.defaults.get(place).map(|cell| &**cell);
        }
        Some(cell)
    }

    /// The type of a column.
    pub(super) fn datatype(&self, name: &str) -> Option<&str> {
        let datatype = self.table.datatypes.get(self.place(name)?)?;
        Some(datatype)
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.table.names.iter().position(|column| column == name)
    }
}

/// All rows of all tables; none if the text is not such CSV.
pub(super) fn records(text: &str) -> Option<Vec<Record<'_>>> {
    let mut records = Vec::new();
    let mut table = Table::default();
    let mut current: Option<Rc<Table<'_>>> = None;
    let mut rest = text;
    while !rest.is_empty() {
        let cells;
        (cells, rest) = row(rest)?;
        let mark = cells.first()?;
        if cells.len() == 1 && mark.is_empty() {
            (table, current) = (Table::default(), None);
            continue;
        }
        match &**mark {
            "#datatype" => {
                // Annotations without a blank line before them start a table too.
                if current.take().is_some() {
                    table = Table::default();
                }
                table.datatypes = cells;
            }
            "#default" => table.defaults = cells,
            "#group" => {}
            "" => match &current {
                Some(table) => records.push(Record {
                    table: Rc::clone(table),
                    cells,
                }),
                None => {
                    table.names = cells;
                    current = Some(Rc::new(table.clone()));
                }
            },
            _ => return None,
        }
    }
    Some(records)
}

/// One row, and what follows it; none if a quote is not closed.
fn row(text: &str) -> Option<(Vec<Cow<'_, str>>, &str)> {
    let mut cells = Vec::new();
    let mut rest = text;
    loop {
        let cell;
        (cell, rest) = cell_of(rest)?;
        cells.push(cell);
        if let Some(next) = rest.strip_prefix(',') {
            rest = next;
            continue;
        }
        let rest = rest.strip_prefix('\r').unwrap_or(rest);
        return match rest.strip_prefix('\n') {
            Some(next) => Some((cells, next)),
            None if rest.is_empty() => Some((cells, rest)),
            None => None,
        };
    }
}

fn cell_of(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let Some(mut rest) = text.strip_prefix('"') else {
        let end = text.find([',', '\r', '\n']).unwrap_or(text.len());
        let (cell, rest) = text.split_at_checked(end)?;
        return Some((cell.into(), rest));
    };
    let mut cell = String::new();
    loop {
        let (part, next) = rest.split_once('"')?;
        cell.push_str(part);
        // Two quotes in a quoted cell are one.
        match next.strip_prefix('"') {
            Some(more) => {
                cell.push('"');
                rest = more;
            }
            None => return Some((cell.into(), next)),
        }
    }
}
