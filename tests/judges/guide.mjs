// Stripe's guide to payment links, followed with its SDK for Node.
//
//     node guide.mjs <address of the API> <address of a buyer>
//
// The buyer pays the link that it is sent, by the card that comes with it.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { createRequire } from "node:module";

const Stripe = createRequire(`${process.env.JUDGES}/`)("stripe");
const [api, buyer] = process.argv.slice(2);
const { hostname: host, port, protocol } = new URL(api);
const options = { host, port: Number(port), protocol: protocol.slice(0, -1) };
const stripe = new Stripe("sk_test_judge_node", options);
const WAIT_MS = 10_000;

async function main() {
  const hook = await listen();
  const endpoint = await stripe.webhookEndpoints.create({
    url: hook.url,
    enabled_events: ["checkout.session.completed"],
  });
  const product = await stripe.products.create({ name: "Node thing" });
  const price = await stripe.prices.create({
    product: product.id,
    currency: "usd",
    unit_amount: 2000,
  });
  const link = await stripe.paymentLinks.create({
    line_items: [{ price: price.id, quantity: 1, adjustable_quantity: { enabled: true } }],
    allow_promotion_codes: true,
    expand: ["line_items"],
  });
  assert.equal(link.line_items.data[0].price.id, price.id);

  await pay(link.url, "4242424242424242");
  const { body, signature } = await hook.next();
  const event = stripe.webhooks.constructEvent(body, signature, endpoint.secret);
  assert.equal(event.data.object.payment_link, link.id);
  assert.throws(
    () => stripe.webhooks.constructEvent(`${body} `, signature, endpoint.secret),
    Stripe.errors.StripeSignatureVerificationError,
  );
  await refunds(event.data.object.payment_intent);
  await pages();
  await refusals();
  await retries();

  const off = await stripe.paymentLinks.update(link.id, { active: false });
  assert.equal(off.active, false);
  const sessions = await stripe.checkout.sessions.list({ payment_link: link.id });
  assert.equal(sessions.data[0].status, "complete");
  await stripe.webhookEndpoints.del(endpoint.id);
  hook.close();
}

async function refunds(intent) {
  const refund = await stripe.refunds.create({ payment_intent: intent, amount: 500 });
  assert.equal(refund.status, "succeeded");
  const refused = stripe.refunds.create({ payment_intent: intent, amount: 1501 });
  await assert.rejects(refused, { type: "StripeInvalidRequestError", param: "amount" });
}

async function pages() {
  const made = [];
  for (let count = 0; count < 5; count += 1) {
    const coupon = await stripe.coupons.create({ percent_off: 10, duration: "once" });
    made.unshift(coupon.id);
  }
  const seen = [];
  for await (const coupon of stripe.coupons.list({ limit: 2 })) {
    seen.push(coupon.id);
  }
  assert.deepEqual(seen.slice(0, 5), made);
}

async function refusals() {
  const missing = stripe.products.retrieve("prod_none");
  await assert.rejects(missing, { code: "resource_missing", statusCode: 404 });
  const wrong = new Stripe("pk_test_0123456789", options);
  await assert.rejects(wrong.products.list(), { type: "StripeAuthenticationError" });
}

async function retries() {
  const once = { idempotencyKey: "judge-node" };
  const first = await stripe.products.create({ name: "Once" }, once);
  const again = await stripe.products.create({ name: "Once" }, once);
  assert.equal(again.id, first.id);
  const other = stripe.products.create({ name: "Twice" }, once);
  await assert.rejects(other, { type: "StripeIdempotencyError" });
}

async function pay(url, card) {
  const answer = await fetch(buyer, { method: "POST", body: JSON.stringify({ url, card }) });
  assert.equal(answer.status, 200, await answer.text());
}

// A webhook receiver that gives its deliveries one after the other.
async function listen() {
  const waiting = [];
  let taken = null;
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) {
      body += chunk;
    }
    response.end();
    const delivery = { body, signature: request.headers["stripe-signature"] };
    if (taken === null) {
      waiting.push(delivery);
    } else {
      taken(delivery);
    }
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  return {
    url: `http://127.0.0.1:${server.address().port}/webhook`,
    close: () => server.close(),
    next: () =>
      new Promise((resolve, reject) => {
        if (waiting.length > 0) {
          resolve(waiting.shift());
        } else {
          taken = resolve;
          setTimeout(() => reject(new Error("no webhook came")), WAIT_MS).unref();
        }
      }),
  };
}

await main();
