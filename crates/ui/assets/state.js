// The question, which is the fragment of the page's address; and what is sent to the program.

// Keys of a question that the program knows; `at`, where machines lie on the map, is the page's.
export const state = { model: "", cluster: { source: "" }, at: {} };

const listeners = [];
export const onChange = (listener) => listeners.push(listener);

// Changes the question and tells every view of it.
export function change(keys) {
  for (const [key, value] of Object.entries(keys)) {
    if (value === undefined || value === null || value === "") delete state[key];
    else state[key] = value;
  }
  history.replaceState(null, "", "#" + encode(state));
  for (const listener of listeners) listener();
}

export function question() {
  const { at, ...keys } = state;
  return keys;
}

function encode(value) {
  const bytes = new TextEncoder().encode(JSON.stringify(value));
  const text = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

// The question of a fragment; nothing where it is none.
export function decode(fragment) {
  try {
    const text = atob(fragment.replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = Uint8Array.from(text, (char) => char.charCodeAt(0));
    const value = JSON.parse(new TextDecoder().decode(bytes));
    const sound = typeof value.model === "string" && typeof value.cluster === "object";
    return sound && value.cluster ? { at: {}, ...value } : null;
  } catch {
    return null;
  }
}

// Asks the program; an error has its one message.
export async function ask(path, body, signal) {
  const response = await fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body ?? null),
    signal,
  });
  return checked(response);
}

export async function checked(response) {
  if (response.ok) return response;
  let message = `the program answered ${response.status}`;
  try {
    message = (await response.json()).error;
  } catch {
    // No answer of the program itself.
  }
  throw new Error(message);
}

// An element with attributes and children; text stays text.
export function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}
