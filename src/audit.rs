//! The records of calls, for those who may read them. `server::audit` leaves them.

use tonic::{Request, Response, Status};

use crate::caller::Caller;
use crate::contract;
use crate::pb;
use crate::pb::audit_service_server::AuditService;
use crate::pb::time::millis;
use crate::storage::{AuditListing, Storage};

/// The records of calls.
#[derive(Debug, Clone)]
pub struct AuditLog {
    storage: Storage,
}

// === impl AuditLog ===

impl AuditLog {
    /// Tells of the records that storage holds.
    #[must_use]
    pub fn new(storage: Storage) -> Self {
        Self { storage }
    }
}

#[tonic::async_trait]
impl AuditService for AuditLog {
    async fn list_audit_records(
        &self,
        request: Request<pb::ListAuditRecordsRequest>,
    ) -> Result<Response<pb::ListAuditRecordsResponse>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        let draft = contract::check(&request).pass()?;
        let page = draft.page();
        let named = |name: String| Some(name).filter(|name| !name.is_empty());
        let listing = AuditListing {
            account: caller.account().to_owned(),
            owner: caller.only_owner().map(str::to_owned),
            caller: named(request.caller),
            method: named(request.method),
            object: named(request.object),
            from_ms: request.recorded_from.as_ref().map(millis),
            before_ms: request.recorded_before.as_ref().map(millis),
            oldest_first: request.oldest_first,
            after: page.place(|place| place.parse().ok())?,
            limit: page.size,
        };
        let found = self.storage.audit(listing).await?;
        let next = found.through.map(|through| page.token_after(&through.to_string()));
        Ok(Response::new(pb::ListAuditRecordsResponse {
            audit_records: found.records,
            next_page_token: next.unwrap_or_default(),
        }))
    }
}
