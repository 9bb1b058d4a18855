//! What is looked for, in the ways in which a value can be written.

/// What is looked for, and all places in which it was found.
#[derive(Default)]
pub struct Search {
    pub secrets: Vec<String>,
    pub personal: Vec<String>,
    pub found: Vec<String>,
    /// How much was looked through.
    pub bytes: usize,
}

// === impl Search ===

impl Search {
    /// Looks for everything, in the ways in which a value can be written.
    pub fn look(&mut self, place: &str, bytes: &[u8]) {
        let canaries = [self.secrets.clone(), self.personal.clone()].concat();
        self.look_for(&canaries, place, bytes);
    }

    /// Looks for what nothing at all may hold.
    pub fn look_for_secrets(&mut self, place: &str, bytes: &[u8]) {
        self.look_for(&self.secrets.clone(), place, bytes);
    }

    fn look_for(&mut self, canaries: &[String], place: &str, bytes: &[u8]) {
        self.bytes += bytes.len();
        let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
        for canary in canaries {
            for form in forms(canary) {
                if let Some(at) = text.find(&form) {
                    let before: String = text[..at].chars().rev().take(200).collect();
                    let before: String = before.chars().rev().collect();
                    self.found.push(format!("{canary} is in {place}, after: {before}"));
                }
            }
        }
    }
}

/// A value as it is, in hexadecimal digits, and as a list of bytes.
fn forms(canary: &str) -> [String; 3] {
    let listed = format!("{:?}", canary.as_bytes());
    let listed = listed.trim_matches(['[', ']']).to_owned();
    [canary.to_ascii_lowercase(), hex::encode(canary), listed]
}
