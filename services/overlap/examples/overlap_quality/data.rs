//! Corpora from files of tab-separated lines.

use std::{collections::HashMap, fs, path::Path};

use anyhow::Context;
use selvedge_overlap::Item;

pub(crate) struct Corpus {
    pub(crate) name: String,
    pub(crate) items: Vec<Item>,
    /// Pairs of duplicates, by place in `items`.
    pub(crate) pairs: Vec<(usize, usize)>,
}

impl Corpus {
    pub(crate) fn read(folder: &Path, name: &str, pairs: &str) -> anyhow::Result<Self> {
        let items: Vec<Item> = rows(folder, &format!("{name}_corpus.tsv"))?
            .into_iter()
            .filter_map(|row| {
                let [id, group, title, description] = row.try_into().ok()?;
                Some(Item { id, scope: group, title, description, ..Item::default() })
            })
            .collect();
        let places: HashMap<&str, usize> =
            items.iter().enumerate().map(|(place, item)| (item.id.as_str(), place)).collect();
        let pairs = rows(folder, &format!("{pairs}.tsv"))?
            .iter()
            .filter_map(|row| Some((*places.get(row[0].as_str())?, *places.get(row[1].as_str())?)))
            .collect();
        Ok(Self { name: name.to_owned(), items, pairs })
    }
}

fn rows(folder: &Path, file: &str) -> anyhow::Result<Vec<Vec<String>>> {
    let path = folder.join(file);
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(text.lines().skip(1).map(|line| line.split('\t').map(str::to_owned).collect()).collect())
}
