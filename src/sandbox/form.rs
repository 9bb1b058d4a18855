//! The form encoding of Stripe's API, decoded into a small tree.
//!
//! `a[b][c]=v` nests, `a[0]=v` and `a[]=v` list, and `a=` is a value that unsets. This module only
//! finds the shape; [`super::params`] knows which shapes an endpoint takes.

use super::refusal::Refusal;

/// The most pairs that one request may hold.
pub(super) const PAIRS_MAX: usize = 2_000;
/// The deepest nesting of a name; Stripe's own parameters stay well below it.
pub(super) const DEPTH_MAX: usize = 10;

/// What one name of a form holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    /// A value, as it was sent.
    Text(String),
    /// Members in the order in which they were first named. A list has numbers as names.
    Members(Vec<(String, Node)>),
}

/// Decodes pairs of a query string or a request body.
pub(super) fn decode(raw: &[&[u8]]) -> Result<Node, Refusal> {
    let mut root = Node::Members(Vec::new());
    let pairs = raw.iter().flat_map(|part| form_urlencoded::parse(part));
    for (count, (name, value)) in pairs.enumerate() {
        if count >= PAIRS_MAX {
            return Err(Refusal::invalid("Your request holds too many parameters."));
        }
        let path = split(&name)?;
        insert(&mut root, &path, &value, &name)?;
    }
    Ok(root)
}

// === impl Node ===

impl Node {
    /// The tree as canonical text: equal for equal parameters, whatever their order was.
    pub(super) fn fingerprint(&self) -> String {
        match self {
            Node::Text(text) => format!("={text:?}"),
            Node::Members(members) => {
                let mut parts: Vec<String> = members
                    .iter()
                    .map(|(name, node)| format!("{name:?}{}", node.fingerprint()))
                    .collect();
                parts.sort();
                format!("{{{}}}", parts.join(","))
            }
        }
    }
}

/// Splits `a[b][]` into `a`, `b` and the empty name that asks for the next index.
fn split(name: &str) -> Result<Vec<&str>, Refusal> {
    let malformed = || Refusal::invalid(format!("Invalid request: malformed parameter {name}"));
    let (head, mut rest) = match name.find('[') {
        Some(at) => name.split_at(at),
        None => (name, ""),
    };
    if head.is_empty() {
        return Err(malformed());
    }
    let mut path = vec![head];
    while let Some(inner) = rest.strip_prefix('[') {
        let (segment, tail) = inner.split_once(']').ok_or_else(malformed)?;
        path.push(segment);
        rest = tail;
    }
    if rest.is_empty() && path.len() <= DEPTH_MAX { Ok(path) } else { Err(malformed()) }
}

fn insert(node: &mut Node, path: &[&str], value: &str, name: &str) -> Result<(), Refusal> {
    let clash = || Refusal::invalid(format!("Invalid request: conflicting parameter {name}"));
    let Node::Members(members) = node else {
        return Err(clash());
    };
    let Some((segment, rest)) = path.split_first() else {
        return Err(clash());
    };
    let key = member_name(members, segment, rest);
    if let Some((_, existing)) = members.iter_mut().find(|(existing, _)| *existing == key) {
        if !rest.is_empty() {
            return insert(existing, rest, value, name);
        }
        if matches!(existing, Node::Members(_)) {
            return Err(clash());
        }
        *existing = Node::Text(value.to_owned());
        return Ok(());
    }
    let mut fresh = Node::Members(Vec::new());
    if rest.is_empty() {
        fresh = Node::Text(value.to_owned());
    } else {
        insert(&mut fresh, rest, value, name)?;
    }
    members.push((key, fresh));
    Ok(())
}

/// The name under which a segment is kept. `[]` appends, except that `a[][x]=1&a[][y]=2` names two
/// members of one element: a new element begins when a member would come twice.
fn member_name(members: &[(String, Node)], segment: &str, rest: &[&str]) -> String {
    if !segment.is_empty() {
        return segment.to_owned();
    }
    if let (Some((key, Node::Members(last))), Some(next)) = (members.last(), rest.first())
        && !last.iter().any(|(name, _)| name == next)
    {
        return key.clone();
    }
    members.len().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &str, expected: &str) {
        let shown = match decode(&[raw.as_bytes()]) {
            Ok(node) => show(&node),
            Err(refusal) => refusal.message,
        };
        assert_eq!(shown, expected);
    }

    fn show(node: &Node) -> String {
        match node {
            Node::Text(text) => text.clone(),
            Node::Members(members) => {
                let parts: Vec<_> =
                    members.iter().map(|(name, node)| format!("{name}:{}", show(node))).collect();
                format!("({})", parts.join(" "))
            }
        }
    }

    #[test]
    fn names_nest() {
        check("a[b][0][c]=v&a[b][0][d]=w&x=1", "(a:(b:(0:(c:v d:w))) x:1)");
    }

    #[test]
    fn percent_encoded_names_nest_too() {
        check("a%5Bb%5D=1+2%2C3", "(a:(b:1 2,3))");
    }

    #[test]
    fn empty_brackets_append() {
        check("expand[]=a&expand[]=b", "(expand:(0:a 1:b))");
    }

    #[test]
    fn empty_brackets_with_members_fill_one_element_at_a_time() {
        check("i[][p]=1&i[][q]=2&i[][p]=3", "(i:(0:(p:1 q:2) 1:(p:3)))");
    }

    #[test]
    fn an_empty_value_is_kept() {
        check("metadata=", "(metadata:)");
    }

    #[test]
    fn the_last_of_two_values_wins() {
        check("a=1&a=2", "(a:2)");
    }

    #[test]
    fn a_name_is_either_a_value_or_a_parent() {
        check("a=1&a[b]=2", "Invalid request: conflicting parameter a[b]");
        check("a[b]=2&a=1", "Invalid request: conflicting parameter a");
    }

    #[test]
    fn malformed_and_bottomless_names_are_refused() {
        check("a[b=1", "Invalid request: malformed parameter a[b");
        check("[a]=1", "Invalid request: malformed parameter [a]");
        let deep = format!("a{}", "[b]".repeat(DEPTH_MAX));
        check(&format!("{deep}=1"), &format!("Invalid request: malformed parameter {deep}"));
    }

    #[test]
    fn the_order_of_parameters_does_not_change_the_fingerprint() {
        let one = decode(&[b"a=1&b[c]=2"]).unwrap().fingerprint();
        let two = decode(&[b"b[c]=2&a=1"]).unwrap().fingerprint();
        let three = decode(&[b"b[c]=3&a=1"]).unwrap().fingerprint();
        assert_eq!(one, two);
        assert_ne!(one, three);
    }
}
