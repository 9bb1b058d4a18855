"""What the guide does not come by: the other endpoints that clients of payment links need."""

import urllib.error
import urllib.parse
import urllib.request

import stripe

KEY = "sk_test_judge"
PAGE_SECONDS_MAX = 10

# Every way to pay that is neither a card nor a bank account, by a currency that it takes.
METHODS = {
    "aud": "payto",
    "brl": "boleto pix",
    "chf": "twint",
    "eur": "alma bancontact billie bizum eps giropay ideal klarna mb_way mobilepay multibanco p24"
    " pay_by_bank satispay sofort",
    "inr": "upi",
    "jpy": "konbini",
    "mxn": "oxxo",
    "myr": "fpx grabpay",
    "pln": "blik",
    "sek": "swish",
    "sgd": "paynow",
    "thb": "promptpay",
    "usd": "affirm afterpay_clearpay alipay cashapp link paypal sunbit wechat_pay zip",
}


def follow(api, pay):
    """Asks for what is left, with what the guide has left behind. `pay` pays a link."""
    client = stripe.StripeClient(KEY, base_addresses={"api": api}).v1
    _read_one_by_one(client)
    _search(client)
    _every_option(client, pay)
    _delayed(client, pay)
    _declined(client, pay)
    _money_set_aside(client, pay)
    _money_let_go(client, pay)
    _owed(client, pay)
    _every_method(client, pay)
    _connected(client)
    _change_what_was_paid(client)
    _expire(client)
    # Each is held against the description of its object, too.
    assert len(list(client.events.list({"limit": 100}).auto_paging_iter())) > 100


def _read_one_by_one(client):
    """What a list shows is what there is to read."""
    subscription = client.subscriptions.list({"status": "all", "limit": 1}).data[0]
    client.subscriptions.retrieve(subscription.id)
    by_noun = (
        (client.balance_transactions, {}),
        (client.charges, {}),
        (client.customers, {}),
        (client.disputes, {}),
        (client.invoice_payments, {}),
        (client.payment_intents, {}),
        (client.prices, {}),
        (client.promotion_codes, {}),
        (client.radar.early_fraud_warnings, {}),
        (client.refunds, {}),
        (client.shipping_rates, {}),
        (client.subscription_items, {"subscription": subscription.id}),
        (client.tax_rates, {}),
    )
    for service, filters in by_noun:
        shown = service.list({"limit": 1, **filters}).data[0]
        assert service.retrieve(shown.id).id == shown.id
    made = client.coupons.create({"amount_off": 100, "currency": "usd", "duration": "forever"})
    assert client.coupons.retrieve(made.id).amount_off == 100
    hook = {"url": "https://example.com/hook", "enabled_events": ["price.created"]}
    endpoint = client.webhook_endpoints.create(hook)
    assert "secret" not in client.webhook_endpoints.retrieve(endpoint.id).to_dict()
    client.webhook_endpoints.delete(endpoint.id)


def _search(client):
    price = client.prices.list({"limit": 1}).data[0]
    found = client.prices.search({"query": f'product:"{price.product}"'})
    assert price.id in [one.id for one in found.data]


def _every_option(client, pay):
    """A link with much of what there is, paid."""
    coupon = client.coupons.create({"percent_off": 10, "duration": "once"})
    promotion = {"type": "coupon", "coupon": coupon.id}
    client.promotion_codes.create({"promotion": promotion, "code": "TENTH"})
    fixed = {"amount": 500, "currency": "usd"}
    rate = client.shipping_rates.create({"display_name": "Air", "fixed_amount": fixed})
    default = {"currency": "usd", "unit_amount": 1000, "tax_behavior": "exclusive"}
    product = client.products.create({"name": "All", "default_price_data": default})
    extra = client.products.create({"name": "Extra", "default_price_data": default})
    label = {"type": "custom", "custom": "Size"}
    link = client.payment_links.create(
        {
            "line_items": [{"price": product.default_price, "quantity": 1}],
            "optional_items": [{"price": extra.default_price, "quantity": 1}],
            "allow_promotion_codes": True,
            "automatic_tax": {"enabled": True},
            "billing_address_collection": "required",
            "custom_fields": [{"key": "size", "label": label, "type": "text"}],
            "invoice_creation": {"enabled": True, "invoice_data": {"footer": "Thanks"}},
            "phone_number_collection": {"enabled": True},
            "shipping_address_collection": {"allowed_countries": ["DE"]},
            "shipping_options": [{"shipping_rate": rate.id}],
        }
    )
    pay(
        f"{link.url}?prefilled_promo_code=TENTH",
        billing_country="DE",
        billing_line1="Weg 1",
        billing_city="Bonn",
        billing_postal_code="53111",
        custom_size="L",
        phone="+4930123456",
        shipping_name="B Receiver",
        shipping_country="DE",
        shipping_line1="Weg 1",
        shipping_city="Bonn",
        shipping_postal_code="53111",
    )
    listed = client.checkout.sessions.list(
        {"payment_link": link.id, "expand": ["data.invoice", "data.total_details.breakdown"]}
    )
    session = listed.data[0]
    assert session.total_details.amount_discount == session.amount_subtotal // 10 > 0
    assert session.invoice.footer == "Thanks"
    assert session.invoice.total == session.amount_total


def _delayed(client, pay):
    """A payment whose money comes later."""
    default = {"currency": "usd", "unit_amount": 1000}
    product = client.products.create({"name": "Later", "default_price_data": default})
    link = client.payment_links.create(
        {
            "line_items": [{"price": product.default_price, "quantity": 1}],
            "payment_method_types": ["us_bank_account"],
        }
    )
    pay(
        link.url,
        us_bank_account_routing_number="110000000",
        us_bank_account_account_number="000123456789",
        us_bank_account_name="A Buyer",
    )
    expand = ["data.payment_intent.latest_charge"]
    listed = client.checkout.sessions.list({"payment_link": link.id, "expand": expand})
    session = listed.data[0]
    assert (session.status, session.payment_status) == ("complete", "unpaid")
    assert session.payment_intent.status == "processing"
    assert session.payment_intent.latest_charge.status == "pending"


def _declined(client, pay):
    """A card that the bank declines, after which the page asks again."""
    default = {"currency": "usd", "unit_amount": 1000}
    product = client.products.create({"name": "Declined", "default_price_data": default})
    line = {"price": product.default_price, "quantity": 1}
    link = client.payment_links.create({"line_items": [line]})
    try:
        pay(link.url, card_number="4000000000009995")
    except urllib.error.HTTPError as error:
        assert error.code == 402
        intent = client.payment_intents.list({"limit": 1}).data[0]
        assert intent.last_payment_error.decline_code == "insufficient_funds"
    else:
        raise AssertionError("a declined card paid")


def _set_aside(client, pay):
    """A payment that was authorized only, by its intent."""
    default = {"currency": "usd", "unit_amount": 1000}
    product = client.products.create({"name": "Held", "default_price_data": default})
    link = client.payment_links.create(
        {
            "line_items": [{"price": product.default_price, "quantity": 1}],
            "payment_intent_data": {"capture_method": "manual"},
        }
    )
    pay(link.url)
    session = client.checkout.sessions.list({"payment_link": link.id}).data[0]
    assert session.payment_status == "unpaid"
    return session.payment_intent


def _money_set_aside(client, pay):
    intent = _set_aside(client, pay)
    client.payment_intents.update(intent, {"metadata": {"a": "b"}})
    captured = client.payment_intents.capture(intent, {"amount_to_capture": 600})
    assert captured.status == "succeeded" and captured.amount_received == 600


def _money_let_go(client, pay):
    intent = _set_aside(client, pay)
    canceled = client.payment_intents.cancel(intent, {"cancellation_reason": "abandoned"})
    assert canceled.status == "canceled"


def _owed(client, pay):
    """Invoices that wait for a bank, and what a seller does with them meanwhile."""
    monthly = {"currency": "usd", "unit_amount": 1000, "recurring": {"interval": "month"}}
    product = client.products.create({"name": "Owed", "default_price_data": monthly})
    link = client.payment_links.create(
        {
            "line_items": [{"price": product.default_price, "quantity": 1}],
            "payment_method_types": ["us_bank_account"],
        }
    )
    for _ in range(2):
        pay(
            link.url,
            us_bank_account_routing_number="110000000",
            us_bank_account_account_number="000123456789",
            us_bank_account_name="A Buyer",
        )
    kept, dropped = client.invoices.list({"status": "open", "limit": 2}).data
    changed = client.invoices.update(kept.id, {"description": "Text", "metadata": {"a": "b"}})
    assert (changed.description, changed.metadata["a"]) == ("Text", "b")
    assert client.invoices.mark_uncollectible(kept.id).status == "uncollectible"
    assert client.invoices.pay(kept.id).status == "paid"
    assert client.invoices.void_invoice(dropped.id).status == "void"


def _every_method(client, pay):
    """Charges and refunds by every way to pay; vouchers wait for their money."""
    for currency, methods in METHODS.items():
        default = {"currency": currency, "unit_amount": 10000}
        product = client.products.create({"name": "Any", "default_price_data": default})
        for method in methods.split():
            line = {"price": product.default_price, "quantity": 1}
            offer = {"line_items": [line], "payment_method_types": [method]}
            link = client.payment_links.create(offer)
            pay(link.url)
            session = client.checkout.sessions.list({"payment_link": link.id}).data[0]
            if session.url:
                proof = urllib.parse.urlencode({"answer": "complete"}).encode()
                page = f"{session.url}/challenge"
                with urllib.request.urlopen(page, proof, timeout=PAGE_SECONDS_MAX) as answer:
                    answer.read()
            charge = client.charges.list({"limit": 1}).data[0]
            assert charge.payment_method_details.type == method
            if charge.paid:
                client.refunds.create({"charge": charge.id})


def _connected(client):
    """A connected account, whose objects are its own."""
    options = {"stripe_account": "acct_1Connected"}
    made = client.products.create({"name": "Theirs"}, options)
    assert [one.id for one in client.products.list({}, options).data] == [made.id]
    assert client.accounts.retrieve_current({}, options).id == "acct_1Connected"
    assert client.events.list({}, options).data[0].account == "acct_1Connected"
    try:
        client.products.retrieve(made.id)
    except stripe.InvalidRequestError as error:
        assert error.http_status == 404
    else:
        raise AssertionError("the platform saw a product of another account")
    try:
        client.products.list({}, {"stripe_account": "nobody"})
    except stripe.PermissionError as error:
        assert error.json_body["error"]["code"] == "account_invalid"
    else:
        raise AssertionError("an account that is none was let in")


def _change_what_was_paid(client):
    charge = client.charges.list({"limit": 1}).data[0]
    assert client.charges.update(charge.id, {"description": "Text"}).description == "Text"
    session = client.checkout.sessions.list({"limit": 1}).data[0]
    changed = client.checkout.sessions.update(session.id, {"metadata": {"a": "b"}})
    assert changed.metadata["a"] == "b"
    refund = client.refunds.list({"limit": 1}).data[0]
    try:
        client.refunds.cancel(refund.id)
    except stripe.InvalidRequestError as error:
        assert error.http_status == 400
    else:
        raise AssertionError("a refund to a card was canceled")


def _expire(client):
    link = client.payment_links.list({"active": True, "limit": 1}).data[0]
    with urllib.request.urlopen(link.url, timeout=PAGE_SECONDS_MAX) as page:
        page.read()
    opened = client.checkout.sessions.list({"payment_link": link.id, "status": "open"}).data[0]
    assert client.checkout.sessions.expire(opened.id).status == "expired"
