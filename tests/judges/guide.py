"""Stripe's guide to payment links, followed with its SDK for Python."""

import stripe

KEY = "sk_test_judge"


def follow(api, hook, receiver, pay):
    """Follows the guide at an address. `pay` pays a link by a card, `receiver` takes webhooks
    at the address `hook`."""
    client = stripe.StripeClient(KEY, base_addresses={"api": api}).v1
    endpoint = client.webhook_endpoints.create({"url": hook, "enabled_events": ["*"]})
    for step in (_catalogue, _links, _lists, _errors, _idempotency, _discounts, _customers):
        step(client)
    _payment(client, receiver, endpoint.secret, pay)
    _refunds(client, receiver, endpoint.secret, pay)
    _disputes(client, pay)
    _subscriptions(client, pay)
    _rest(client)
    _keys(api)
    client.webhook_endpoints.update(endpoint.id, {"disabled": True})
    assert client.webhook_endpoints.delete(endpoint.id).deleted


def _product(client, name="Thing"):
    default = {"currency": "usd", "unit_amount": 1000}
    return client.products.create({"name": name, "default_price_data": default})


def _link(client, **further):
    line = {"price": _product(client).default_price, "quantity": 1}
    return client.payment_links.create({"line_items": [line], **further})


def _catalogue(client):
    product = _product(client, "Catalogue")
    client.products.update(product.id, {"description": "Text", "metadata": {"a": "1"}})
    found = client.products.retrieve(product.id, {"expand": ["default_price"]})
    assert found.default_price.unit_amount == 1000
    assert found.metadata["a"] == "1"
    price = client.prices.create(
        {
            "product": product.id,
            "currency": "usd",
            "unit_amount": 500,
            "lookup_key": "judge",
            "recurring": {"interval": "month"},
        }
    )
    assert client.prices.list({"lookup_keys": ["judge"]}).data[0].id == price.id
    client.prices.update(price.id, {"active": False, "nickname": "Old"})
    named = client.products.search({"query": 'name:"Catalogue"'})
    assert [one.id for one in named.data] == [product.id]
    unpriced = client.products.create({"name": "Nothing"})
    assert client.products.delete(unpriced.id).deleted


def _links(client):
    link = _link(
        client,
        after_completion={"type": "redirect", "redirect": {"url": "https://example.com"}},
        metadata={"order": "7"},
        phone_number_collection={"enabled": True},
        custom_fields=[
            {"key": "size", "label": {"type": "custom", "custom": "Size"}, "type": "text"}
        ],
    )
    assert link.url.startswith("http")
    client.payment_links.update(link.id, {"active": False, "metadata": {"order": ""}})
    found = client.payment_links.retrieve(link.id, {"expand": ["line_items.data.price.product"]})
    assert not found.active and found.metadata.to_dict() == {}
    assert found.line_items.data[0].price.product.name == "Thing"
    assert client.payment_links.line_items.list(link.id).data[0].quantity == 1


def _lists(client):
    made = [client.products.create({"name": f"Page {number}"}).id for number in range(7)]
    listed = client.products.list({"limit": 3})
    seen = [product.id for product in listed.auto_paging_iter()]
    assert seen[:7] == made[::-1], "every page, newest first"
    back = client.products.list({"limit": 3, "ending_before": made[0]})
    assert [product.id for product in back.auto_paging_iter()] == made[1:]


def _refused(kind, call, **expected):
    try:
        call()
    except kind as error:
        shown = {name: getattr(error, name, None) for name in expected}
        assert shown == expected, f"{shown} is not {expected}"
        assert error.request_id or error.headers["request-id"]
        return error
    raise AssertionError(f"no {kind.__name__}")


def _errors(client):
    invalid = stripe.InvalidRequestError
    _refused(
        invalid,
        lambda: client.products.retrieve("prod_none"),
        http_status=404,
        code="resource_missing",
        param="id",
    )
    _refused(
        invalid,
        lambda: client.products.create({"name": "x", "colour": "red"}),
        http_status=400,
        code="parameter_unknown",
        param="colour",
    )
    _refused(
        invalid,
        lambda: client.products.create({}),
        code="parameter_missing",
        param="name",
    )
    line = {"price": "price_none", "quantity": 1}
    _refused(
        invalid,
        lambda: client.payment_links.create({"line_items": [line]}),
        http_status=400,
        code="resource_missing",
        param="line_items[0][price]",
    )


def _idempotency(client):
    options = {"idempotency_key": "judge-python"}
    first = client.products.create({"name": "Once"}, options)
    again = client.products.create({"name": "Once"}, options)
    assert first.id == again.id
    assert again.last_response.headers["Idempotent-Replayed"] == "true"
    _refused(
        stripe.IdempotencyError,
        lambda: client.products.create({"name": "Other"}, options),
        http_status=400,
    )


def _discounts(client):
    coupon = client.coupons.create({"percent_off": 25, "duration": "once", "name": "Quarter"})
    promotion = {"type": "coupon", "coupon": coupon.id}
    code = client.promotion_codes.create({"promotion": promotion, "code": "QUARTER"})
    assert client.promotion_codes.list({"code": "quarter"}).data[0].id == code.id
    client.promotion_codes.update(code.id, {"active": False})
    client.coupons.update(coupon.id, {"name": "Fourth"})
    assert client.coupons.delete(coupon.id).deleted
    rate = client.shipping_rates.create(
        {
            "display_name": "Ground",
            "type": "fixed_amount",
            "fixed_amount": {"amount": 500, "currency": "usd"},
        }
    )
    assert client.shipping_rates.update(rate.id, {"active": False}).active is False
    assert client.shipping_rates.list({"active": False}).data[0].id == rate.id
    tax = client.tax_rates.create({"display_name": "VAT", "inclusive": False, "percentage": 19})
    assert client.tax_rates.update(tax.id, {"active": False}).active is False


def _customers(client):
    customer = client.customers.create({"email": "a@example.com", "address": {"city": "Bonn"}})
    client.customers.update(customer.id, {"name": "Anna"})
    assert client.customers.retrieve(customer.id).name == "Anna"
    assert client.customers.delete(customer.id).deleted


def _payment(client, receiver, secret, pay):
    link = _link(client, metadata={"order": "8"}, customer_creation="always")
    pay(link.url)
    body, signature = receiver.next("checkout.session.completed")
    event = stripe.Webhook.construct_event(body, signature, secret)
    _refused_signature(body + b" ", signature, secret)
    _refused_signature(body, signature, "whsec_other")
    session = client.checkout.sessions.retrieve(
        event.data.object.id,
        {"expand": ["line_items", "payment_intent.latest_charge", "customer"]},
    )
    assert session.payment_status == "paid" and session.payment_link == link.id
    assert session.metadata["order"] == "8"
    assert session.line_items.data[0].amount_total == 1000
    assert session.payment_intent.latest_charge.payment_method_details.card.last4 == "4242"
    assert session.customer.email == "jenny.rosen@example.com"
    listed = client.checkout.sessions.list({"payment_link": link.id})
    assert [one.id for one in listed.data] == [session.id]
    assert client.checkout.sessions.line_items.list(session.id).data[0].quantity == 1
    found = client.events.list({"types": ["checkout.session.completed"], "limit": 1})
    assert found.data[0].id == event.id
    assert client.events.retrieve(event.id).data.object.id == session.id


def _refused_signature(body, signature, secret):
    try:
        stripe.Webhook.construct_event(body, signature, secret)
    except stripe.SignatureVerificationError:
        return
    raise AssertionError("a wrong signature was taken")


def _paid(client, pay, card):
    link = _link(client)
    pay(link.url, card_number=card)
    session = client.checkout.sessions.list({"payment_link": link.id}).data[0]
    return client.payment_intents.retrieve(session.payment_intent, {"expand": ["latest_charge"]})


def _refunds(client, receiver, secret, pay):
    intent = _paid(client, pay, "4242424242424242")
    part = client.refunds.create({"payment_intent": intent.id, "amount": 400})
    assert part.status == "succeeded"
    _refused(
        stripe.InvalidRequestError,
        lambda: client.refunds.create({"payment_intent": intent.id, "amount": 601}),
        param="amount",
    )
    rest = client.refunds.create({"charge": intent.latest_charge.id, "metadata": {"a": "b"}})
    assert rest.amount == 600
    _refused(
        stripe.InvalidRequestError,
        lambda: client.refunds.create({"payment_intent": intent.id}),
        code="charge_already_refunded",
    )
    body, signature = receiver.next("charge.refunded")
    stripe.Webhook.construct_event(body, signature, secret)
    client.refunds.update(rest.id, {"metadata": {"a": "c"}})
    listed = client.refunds.list({"payment_intent": intent.id})
    assert [one.id for one in listed.data] == [rest.id, part.id]
    charge = client.charges.retrieve(
        intent.latest_charge.id, {"expand": ["refunds", "balance_transaction"]}
    )
    assert charge.refunded and charge.balance_transaction.fee == 59
    pending = _paid(client, pay, "4000000000007726")
    assert client.refunds.create({"payment_intent": pending.id}).status == "pending"


def _disputes(client, pay):
    intent = _paid(client, pay, "4000000000000259")
    dispute = client.disputes.list({"payment_intent": intent.id}).data[0]
    assert dispute.status == "needs_response"
    _refused(
        stripe.InvalidRequestError,
        lambda: client.refunds.create({"payment_intent": intent.id}),
        code="charge_disputed",
    )
    evidence = {"uncategorized_text": "winning_evidence"}
    assert client.disputes.update(dispute.id, {"evidence": evidence}).status == "won"
    asked = client.disputes.list({"payment_intent": _paid(client, pay, "4000000000001976").id})
    assert client.disputes.close(asked.data[0].id).status == "warning_closed"
    _paid(client, pay, "4000000000005423")
    assert client.radar.early_fraud_warnings.list().data[0].actionable


def _subscriptions(client, pay):
    price = client.prices.create(
        {
            "currency": "usd",
            "unit_amount": 700,
            "recurring": {"interval": "month"},
            "product_data": {"name": "Paper"},
        }
    )
    line = {"price": price.id, "quantity": 2}
    link = client.payment_links.create({"line_items": [line]})
    pay(link.url)
    session = client.checkout.sessions.list(
        {"payment_link": link.id, "expand": ["data.subscription.latest_invoice"]}
    ).data[0]
    subscription = session.subscription
    assert subscription.status == "active"
    assert subscription.latest_invoice.amount_paid == 1400
    invoice = client.invoices.retrieve(session.invoice, {"expand": ["payments", "customer"]})
    assert invoice.payments.data[0].payment.payment_intent.startswith("pi_")
    assert client.invoices.line_items.list(invoice.id).data[0].quantity == 2
    assert client.invoices.list({"subscription": subscription.id}).data[0].id == invoice.id
    assert client.subscriptions.list({"price": price.id}).data[0].id == subscription.id
    client.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
    assert client.subscriptions.cancel(subscription.id).status == "canceled"


def _rest(client):
    assert client.accounts.retrieve_current().charges_enabled
    assert client.balance.retrieve().pending[0].amount > 0
    assert client.balance_transactions.list({"type": "charge"}).data
    assert client.webhook_endpoints.list().data


def _keys(api):
    wrong = stripe.StripeClient("sk_live_0123456789", base_addresses={"api": api}).v1
    _refused(stripe.AuthenticationError, lambda: wrong.products.list(), http_status=401)
