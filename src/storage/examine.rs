//! Looks at the memory without changing it: what `paylink doctor` tells of it.

use std::path::Path;

use secrecy::ExposeSecret as _;
use sqlx::{AnyConnection, Connection as _};

use super::connect::{self, Kind};
use super::{Config, Error, schema};

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub struct Examined {
    /// Where the memory is.
    pub place: Place,
    /// The versions of the schema that it lacks.
    pub lacking: Vec<&'static str>,
    /// How many versions it has that this release does not know, and can live with.
    pub unknown: usize,
}

/// Where a memory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the process: it ends with that.
    Process,
    /// In a file that is not there yet.
    NoFile,
    /// In a file.
    File,
    /// On a server.
    Server,
}

// === impl Config ===

impl Config {
    /// Examines the memory. Makes nothing and changes nothing; a file may be in use.
    ///
    /// The errors are those of opening it: among them, that commits would not wait
    /// for the disk.
    pub async fn examine(&self) -> Result<Examined, Error> {
        sqlx::any::install_default_drivers();
        let (mut connection, kind, place) = match connect::place(self.url.expose_secret())? {
            connect::Place::Memory => return Ok(Examined::unmade(Place::Process)),
            connect::Place::File(path) if !Path::new(path).exists() => {
                return Ok(Examined::unmade(Place::NoFile));
            }
            connect::Place::File(path) => {
                (connect::sqlite::look_at(self, path).await?, Kind::Sqlite, Place::File)
            }
            connect::Place::Server(url) => {
                (connect::postgres::look_at(self, url).await?, Kind::Postgres, Place::Server)
            }
        };
        let compared = examined(&mut connection, kind, place).await;
        // What was read is known, whatever becomes of the connection.
        drop(connection.close().await);
        compared
    }
}

// === impl Examined ===

impl Examined {
    fn unmade(place: Place) -> Self {
        Self { place, lacking: Vec::new(), unknown: 0 }
    }
}

async fn examined(
    connection: &mut AnyConnection,
    kind: Kind,
    place: Place,
) -> Result<Examined, Error> {
    let (lacking, unknown) = schema::compare(connection, kind).await?;
    Ok(Examined { place, lacking, unknown })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::testing::Disk;

    #[tokio::test]
    async fn an_open_memory_is_examined_beside_its_owner() {
        let disk = Disk::new();
        let storage = disk.open().await;
        let place = if storage.is_shared() { Place::Server } else { Place::File };
        let found = disk.config().examine().await.unwrap();
        assert_eq!(found, Examined { place, lacking: vec![], unknown: 0 });
        storage.close().await;
        assert_eq!(disk.config().examine().await.unwrap(), found);
    }

    #[tokio::test]
    async fn what_is_not_there_is_not_made() {
        let path = std::env::temp_dir().join(format!("{}.db", uuid::Uuid::new_v4()));
        let config = Config::testing(format!("sqlite:{}", path.display()));
        assert_eq!(config.examine().await.unwrap(), Examined::unmade(Place::NoFile));
        assert!(!path.exists());
    }
}
