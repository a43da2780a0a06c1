// The plan that follows the question.

import { ask, element, onChange, question } from "./state.js";

const get = (id) => document.getElementById(id);
let newest = null;
let shown = null;
let picture = null;

// A question that a newer one replaces is taken back.
onChange(() => {
  newest?.abort();
  const own = (newest = new AbortController());
  setTimeout(() => own.signal.aborted || follow(own.signal), 60);
});

// A plan at once, and its proof when there is one: seconds for the first of them.
const AT_ONCE = 0.02;

async function follow(signal) {
  const began = performance.now();
  get("plan").setAttribute("aria-busy", "true");
  const planned = async (asked) => (await ask("/api/plan", asked, signal)).json();
  try {
    const first = await planned({ ...question(), time: AT_ONCE });
    const settled = ["optimal", "infeasible"].includes(first.verdict);
    if (first.plan || settled) show(first, performance.now() - began);
    if (!settled) show(await planned(question()), performance.now() - began);
  } catch (error) {
    if (!signal.aborted) problem(error.message);
  } finally {
    if (!signal.aborted) get("plan").removeAttribute("aria-busy");
  }
}

// Where plan and question are not side by side, the plan's first words stay in sight.
function brief(words) {
  get("brief").textContent = `${words} ↓`;
  get("brief").hidden = false;
}
for (const button of document.querySelectorAll("[data-to]")) {
  button.addEventListener("click", () => {
    get(button.dataset.to).scrollIntoView();
    get(button.dataset.to).focus({ preventScroll: true });
  });
}
// Not while the plan itself is in sight.
new IntersectionObserver(([seen]) => {
  get("brief").classList.toggle("seen", seen.isIntersecting);
}).observe(get("said"));

export function problem(message) {
  if (message) brief("no plan: see why");
  get("problem").textContent = message;
  get("problem").hidden = !message;
  get("answer").classList.toggle("old", Boolean(message));
}

function show(view, waited) {
  problem("");
  shown = view;
  const found = view.said.flatMap((line) => {
    const at = line.indexOf(": ");
    const parts = line.slice(at + 2).split(", ").map((part) => element("p", {}, part));
    return [element("h3", {}, line.slice(0, at)), ...parts];
  });
  get("said").replaceChildren(...found);
  get("headline").textContent = view.headline;
  get("headline").className = view.verdict;
  brief(view.said.length ? `${found[1].textContent} · ${view.verdict}` : view.verdict);
  get("text").textContent = view.text;
  draw(view);
  policies(view);
  if (!view.plan) get("text").closest("details").open = true;
  get("compared").replaceChildren();
  for (const button of document.querySelectorAll("#keep button, #export button")) {
    button.disabled = !view.plan && button.dataset.keep !== "cluster";
  }
  get("time").textContent =
    `Planned in ${view.milliseconds} ms; shown ${Math.round(waited)} ms after the question.`;
}

function draw(view) {
  if (picture) URL.revokeObjectURL(picture);
  picture = view.picture && URL.createObjectURL(new Blob([view.picture], { type: "image/svg+xml" }));
  const image = picture && element("img", { src: picture, alt: view.headline });
  get("picture").replaceChildren(...(image ? [image] : []));
}

function policies(view) {
  const known = view.policies.filter((policy) => policy.ratio);
  const most = Math.max(1, ...known.map((policy) => policy.ratio));
  const bar = (name, cost, ratio, own) => {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 100 14");
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("aria-hidden", "true");
    svg.setAttribute("width", `${Math.max(2, (55 * ratio) / most)}%`);
    const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    rect.setAttribute("width", 100);
    rect.setAttribute("height", 14);
    svg.append(rect);
    const more = own ? "" : ` (× ${ratio.toFixed(ratio < 1.1 ? 3 : 2)})`;
    return element("div", { class: own ? "bar own" : "bar" }, element("span", {}, name),
      element("div", { class: "fill" }, svg, element("span", {}, cost + more)));
  };
  const rows = known.map((policy) => bar(policy.name, policy.cost, policy.ratio, false));
  const none = view.policies.filter((policy) => !policy.ratio)
    .map((policy) => element("p", { class: "hint" }, `${policy.name} finds no plan`));
  const all = view.cost && view.policies.length
    ? [element("h3", {}, "Beside what people do today"), bar("this plan", view.cost, 1, true), ...rows, ...none]
    : [];
  get("policies").replaceChildren(...all);
}

function save(blob, name) {
  const address = URL.createObjectURL(blob);
  const link = element("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

const text = (content, type) => new Blob([content], { type });
const KEEP = {
  plan: async () => save(text(shown.plan, "application/json"), "plan.json"),
  picture: async () => save(text(shown.picture, "image/svg+xml"), "plan.svg"),
  page: async () => save(await (await ask("/api/page", question())).blob(), "plan.html"),
  cluster: async () => save(await (await ask("/api/cluster/write", question())).blob(), "cluster.toml"),
};

async function trying(work) {
  try {
    await work();
  } catch (error) {
    problem(error.message);
  }
}

for (const button of document.querySelectorAll("#keep button")) {
  button.addEventListener("click", () => trying(KEEP[button.dataset.keep]));
}
get("export").addEventListener("submit", (event) => {
  event.preventDefault();
  const engine = get("export-engine").value;
  trying(async () => {
    const response = await ask("/api/export", { question: question(), engine });
    save(await response.blob(), `edgeplan-${engine}.zip`);
  });
});
get("compare").addEventListener("click", () => trying(async () => {
  get("compared").textContent = "asking every solver …";
  const { columns, rows } = await (await ask("/api/compare", question())).json();
  const numbers = columns.map((name) => name.endsWith(">"));
  const cells = (kind, row) => row.map((cell, at) =>
    element(kind, { class: numbers[at] ? "n" : undefined }, cell.replace(/>$/, "")));
  const head = element("thead", {}, element("tr", {}, ...cells("th", columns)));
  const body = element("tbody", {}, ...rows.map((row) => element("tr", {}, ...cells("td", row))));
  get("compared").replaceChildren(element("table", {}, head, body));
}));
