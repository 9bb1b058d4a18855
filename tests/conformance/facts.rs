//! The tables of facts.

use std::collections::BTreeMap;

/// What endpoints take.
pub const PARAMETERS: &str = include_str!("../../src/sandbox/params/facts.txt");
/// What objects have.
pub const OBJECTS: &str = include_str!("objects.txt");

/// One parameter, or one member of an object.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Fact {
    pub kind: String,
    pub required: bool,
    pub clear: bool,
    pub min: Option<i64>,
    pub max: Option<i64>,
    pub words: Vec<String>,
}

/// Facts by path.
pub type Facts = BTreeMap<String, Fact>;

/// Reads the section of a table under a heading.
pub fn section(table: &str, heading: &str) -> Facts {
    let mut lines = table.lines().skip_while(|line| *line != heading);
    assert!(lines.next().is_some(), "the table has no {heading}");
    let section = lines.take_while(|line| line.starts_with(' '));
    section.map(|line| read(line.trim())).collect()
}

fn read(line: &str) -> (String, Fact) {
    let mut words = line.split(' ');
    let path = words.next().unwrap().to_owned();
    let mut fact = Fact { kind: words.next().unwrap().to_owned(), ..Fact::default() };
    for word in words {
        match word.split_once('=') {
            None if word == "required" => fact.required = true,
            None if word == "clear" => fact.clear = true,
            None => assert_eq!(word, "nullable", "{line}"),
            Some(("min", value)) => fact.min = Some(value.parse().unwrap()),
            Some(("max", value)) => fact.max = Some(value.parse().unwrap()),
            Some(("of", words)) => fact.words = words.split('|').map(Into::into).collect(),
            Some(_) => panic!("unknown fact in {line}"),
        }
    }
    (path, fact)
}
