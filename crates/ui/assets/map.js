// Machines and links: a map to drag, and the same as fields.

import { ask, change, element, onChange, state } from "./state.js";

const svg = document.getElementById("map");
const [ROOM, TALL] = [122, 44];
let [width, height] = [390, 250];
const USUAL = { bandwidth: "1 Gbit/s", latency: "0.5 ms" };
let linking = null;
let fail = () => {};
export const onProblem = (show) => { fail = show; };

const machines = () => ["device", "host"].flatMap((kind) => Object.keys(state.cluster[kind] ?? {}));
const switches = () => Object.keys(state.cluster.switch ?? {});
const nodes = () => [...machines(), ...switches()];
const end = (name) => (nodes().includes(name) ? name : name.split("/")[0]);
const profile = (text) => text.replace(/^catalog:/, "");

function about(name) {
  const device = state.cluster.device?.[name];
  if (device) return profile(device.profile);
  const host = state.cluster.host?.[name];
  if (!host) return "switch";
  const inside = [...(host.devices ?? []), ...(host.device ?? []).map((each) => each.profile)];
  return inside.map(profile).join(" + ");
}

// Where a machine lies: shares of the map, so that they hold on any screen. Switches are in the
// middle, machines in rows around them.
function place(name) {
  const [x, y] = state.at[name] ?? usual(name);
  return [within(x * width, width, ROOM / 2 + 2), within(y * height, height, TALL / 2 + 2)];
}

function usual(name) {
  const [all, middle] = [machines(), switches()];
  const rows = rowsOf(all.length);
  const lines = rows + (middle.length ? 1 : 0);
  // The line of the switches, below half of the machines.
  const half = Math.ceil(rows / 2);
  const at = middle.indexOf(name);
  if (at >= 0) return [(at + 0.5) / middle.length, (half + 0.5) / lines];
  const row = all.indexOf(name) % rows;
  const count = Math.ceil((all.length - row) / rows);
  const column = Math.floor(all.indexOf(name) / rows);
  const line = middle.length && row >= half ? row + 1 : row;
  return [(column + 0.5) / count, (line + 0.5) / lines];
}

const rowsOf = (count) => Math.max(count > 1 ? 2 : 1, Math.ceil(count / Math.max(1, Math.floor(width / (ROOM + 12)))));

function measure() {
  width = Math.max(300, Math.round(svg.parentElement.clientWidth || 390));
  const lines = rowsOf(machines().length) + (switches().length ? 1 : 0);
  height = Math.max(170, lines * 74);
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
}

function drawn(name, attributes, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const short = (text, most) => (text.length > most ? text.slice(0, most - 1) + "…" : text);

function draw() {
  measure();
  const focused = document.activeElement?.dataset?.node;
  const wires = (state.cluster.link ?? []).flatMap((link) => {
    const [[x1, y1], [x2, y2]] = link.between.map((name) => place(end(name)));
    // Nearer to the machine: in the middle of a star all would be one heap.
    const from = switches().includes(end(link.between[0])) ? 0.6 : 0.4;
    const middle = { x: x1 + (x2 - x1) * from, y: y1 + (y2 - y1) * from + 4, class: "small halo" };
    return [
      drawn("line", { x1, y1, x2, y2, class: "wire" }),
      drawn("text", { ...middle, "text-anchor": "middle" }, link.bandwidth),
    ];
  });
  const boxes = nodes().map((name) => {
    const [x, y] = place(name);
    const kinds = ["node", name === state.cluster.source && "source", name === linking && "linking"];
    const label = `${name}, ${about(name)}${name === state.cluster.source ? ", requests start here" : ""}`;
    const box = drawn("g", {
      class: kinds.filter(Boolean).join(" "), tabindex: 0, role: "button", "aria-label": label,
      transform: `translate(${x - ROOM / 2} ${y - TALL / 2})`,
    },
      drawn("title", {}, label),
      drawn("rect", { width: ROOM, height: TALL, rx: 8 }),
      drawn("text", { x: 9, y: 18 }, short(name, 13)),
      drawn("text", { x: 9, y: 35, class: "small" }, short(about(name), 16)),
      drawn("circle", { class: "handle", cx: ROOM, cy: TALL / 2, r: 9 }));
    box.dataset.node = name;
    return box;
  });
  svg.replaceChildren(...wires, ...boxes);
  if (focused) [...svg.querySelectorAll(".node")].find((box) => box.dataset.node === focused)?.focus();
}

function point(event) {
  const matrix = svg.getScreenCTM().inverse();
  const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix);
  return [x, y];
}

const within = (value, most, margin) => Math.min(Math.max(value, margin), most - margin);
const inside = ([x, y]) =>
  [within(x, width, ROOM / 2) / width, within(y, height, TALL / 2) / height];
const under = ([x, y]) => nodes().find((name) => {
  const [left, top] = place(name);
  return Math.abs(x - left) <= ROOM / 2 + 10 && Math.abs(y - top) <= TALL / 2 + 4;
});

svg.addEventListener("pointerdown", (event) => {
  const box = event.target.closest?.(".node");
  if (!box) return;
  const name = box.dataset.node;
  const draft = event.target.classList.contains("handle")
    ? drawn("line", { class: "draft" }) : null;
  const [from, start] = [place(name), point(event)];
  const move = (event) => {
    const [x, y] = point(event);
    if (draft) {
      const ends = { x1: from[0] + ROOM / 2, y1: from[1], x2: x, y2: y };
      for (const [key, value] of Object.entries(ends)) draft.setAttribute(key, value);
      svg.append(draft);
    } else if (Math.hypot(x - start[0], y - start[1]) > 3) {
      state.at[name] = inside([from[0] + x - start[0], from[1] + y - start[1]]);
      draw();
    }
  };
  const done = (event) => {
    svg.removeEventListener("pointermove", move);
    svg.removeEventListener("pointerup", done);
    svg.removeEventListener("pointercancel", done);
    const other = draft && event.type === "pointerup" ? under(point(event)) : null;
    draft?.remove();
    if (other && other !== name) link(name, other);
    else change({ at: state.at });
  };
  svg.setPointerCapture(event.pointerId);
  svg.addEventListener("pointermove", move);
  svg.addEventListener("pointerup", done);
  svg.addEventListener("pointercancel", done);
});

svg.addEventListener("keydown", (event) => {
  const name = event.target.dataset?.node;
  if (!name) return;
  const steps = { ArrowLeft: [-10, 0], ArrowRight: [10, 0], ArrowUp: [0, -10], ArrowDown: [0, 10] };
  const step = steps[event.key];
  if (step) {
    const [x, y] = place(name);
    change({ at: { ...state.at, [name]: inside([x + step[0], y + step[1]]) } });
  } else if (event.key === "Enter" || event.key === " ") {
    const from = linking;
    linking = from ? null : name;
    if (from && from !== name) link(from, name);
    else draw();
  } else if (event.key === "Escape") {
    linking = null;
    draw();
  } else if (event.key === "Delete" || event.key === "Backspace") {
    remove(name);
  } else return;
  event.preventDefault();
});

function edited(keys) {
  change({ cluster: { ...state.cluster, ...keys } });
}

function link(from, to) {
  edited({ link: [...(state.cluster.link ?? []), { between: [from, to], ...USUAL }] });
}

// The library knows how a device joins, and what leaves with one.
async function changed(keys) {
  try {
    const response = await ask("/api/cluster/change", { cluster: state.cluster, ...keys });
    const before = new Set(nodes());
    const cluster = await response.json();
    change({ cluster });
    return nodes().filter((name) => !before.has(name));
  } catch (error) {
    fail(error.message);
    return [];
  }
}

export async function add(name, at) {
  const into = document.getElementById("add-into").value;
  const more = into && !at ? { into } : {};
  const target = at && under(at);
  const joins = target && machines().includes(target) ? { into: target } : more;
  const found = await changed({ add: name, ...joins });
  if (at && found.length) change({ at: { ...state.at, [found[0]]: inside(at) } });
}

function remove(name) {
  if (!switches().includes(name)) return changed({ remove: name });
  const rest = { ...state.cluster.switch };
  delete rest[name];
  const links = (state.cluster.link ?? []).filter((link) => !link.between.includes(name));
  return edited({ switch: rest, link: links });
}

function memory(name, text) {
  for (const [kind, key] of [["device", "memory"], ["host", "ram"]]) {
    const machine = state.cluster[kind]?.[name];
    if (!machine) continue;
    const { [key]: before, ...rest } = machine;
    const kept = text.trim() ? { ...rest, [key]: text.trim() } : rest;
    edited({ [kind]: { ...state.cluster[kind], [name]: kept } });
  }
}

function fields() {
  if (document.activeElement?.closest?.("#machines, #links")?.querySelector("input:focus")) return;
  const cards = machines().map((name) => {
    const machine = state.cluster.device?.[name] ?? state.cluster.host?.[name];
    return element("div", { class: "machine" },
      element("div", { class: "what" }, name, element("small", {}, about(name))),
      element("input", {
        value: machine.memory ?? machine.ram ?? "", placeholder: "memory",
        "aria-label": `Memory of ${name}, such as 12 GiB`,
        onchange: (event) => memory(name, event.target.value),
      }),
      element("label", {}, element("input", {
        type: "radio", name: "source", checked: name === state.cluster.source,
        onchange: () => edited({ source: name }),
      }), "start"),
      element("button", { type: "button", "aria-label": `Remove ${name}`, onclick: () => remove(name) }, "×"));
  });
  document.getElementById("machines").replaceChildren(...cards);
  const links = state.cluster.link ?? [];
  const set = (at, key) => (event) =>
    edited({ link: links.map((each, index) => (index === at ? { ...each, [key]: event.target.value } : each)) });
  const rows = links.map((each, at) => {
    const name = each.between.join(" – ");
    return element("div", { class: "link" },
      element("span", {}, name),
      element("input", { value: each.bandwidth, "aria-label": `Bandwidth of ${name}`, onchange: set(at, "bandwidth") }),
      element("input", { value: each.latency, "aria-label": `Latency of ${name}`, onchange: set(at, "latency") }),
      element("button", {
        type: "button", "aria-label": `Remove the link ${name}`,
        onclick: () => edited({ link: links.filter((_, index) => index !== at) }),
      }, "×"));
  });
  document.getElementById("links").replaceChildren(...rows);
  options("add-into", [["", "on the network"], ...machines().map((name) => [name, `into ${name}`])]);
  for (const id of ["link-from", "link-to"]) options(id, nodes().map((name) => [name, name]));
}

function options(id, pairs) {
  const list = document.getElementById(id);
  const before = list.value;
  list.replaceChildren(...pairs.map(([value, text]) => element("option", { value }, text)));
  if (pairs.some(([value]) => value === before)) list.value = before;
}

document.getElementById("add").addEventListener("submit", (event) => {
  event.preventDefault();
  const input = document.getElementById("add-device");
  if (input.value.trim()) add(input.value.trim().replace(/^catalog:/, ""));
  input.value = "";
});
document.getElementById("add-link").addEventListener("submit", (event) => {
  event.preventDefault();
  link(document.getElementById("link-from").value, document.getElementById("link-to").value);
});
const PROFILE = "application/x-edgeplan-device";
export function palette(names) {
  const chips = names.map((name) => element("button", {
    type: "button", draggable: "true", onclick: () => add(name),
    ondragstart: (event) => event.dataTransfer.setData(PROFILE, name),
  }, "+ " + name));
  document.getElementById("palette").replaceChildren(...chips);
}
svg.addEventListener("dragover", (event) => {
  if (event.dataTransfer.types.includes(PROFILE)) event.preventDefault();
});
svg.addEventListener("drop", (event) => {
  const name = event.dataTransfer.getData(PROFILE);
  if (!name) return;
  event.preventDefault();
  event.stopPropagation();
  add(name, point(event));
});
onChange(() => { draw(); fields(); });
addEventListener("resize", draw);
