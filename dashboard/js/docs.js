// The surface, out of /openapi.json: its routes, their fields and errors.

import { getJson } from "./api.js";
import { byId, fill, h, table } from "./dom.js";

/** How deep fields of fields are shown. */
const DEPTH = 3;

class Description {
  /** @param {any} document */
  constructor(document) {
    this.document = document;
  }

  /** What a schema stands for. @param {any} schema @returns {any} */
  resolve(schema) {
    if (typeof schema !== "object") return {};
    if (!schema.$ref) return schema;
    const path = schema.$ref.replace(/^#\//, "").split("/");
    const { $ref, ...own } = schema;
    return { ...path.reduce((at, name) => at?.[name], this.document), ...own };
  }

  /** The kind of a value, in a few words. @param {any} schema @returns {string} */
  kind(schema) {
    const found = this.resolve(schema);
    if (found.enum) return found.enum.map((one) => JSON.stringify(one)).join(", ");
    if (found.const !== undefined) return JSON.stringify(found.const);
    const several = found.anyOf ?? found.oneOf;
    if (several) return [...new Set(several.map((one) => this.kind(one)))].join(" or ");
    const types = [found.type ?? "any"].flat();
    return types.map((type) => (type === "array" ? `list of ${this.kind(found.items ?? {})}` : type)).join(" or ");
  }

  /** The fields of an object, and of those in it. @param {any} schema @returns {[string, string, string][]} Name, kind, description. */
  fields(schema, prefix = "", depth = 1) {
    const found = this.resolve(schema);
    if (found.type === "array" && prefix === "") return this.fields(found.items, "", depth);
    const parts = [found, ...(found.anyOf ?? []), ...(found.allOf ?? []), ...(found.oneOf ?? [])].map((part) => this.resolve(part));
    /** @type {Map<string, [string, string, string]>} */
    const rows = new Map();
    for (const part of parts) {
      for (const [name, inner] of Object.entries(part.properties ?? {})) {
        const value = this.resolve(inner);
        const required = (part.required ?? []).includes(name) ? "" : ", may be left out";
        const path = `${prefix}${name}`;
        rows.set(path, [path, this.kind(inner) + required, value.description ?? ""]);
        if (depth >= DEPTH) continue;
        const items = [value.type].flat().includes("array") ? this.resolve(value.items ?? {}) : value;
        const way = items === value ? `${path}.` : `${path}[].`;
        for (const row of this.fields(items, way, depth + 1)) rows.set(row[0], row);
      }
    }
    return [...rows.values()];
  }
}

/** `Words` between backticks are code. @param {string} text */
const prose = (text) =>
  h("span", {}, ...text.split(/`([^`]+)`/).map((part, at) => (at % 2 ? h("code", {}, part) : part)));

/** @param {Description} description @param {string} name The route. @param {string} title @param {any} content */
function shape(description, name, title, content) {
  const [kind, { schema }] = Object.entries(content ?? {})[0] ?? ["", {}];
  const rows = schema ? description.fields(schema) : [];
  if (rows.length === 0) return null;
  const cells = rows.map(([name, type, words]) => [h("code", {}, name), h("span", { class: "kind" }, type), prose(words)]);
  return h("details", {}, h("summary", {}, title), table(`${title} of ${name}, ${kind}`, ["Field", "Kind", "What it is"], cells));
}

/** @param {Description} description @param {string} path @param {string} verb @param {any} route */
function section(description, path, verb, route) {
  const name = `${verb.toUpperCase()} ${path}`;
  const id = `${verb}${path}`.replace(/[^a-z0-9]+/gi, "-");
  const parameters = (route.parameters ?? []).map((one) => [h("code", {}, one.name), description.kind(one.schema), prose(one.description ?? "")]);
  const responses = Object.entries(route.responses ?? {});
  const good = responses.find(([status]) => status.startsWith("2"))?.[1];
  const bad = responses.filter(([status]) => !status.startsWith("2")).map(([status, { description: words }]) => `${status} ${words}`);
  return h(
    "section",
    { class: "card route", id, "aria-labelledby": `${id}-title` },
    h("h2", { id: `${id}-title` }, h("span", { class: "verb" }, verb.toUpperCase()), h("code", {}, path)),
    h("p", {}, prose(`${route.summary}.`)),
    route.description && h("p", { class: "small" }, route.description),
    parameters.length > 0 && table(`Parameters of ${name}`, ["Name", "Kind", "What it is"], parameters),
    shape(description, name, "Request", route.requestBody?.content),
    shape(description, name, "Response", good?.content),
    bad.length > 0 && h("p", { class: "small errors" }, `Errors: ${bad.join(", ")}.`),
  );
}

try {
  const document = await getJson("/openapi.json");
  const description = new Description(document);
  const routes = Object.entries(document.paths).flatMap(([path, verbs]) =>
    Object.entries(verbs).map(([verb, route]) => ({ path, verb, route, element: section(description, path, verb, route) })),
  );
  const entry = ({ path, verb, element }) => h("li", {}, h("a", { href: `#${element.id}` }, `${verb.toUpperCase()} ${path}`));
  fill(byId("contents"), h("ul", {}, ...routes.map(entry)));
  byId("contents").hidden = false;
  fill(byId("routes"), ...routes.map(({ element }) => element));
  byId("docs-state").remove();
} catch (problem) {
  fill(byId("docs-state"), problem.message);
}
