//! How much was read in the background this month. Stripe allows some hundred
//! reads for each payment, and ten thousand a month to those who have few:
//! <https://docs.stripe.com/rate-limits>.

use jiff::Zoned;

use super::of_account;
use crate::payments::Payments;
use crate::storage;

const MONTH: &str = "reads.month";
const COUNT: &str = "reads.count";

/// Counts one read at an account, and gives how many there were this month.
pub(super) async fn spend(payments: &Payments, account: &str) -> Result<i64, storage::Error> {
    let (month_mark, count_mark) = (of_account(MONTH, account), of_account(COUNT, account));
    let today = Zoned::now().with_time_zone(jiff::tz::TimeZone::UTC);
    let month = i64::from(today.year()) * 12 + i64::from(today.month());
    let storage = &payments.storage;
    let mut count = 0;
    if storage.mark(&month_mark).await? == Some(month) {
        count = storage.mark(&count_mark).await?.unwrap_or_default();
    } else {
        storage.put_mark(&month_mark, month).await?;
    }
    storage.put_mark(&count_mark, count + 1).await?;
    Ok(count + 1)
}
