// Comfort only: every page works without this script.
"use strict";

(function () {
  const form = document.getElementById("pay");
  if (!form) return;

  const digits = (text) => text.replace(/\D/g, "");

  // Rewrites a field as it is typed, and keeps the caret behind the same digit.
  function shape(name, rewrite) {
    const field = form.elements[name];
    if (!field) return;
    field.addEventListener("input", () => {
      const before = digits(field.value.slice(0, field.selectionStart)).length;
      const after = rewrite(field.value);
      if (after === field.value) return;
      field.value = after;
      let at = 0;
      for (let seen = 0; at < after.length && seen < before; at += 1) {
        if (/\d/.test(after[at])) seen += 1;
      }
      field.setSelectionRange(at, at);
    });
  }

  shape("card_number", (text) => {
    const number = digits(text);
    const groups = /^3[47]/.test(number) ? /^(\d{1,4})(\d{1,6})?(\d{1,5})?/ : null;
    const parts = groups ? (number.match(groups) || []).slice(1) : number.match(/\d{1,4}/g);
    return (parts || []).filter(Boolean).join(" ");
  });

  shape("card_expiry", (text) => {
    let number = digits(text).slice(0, 4);
    if (/^[2-9]/.test(number)) number = "0" + number;
    return number.length > 2 ? number.slice(0, 2) + " / " + number.slice(2) : number;
  });

  // A quantity that is changed counts at once.
  const update = form.querySelector(".update");
  if (update) {
    update.hidden = true;
    form.querySelectorAll(".quantity input, .chosen input, .rates input").forEach((field) => {
      field.addEventListener("change", () => form.requestSubmit(update));
    });
  }

  // Enter in the box of the code applies it, and does not pay yet.
  const code = form.elements.promotion_code;
  if (code) {
    code.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      form.requestSubmit(form.querySelector(".apply"));
    });
  }

  // A test number is one click away, with whatever else its method asks for.
  form.querySelectorAll(".hint li code").forEach((code) => {
    const inside = code.closest(".inside");
    const number = inside.querySelector(
      "[name=card_number], [name$=_account_number], [name$=_iban]",
    );
    const list = code.closest("ul");
    const fill = document.createElement("button");
    fill.type = "button";
    fill.className = "fill";
    fill.textContent = list.dataset.use;
    fill.setAttribute("aria-label", list.dataset.use + " " + code.textContent);
    fill.addEventListener("click", () => {
      const known = { card_expiry: "12 / 34", card_cvc: "123" };
      inside.querySelectorAll(".fields input").forEach((field) => {
        if (/_name$/.test(field.name)) field.value = field.value || "Test Buyer";
        else field.value = known[field.name] || field.placeholder;
      });
      number.value = code.textContent;
      form.querySelector(".pay").focus();
    });
    code.parentElement.append(fill);
  });

  // The second click of a double click is not a second payment.
  let submitted = false;
  form.addEventListener("submit", (event) => {
    if (submitted) event.preventDefault();
    submitted = true;
    form.querySelectorAll(".pay").forEach((button) => button.setAttribute("aria-disabled", "true"));
  });
  window.addEventListener("pageshow", () => {
    submitted = false;
    form.querySelectorAll(".pay").forEach((button) => button.removeAttribute("aria-disabled"));
  });

  const wrong = document.getElementById("failure") || form.querySelector("[aria-invalid]");
  if (wrong) wrong.focus();
})();
