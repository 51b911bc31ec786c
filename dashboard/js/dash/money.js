// What today cost, what it saved, and how much of each budget is gone.

import { byId, fill, h } from "../dom.js";
import { count, percent, usd } from "../format.js";
import { bar } from "./operations.js";
import { Panel } from "./panel.js";
import { blank, figure } from "./sentiment.js";

const DAY_MS = 86_400_000;

/** The question for today, in UTC as the ledger counts. @param {number} now */
export function today(now) {
  const date = (ms) => new Date(ms).toISOString().slice(0, 10);
  return `/v1/costs?from=${date(now)}&to=${date(now + DAY_MS)}`;
}

export class Money {
  #cost = Panel.of("cost");
  #budgets = new Panel(byId("budgets-state"), byId("budgets"));

  /** @param {unknown} problem */
  failCost(problem) {
    this.#cost.fail(problem, "costs:read");
    blank(problem, "cost");
  }

  /** @param {unknown} problem */
  failBudgets(problem) {
    this.#budgets.fail(problem, "costs:read");
  }

  /** @param {any} total Of /v1/costs. */
  showCost(total) {
    const { requests, local, cached, escalated, calls, unresolved, unresolved_usd, unpriced, cost_usd, saved_usd } = total;
    figure("cost", usd(cost_usd), saved_usd === null ? `${count(calls)} calls` : `${usd(saved_usd)} saved`);
    const share = (n) => (requests > 0 ? n / requests : 0);
    const shares = [
      ["Read locally", local, "accent"],
      ["From the cache", cached, "accent"],
      ["By an LLM", escalated, "accent"],
    ];
    const saved = saved_usd === null
      ? "What was saved can be told after 100 calls at an LLM in 30 days."
      : `${usd(saved_usd)} saved: what the texts answered here would have cost.`;
    const open = [
      unresolved > 0 && `${count(unresolved)} calls are in flight or unresolved, with ${usd(unresolved_usd)} reserved.`,
      unpriced > 0 && `${count(unpriced)} calls have no price yet.`,
    ].filter(Boolean);
    fill(
      this.#cost.body,
      h("p", { class: "big" }, h("strong", {}, usd(cost_usd)), ` for ${count(calls)} ${calls === 1 ? "call" : "calls"}`),
      h("p", { class: "small" }, saved),
      requests > 0 && h("ul", { class: "bars" }, ...shares.map(([name, n, kind]) => bar(name, share(n), `${count(n)} · ${percent(share(n))}`, kind))),
      ...open.map((words) => h("p", { class: "small" }, words, " See undertone costs open.")),
    );
    this.#cost.ready();
  }

  /** @param {any[]} budgets Of /v1/budgets. */
  showBudgets(budgets) {
    if (budgets.length === 0) {
      return this.#budgets.empty("No budget is set. Set one with undertone budgets set --team NAME --day USD.");
    }
    fill(this.#budgets.body, h("h3", {}, "Budgets"), h("ul", { class: "plain budgets" }, ...budgets.map(budget)));
    this.#budgets.ready();
  }
}

function budget({ team, key_id, period, hard, limit_usd, spent_usd, reserved_usd }) {
  const [limit, spent, reserved] = [limit_usd, spent_usd, reserved_usd].map(Number);
  const part = (amount) => `${limit > 0 ? Math.min(1, amount / limit) * 100 : amount > 0 ? 100 : 0}%`;
  const gone = limit > 0 ? spent / limit : spent > 0 ? 1 : 0;
  const state = gone >= 1 ? "spent" : gone >= 0.8 ? "nearly spent" : "";
  const whose = key_id === null ? `Team ${team}` : `Key ${key_id.slice(0, 13)}…`;
  return h(
    "li",
    {},
    h(
      "div",
      { class: "row spread" },
      h("span", {}, `${whose}, ${period}`, state && h("strong", { class: "warned" }, ` ${state}`)),
      h("span", { class: "small" }, `${usd(spent_usd)} of ${usd(limit_usd)}${hard ? "" : ", soft"}`),
    ),
    h(
      "span",
      { class: "track", "aria-hidden": "true" },
      h("span", { class: "fill parts" }, h("span", { class: gone >= 1 ? "gone" : "spent", style: { width: part(spent) } }), h("span", { class: "reserved", style: { width: part(Math.min(reserved, Math.max(0, limit - spent))) } })),
    ),
    reserved > 0 && h("span", { class: "small" }, `${usd(reserved_usd)} more is reserved`),
  );
}
