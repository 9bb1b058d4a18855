//! The URL of a link with what its page is to begin with. Pure.
//!
//! Stripe drops what it cannot use without a word:
//! <https://docs.stripe.com/payment-links/url-parameters>. Here it is refused.

use crate::contract::{Reason, Violation, Violations};
use crate::pb;
use crate::pb::payment_link::after_completion;
use crate::stripe::wire::form;

/// Builds the URL, or says what of the options has no effect with this link.
pub(super) fn url(
    link: &pb::PaymentLink,
    options: &pb::ShareOptions,
) -> Result<String, Violations> {
    let mut found = Vec::new();
    if !options.prefilled_promo_code.is_empty() && link.allow_promotion_codes != Some(true) {
        let text = "has no effect with a link that does not allow promotion codes";
        let field = "options.prefilled_promo_code";
        found.push(Violation::new(field, Reason::Conflict, text));
    }
    let after = link.after_completion.as_ref().and_then(|after| after.r#type.as_ref());
    let leads_on = matches!(after, Some(after_completion::Type::Redirect(_)));
    for (name, value) in sources(options) {
        if !value.is_empty() && !leads_on {
            let text = "has no effect with a link that leads to no page after paying";
            found.push(Violation::new(format!("options.{name}"), Reason::Conflict, text));
        }
    }
    if !found.is_empty() {
        return Err(Violations(found));
    }
    let parameters = [
        ("prefilled_email", options.prefilled_email.as_str()),
        ("locked_prefilled_email", &options.locked_prefilled_email),
        ("prefilled_promo_code", &options.prefilled_promo_code),
        ("client_reference_id", &options.client_reference_id),
        ("locale", &options.locale),
    ];
    let mut query = String::new();
    for (name, value) in parameters.into_iter().chain(sources(options)) {
        if !value.is_empty() {
            form::push(&mut query, name, value);
        }
    }
    let joint = match (query.is_empty(), link.url.contains('?')) {
        (true, _) => "",
        (false, true) => "&",
        (false, false) => "?",
    };
    Ok(format!("{}{joint}{query}", link.url))
}

fn sources(options: &pb::ShareOptions) -> [(&'static str, &str); 5] {
    [
        ("utm_source", &options.utm_source),
        ("utm_medium", &options.utm_medium),
        ("utm_campaign", &options.utm_campaign),
        ("utm_term", &options.utm_term),
        ("utm_content", &options.utm_content),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract;

    fn link() -> pb::PaymentLink {
        pb::PaymentLink { url: "https://buy.stripe.com/test_1".into(), ..Default::default() }
    }

    fn refused(options: &pb::ShareOptions) -> Vec<String> {
        let request = pb::ShareUrlRequest { id: "plink_1".into(), options: Some(options.clone()) };
        let found = match contract::check(&request).pass() {
            Err(Violations(found)) => found,
            Ok(_) => url(&link(), options).err().map(|found| found.0).unwrap_or_default(),
        };
        found.into_iter().map(|violation| violation.field).collect()
    }

    #[test]
    fn a_url_has_what_was_asked_for_and_nothing_else() {
        assert_eq!(url(&link(), &pb::ShareOptions::default()).unwrap(), link().url);
        let options = pb::ShareOptions {
            prefilled_email: "jenny+x@example.com".into(),
            client_reference_id: "cart_7-a".into(),
            locale: "pt-BR".into(),
            ..Default::default()
        };
        assert_eq!(
            url(&link(), &options).unwrap(),
            "https://buy.stripe.com/test_1?prefilled_email=jenny%2Bx%40example.com\
             &client_reference_id=cart_7-a&locale=pt-BR"
        );
    }

    #[test]
    fn what_stripe_would_drop_is_refused() {
        let with = |change: fn(&mut pb::ShareOptions)| {
            let mut options = pb::ShareOptions::default();
            change(&mut options);
            refused(&options)
        };
        assert_eq!(with(|o| o.client_reference_id = "a b".into()), ["options.client_reference_id"]);
        assert_eq!(
            with(|o| o.client_reference_id = "a".repeat(201)),
            ["options.client_reference_id"]
        );
        assert_eq!(with(|o| o.prefilled_email = "nobody".into()), ["options.prefilled_email"]);
        assert_eq!(with(|o| o.locale = "xx".into()), ["options.locale"]);
        assert_eq!(with(|o| o.utm_source = "a.b".into()), ["options.utm_source"]);
        assert_eq!(
            with(|o| o.prefilled_promo_code = "A-B".into()),
            ["options.prefilled_promo_code"]
        );
    }

    #[test]
    fn what_the_link_has_no_use_for_is_refused() {
        let options = pb::ShareOptions {
            prefilled_promo_code: "SPRING".into(),
            utm_source: "news".into(),
            utm_term: "x".into(),
            ..Default::default()
        };
        let fields = ["options.prefilled_promo_code", "options.utm_source", "options.utm_term"];
        assert_eq!(refused(&options), fields);
    }

    #[test]
    fn an_address_is_locked_or_not() {
        let options = pb::ShareOptions {
            prefilled_email: "a@example.com".into(),
            locked_prefilled_email: "b@example.com".into(),
            ..Default::default()
        };
        assert_eq!(refused(&options), ["options"]);
    }
}
