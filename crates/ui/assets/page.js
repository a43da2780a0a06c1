// Begins: the question of the address or the example, the fields, and files that are dropped.

import { problem } from "./answer.js";
import { onProblem, palette } from "./map.js";
import { ask, change, checked, decode, element, onChange, state } from "./state.js";

const get = (id) => document.getElementById(id);
const QUALITIES = ["any", "q2_K", "q3_K_M", "q4_K_M", "q5_K_M", "q6_K", "q8_0", "f16"];
// Cards and machines that many have; every other one is typed.
const USUAL = ["rtx-3060-12", "rtx-3090-24", "rtx-4090-24", "apple-m4-24", "ryzen-9-5900x"];
// Bytes of a model file that describe it, at most.
const HEAD = 64 << 20;
const context = (step) => (step === 0 ? undefined : 2 ** (step + 5));
onProblem(problem);

// Sliders: how a position becomes a key of the question and a text, and back.
const SLIDERS = {
  quality: {
    value: (at) => (QUALITIES[at] === "q4_K_M" ? undefined : QUALITIES[at]),
    at: (value) => Math.max(0, QUALITIES.indexOf(value ?? "q4_K_M")),
    text: (at) => QUALITIES[at],
  },
  "decode-min": {
    value: (at) => (at ? at : undefined),
    at: (value) => value ?? 0,
    text: (at) => (at ? `${at} tokens/s` : "any"),
  },
  context: {
    value: context,
    at: (value) => (value ? Math.round(Math.log2(value)) - 5 : 0),
    text: (at) => (at ? String(context(at)) : "usual"),
  },
  memory: {
    value: (at) => (at < 100 ? at : undefined),
    at: (value) => value ?? 100,
    text: (at) => `${at} %`,
  },
};
for (const [id, slider] of Object.entries(SLIDERS)) {
  const input = get(id);
  input.addEventListener("input", () => {
    const keys = { [id]: slider.value(Number(input.value)) };
    // A least speed says what is fast enough: what is asked for then is quality.
    if (id === "decode-min" && !state.objective && keys[id]) keys.objective = "quality";
    change(keys);
  });
}
for (const id of ["objective", "engine"]) {
  get(id).addEventListener("change", () => change({ [id]: get(id).value }));
}
for (const id of ["prompt", "generate"]) {
  get(id).addEventListener("input", () => {
    const text = get(id).value;
    change({ [id]: text === "" ? undefined : Number(text) });
  });
}
get("model").addEventListener("change", () => {
  const named = get("model").value.trim();
  const known = [...get("models").children].some((option) => option.value === `catalog:${named}`);
  change({ model: known ? `catalog:${named}` : named });
});

// Fields show the question, but not while text is typed into them.
onChange(() => {
  for (const [id, slider] of Object.entries(SLIDERS)) {
    const at = slider.at(state[id]);
    get(id).value = at;
    const text = slider.text(at);
    document.querySelector(`output[for="${id}"]`).textContent = text;
    get(id).setAttribute("aria-valuetext", text);
  }
  for (const id of ["model", "objective", "engine", "prompt", "generate"]) {
    if (document.activeElement !== get(id)) get(id).value = state[id] ?? "";
  }
});

async function taken(file) {
  problem("");
  try {
    if (file.name.endsWith(".toml")) {
      const response = await ask("/api/cluster/read", { name: file.name, text: await file.text() });
      return change({ cluster: await response.json(), at: {} });
    }
    const query = new URLSearchParams({ name: file.name, size: file.size });
    const response = await fetch(`/api/model?${query}`, {
      method: "POST",
      headers: { "content-type": "application/octet-stream" },
      body: file.slice(0, HEAD),
    });
    change({ model: (await (await checked(response)).json()).model });
  } catch (error) {
    problem(error.message);
  }
}
get("model-file").addEventListener("change", (event) => {
  if (event.target.files.length) taken(event.target.files[0]);
});
const files = (event) => event.dataTransfer?.types.includes("Files");
for (const name of ["dragenter", "dragover", "dragleave", "drop"]) {
  document.addEventListener(name, (event) => {
    if (!files(event)) return;
    event.preventDefault();
    document.body.classList.toggle("dropping", name === "dragover" || name === "dragenter");
    if (name === "drop" && event.dataTransfer.files.length) taken(event.dataTransfer.files[0]);
  });
}

get("here").addEventListener("click", async () => {
  try {
    const { cluster } = await (await ask("/api/here")).json();
    change({ cluster, at: {} });
  } catch (error) {
    problem(error.message);
  }
});
get("share").addEventListener("click", async () => {
  const button = get("share");
  try {
    await navigator.clipboard.writeText(location.href);
    button.textContent = "Copied";
  } catch {
    button.textContent = "The link is this page's address";
  }
  setTimeout(() => { button.textContent = "Copy link"; }, 2500);
});

function begin(keys) {
  for (const key of Object.keys(state)) if (!(key in keys)) delete state[key];
  change(keys);
}
const options = (values) => values.map((value) => element("option", { value }, value));

async function start() {
  const offers = await (await checked(await fetch("/api/offers"))).json();
  get("models").replaceChildren(...options(offers.models));
  get("devices").replaceChildren(...offers.devices.map(({ name, memory }) =>
    element("option", { value: name }, `${name}, ${memory}`)));
  get("engine").append(...options(offers.engines));
  get("export-engine").replaceChildren(...options(offers.engines));
  palette(USUAL);
  const example = { model: offers.model, cluster: offers.cluster, at: {} };
  get("example").addEventListener("click", () => begin(example));
  begin(decode(location.hash.slice(1)) ?? example);
  addEventListener("hashchange", () => begin(decode(location.hash.slice(1)) ?? example));
}
start().catch((error) => problem(error.message));
