//! The whole state as a text, and back.
//!
//! What belongs to the process and not to the state stays with the process: its address, its
//! configured webhook and its bounds.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Shared;
use super::store::{self, State};

/// The form that is written. A state in another form is refused.
const FORM: u32 = 1;

/// A state that cannot be taken over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Error {
    /// It is not what [`save`] writes.
    #[error("this is no snapshot: {0}")]
    Unreadable(String),
    /// It was written by a sandbox of another form.
    #[error("the snapshot has the form {0}, and this sandbox reads the form {FORM}")]
    OtherForm(u32),
}

#[derive(Serialize)]
struct Written<'a> {
    form: u32,
    state: &'a State,
}

#[derive(Deserialize)]
struct Read {
    form: u32,
    state: Value,
}

/// Writes the state down.
pub(super) fn save(state: &State) -> Result<String, Error> {
    serde_json::to_string(&Written { form: FORM, state }).map_err(|error| unreadable(&error))
}

/// Puts a state that was written down in the place of the present one.
pub(super) fn restore(shared: &Shared, text: &str) -> Result<(), Error> {
    let Read { form, mut state } =
        serde_json::from_str(text).map_err(|error| unreadable(&error))?;
    if form != FORM {
        return Err(Error::OtherForm(form));
    }
    bound(&mut state, shared.config.objects_max);
    let state = match state.get("public_url").and_then(Value::as_str) {
        Some(before) if before != shared.url => {
            let (before, now) = (format!("{before}/"), format!("{}/", shared.url));
            serde_json::from_str(&state.to_string().replace(&before, &now))
        }
        _ => serde_json::from_value(state),
    };
    let mut state: State = state.map_err(|error| unreadable(&error))?;
    state.public_url.clone_from(&shared.url);
    state.ledger.forget_unfinished();
    for of_account in state.connected.values_mut() {
        of_account.ledger.forget_unfinished();
    }
    shared.replace(state);
    Ok(())
}

/// Everything keeps as much as this sandbox allows, and not the one that wrote it down.
fn bound(state: &mut Value, objects_max: usize) {
    for (name, part) in state.as_object_mut().into_iter().flatten() {
        match name.as_str() {
            "objects_max" => *part = objects_max.into(),
            "connected" => {
                let stores = part.as_object_mut().into_iter().flat_map(Map::values_mut);
                stores.for_each(|store| bound(store, objects_max));
            }
            name => {
                if let Some(capacity) = part.get_mut("capacity") {
                    *capacity = store::capacity(name, objects_max).into();
                }
            }
        }
    }
}

fn unreadable(error: &serde_json::Error) -> Error {
    Error::Unreadable(error.to_string())
}
