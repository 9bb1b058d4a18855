//! Says in the words of the contract which field Stripe's `param` means.

use std::fmt::Write as _;

use crate::contract::Draft;
use crate::pb::plan::{Kind, Message, Shape};

/// Turns `line_items[0][price]` into `payment_link.line_items[0].price`. A
/// parameter that stands for no field of the request has no path.
pub(super) fn path(draft: &Draft, param: &str) -> Option<String> {
    let mut message: Option<&'static Message> = Some(draft.part().message);
    let mut list = None;
    let mut path = draft.resource_field().unwrap_or_default().to_owned();
    for segment in param.split(['[', ']', '.']).filter(|segment| !segment.is_empty()) {
        if let Some((shape, inner)) = list.take() {
            match shape {
                Shape::Map => write!(path, "[{segment:?}]").ok()?,
                _ => write!(path, "[{segment}]").ok()?,
            }
            message = inner;
            continue;
        }
        let Some((_, field)) = message?.field_at_stripe(segment) else {
            // The word that tells the cases of a oneof apart is the oneof itself.
            let tells =
                |choice: &crate::pb::plan::Choice| choice.discriminator.as_deref() == Some(segment);
            return message?.choices.iter().any(tells).then_some(path);
        };
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(&field.name);
        let inner = match field.kind {
            Kind::Message(inner) => Some(inner.get()),
            _ => None,
        };
        match field.shape {
            Shape::Single => message = inner,
            shape => list = Some((shape, inner)),
        }
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{contract, pb};

    #[test]
    fn stripes_parameters_are_named_by_their_proto_path() {
        let item = pb::LineItem { price: "p".into(), quantity: Some(1), ..Default::default() };
        let request = pb::CreatePaymentLinkRequest {
            payment_link: Some(pb::PaymentLink { line_items: vec![item], ..Default::default() }),
            ..Default::default()
        };
        let draft = contract::check(&request).pass().unwrap();
        for (param, expected) in [
            ("line_items[0][price]", Some("payment_link.line_items[0].price")),
            ("line_items", Some("payment_link.line_items")),
            ("metadata[order]", Some("payment_link.metadata[\"order\"]")),
            ("after_completion[type]", Some("payment_link.after_completion")),
            ("after_completion[redirect][url]", Some("payment_link.after_completion.redirect.url")),
            ("expand[0]", None),
            ("line_items[0][colour][red]", None),
        ] {
            assert_eq!(path(&draft, param).as_deref(), expected, "{param}");
        }
    }
}
