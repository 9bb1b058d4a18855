// Says of each header whether Stripe's SDK for Node takes it.

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const Stripe = createRequire(`${process.env.JUDGES}/`)("stripe");
const { body, secret, tolerance, headers } = JSON.parse(readFileSync(0, "utf8"));
const { signature } = new Stripe("sk_test_judge").webhooks;
const takes = (header) => {
  try {
    return signature.verifyHeader(body, header, secret, tolerance);
  } catch {
    return false;
  }
};
process.stdout.write(JSON.stringify(headers.map(takes)));
