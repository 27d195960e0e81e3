//! The book is whole: every chapter is listed and there, and every relative link leads somewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, Result};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// Files outside the book whose links are checked, too.
const BESIDE: &[&str] = &["README.md", "CHANGELOG.md"];

/// All faults of the book and of the files beside it, one line each.
pub(crate) fn faults(root: &Path) -> Result<Vec<String>> {
    let docs = root.join("docs");
    let mut files = Vec::new();
    markdown(&docs, &mut files)?;
    files.extend(BESIDE.iter().map(|name| root.join(name)).filter(|file| file.is_file()));
    let mut pages = BTreeMap::new();
    for file in files {
        let text =
            fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        pages.insert(file, Page::read(&text));
    }
    let mut faults = Vec::new();
    for (file, page) in &pages {
        let shown = file.strip_prefix(root).unwrap_or(file).display();
        for link in &page.links {
            if let Some(why) = broken(file, link, &pages) {
                faults.push(format!("{shown}: link `{link}`: {why}"));
            }
        }
    }
    faults.extend(unlisted(root, &docs, &pages));
    Ok(faults)
}

/// Chapters that SUMMARY.md does not list.
fn unlisted(root: &Path, docs: &Path, pages: &BTreeMap<PathBuf, Page>) -> Vec<String> {
    let summary = docs.join("SUMMARY.md");
    let Some(list) = pages.get(&summary) else {
        return vec!["docs/SUMMARY.md is not there".to_owned()];
    };
    let listed: BTreeSet<PathBuf> = list
        .links
        .iter()
        .filter_map(|link| target(&summary, link.split('#').next().unwrap_or(link)))
        .collect();
    pages
        .keys()
        .filter(|file| file.starts_with(docs) && **file != summary && !listed.contains(*file))
        .map(|file| {
            format!(
                "{}: not listed in docs/SUMMARY.md",
                file.strip_prefix(root).unwrap_or(file).display()
            )
        })
        .collect()
}

/// What a Markdown file links to, and what can be linked to in it.
#[derive(Debug, Default)]
struct Page {
    links: Vec<String>,
    anchors: BTreeSet<String>,
}

impl Page {
    fn read(text: &str) -> Self {
        let options =
            Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES | Options::ENABLE_HEADING_ATTRIBUTES;
        let mut page = Self::default();
        let mut heading: Option<(Option<String>, String)> = None;
        for event in Parser::new_ext(text, options) {
            match event {
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    page.links.push(dest_url.into_string());
                }
                Event::Start(Tag::Heading { id, .. }) => {
                    heading = Some((id.map(pulldown_cmark::CowStr::into_string), String::new()));
                }
                Event::End(TagEnd::Heading(_)) => {
                    if let Some((id, text)) = heading.take() {
                        page.add_anchor(&id.unwrap_or_else(|| slug(&text)));
                    }
                }
                Event::Text(text) | Event::Code(text) => {
                    if let Some((_, heading)) = &mut heading {
                        heading.push_str(&text);
                    }
                }
                _ => {}
            }
        }
        page
    }

    /// Headings with equal texts are numbered from the second one on.
    fn add_anchor(&mut self, anchor: &str) {
        let free = (1..=self.anchors.len())
            .map(|n| format!("{anchor}-{n}"))
            .find(|numbered| !self.anchors.contains(numbered))
            .filter(|_| self.anchors.contains(anchor));
        self.anchors.insert(free.unwrap_or_else(|| anchor.to_owned()));
    }
}

/// The anchor of a heading: lower case, spaces as hyphens, without other punctuation.
fn slug(heading: &str) -> String {
    heading
        .trim()
        .chars()
        .filter_map(|c| match c {
            ' ' => Some('-'),
            c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
            _ => None,
        })
        .flat_map(char::to_lowercase)
        .collect()
}

/// Why a link of this file leads nowhere, if so. Links to other hosts are not looked at.
fn broken(file: &Path, link: &str, pages: &BTreeMap<PathBuf, Page>) -> Option<String> {
    if is_absolute(link) {
        return None;
    }
    let (path, anchor) =
        link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
    let Some(target) =
        (if path.is_empty() { Some(file.to_path_buf()) } else { target(file, path) })
    else {
        return Some("it must be relative".to_owned());
    };
    if !target.exists() {
        return Some("there is no such file".to_owned());
    }
    match (anchor, pages.get(&target)) {
        (Some(anchor), Some(page)) if !page.anchors.contains(anchor) => {
            Some(format!("there is no heading #{anchor}"))
        }
        _ => None,
    }
}

/// Whether a link has a scheme, as in `https://` or `mailto:`.
fn is_absolute(link: &str) -> bool {
    link.split_once(':').is_some_and(|(scheme, _)| {
        !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    })
}

/// The file that a relative link of this file names, without `.` and `..`.
fn target(file: &Path, link: &str) -> Option<PathBuf> {
    let mut target = file.parent()?.to_path_buf();
    for part in Path::new(&link.replace("%20", " ")).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                target.pop();
            }
            Component::Normal(part) => target.push(part),
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(target)
}

/// Adds all Markdown files below a folder.
fn markdown(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?
    {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            markdown(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "md") {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults_of(files: &[(&str, &str)]) -> Vec<String> {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        faults(root.path()).unwrap()
    }

    const SUMMARY: (&str, &str) =
        ("docs/SUMMARY.md", "# S\n\n- [A](a.md)\n- [One](adr/0001-one.md)\n");

    #[test]
    fn a_whole_book_has_no_faults() {
        let faults = faults_of(&[
            SUMMARY,
            (
                "docs/a.md",
                "# A `b`, c\n\n[x](adr/0001-one.md#why-so) [y](#a-b-c) [z](../README.md) <https://x.example>\n",
            ),
            (
                "docs/adr/0001-one.md",
                "# One\n\n## Why so?\n\n[up](../a.md)\n\n```\n[not](a-link.md)\n```\n",
            ),
            (
                "README.md",
                "[docs](docs/) ![picture][p] [mail](mailto:a@example.com)\n\n[p]: docs/a.md\n",
            ),
        ]);
        assert_eq!(faults, Vec::<String>::new());
    }

    #[test]
    fn every_kind_of_fault_is_named() {
        let faults = faults_of(&[
            SUMMARY,
            ("docs/a.md", "[x](missing.md) [y](#nowhere) [z](/etc/passwd)\n"),
            ("docs/extra.md", ""),
            ("README.md", "[d](docs/a.md#b)\n"),
        ]);
        assert_eq!(
            faults,
            [
                "README.md: link `docs/a.md#b`: there is no heading #b",
                "docs/SUMMARY.md: link `adr/0001-one.md`: there is no such file",
                "docs/a.md: link `missing.md`: there is no such file",
                "docs/a.md: link `#nowhere`: there is no heading #nowhere",
                "docs/a.md: link `/etc/passwd`: it must be relative",
                "docs/extra.md: not listed in docs/SUMMARY.md",
            ]
        );
    }

    #[test]
    fn equal_headings_are_numbered() {
        let page = Page::read("# A\n\n# A\n\n# A\n\n# B {#own}\n");
        assert_eq!(page.anchors.into_iter().collect::<Vec<_>>(), ["a", "a-1", "a-2", "own"]);
    }
}
