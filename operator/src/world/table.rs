//! A table of many small rows, each under a namespace and a name.
//!
//! In order, one after the other: no place stands empty between them, and a row's name is one piece of memory. A new row
//! moves those behind it; lists come in order, so that they only add to the end.

/// The rows, in order of namespace, then name.
#[derive(Debug)]
pub struct Table<T>(Vec<Row<T>>);

#[derive(Debug)]
struct Row<T> {
    /// `namespace/name`; neither holds a slash.
    path: Box<str>,
    value: T,
}

impl<T> Row<T> {
    fn words(&self) -> (&str, &str) {
        self.path.split_once('/').unwrap_or_default()
    }
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Table<T> {
    /// The row of that name.
    pub fn get(&self, namespace: &str, name: &str) -> Option<&T> {
        let place = self.place(namespace, name).ok()?;
        self.0.get(place).map(|row| &row.value)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, namespace: &str, name: &str) -> Option<&mut T> {
        let place = self.place(namespace, name).ok()?;
        self.0.get_mut(place).map(|row| &mut row.value)
    }

    /// Puts a row in; gives the one that was there.
    pub fn insert(&mut self, namespace: &str, name: &str, value: T) -> Option<T> {
        if let Some(old) = self.get_mut(namespace, name) {
            return Some(std::mem::replace(old, value));
        }
        let (Ok(place) | Err(place)) = self.place(namespace, name);
        let path = format!("{namespace}/{name}").into_boxed_str();
        self.0.insert(place, Row { path, value });
        None
    }

    /// Takes a row out.
    pub fn remove(&mut self, namespace: &str, name: &str) -> Option<T> {
        let place = self.place(namespace, name).ok()?;
        Some(self.0.remove(place).value)
    }

    /// All rows: namespace, name, value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, &T)> {
        self.0.iter().map(|row| {
            let (namespace, name) = row.words();
            (namespace, name, &row.value)
        })
    }

    /// All values, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.0.iter_mut().map(|row| &mut row.value)
    }

    /// Keeps the rows of which `is_kept` holds.
    pub fn retain(&mut self, mut is_kept: impl FnMut(&str, &str, &T) -> bool) {
        self.0.retain(|row| {
            let (namespace, name) = row.words();
            is_kept(namespace, name, &row.value)
        });
    }

    fn place(&self, namespace: &str, name: &str) -> Result<usize, usize> {
        self.0
            .binary_search_by(|row| row.words().cmp(&(namespace, name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_replaced_and_taken_out() {
        let mut table = Table::default();
        for (namespace, name) in [
            ("b", "a"),
            ("a", "b"),
            ("a-b", "a"),
            ("", "node"),
            ("a", "a"),
        ] {
            assert_eq!(table.insert(namespace, name, 1), None, "{namespace}/{name}");
        }
        assert_eq!(table.insert("a", "b", 2), Some(1));
        let rows: Vec<_> = table
            .iter()
            .map(|(of, name, n)| format!("{of}/{name}={n}"))
            .collect();
        assert_eq!(rows, ["/node=1", "a/a=1", "a/b=2", "a-b/a=1", "b/a=1"]);
        assert_eq!((table.get("a", "b"), table.get("a", "c")), (Some(&2), None));
        assert_eq!(
            (table.remove("a", "b"), table.remove("a", "b")),
            (Some(2), None)
        );
        table.retain(|namespace, _, _| namespace == "a");
        assert_eq!(table.iter().count(), 1);
    }
}
