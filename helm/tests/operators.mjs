// Checks objects of operators by the schemas that these publish: reads a JSON array, and prints what
// is wrong with each object that is.
//
//     node operators.mjs .tools/operators < objects.json

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const PACKAGES = {
  "cert-manager.io": "cert-manager",
  "gateway.networking.k8s.io": "gateway-api",
  "monitoring.coreos.com": "prometheus-operator",
};

const models = pathToFileURL(resolve(process.argv[2], "node_modules/@kubernetes-models"));
for (const object of JSON.parse(readFileSync(0, "utf8"))) {
  const { apiVersion, kind, metadata } = object;
  const [group] = apiVersion.split("/");
  // An object of no known operator ends this with an error.
  const model = await import(`${models}/${PACKAGES[group]}/${apiVersion}/${kind}.js`);
  try {
    new model[kind](object).validate();
  } catch (error) {
    console.log(`${kind} ${metadata.name}: ${error.message}`);
  }
}
