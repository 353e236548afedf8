// Conversations that are over, kept in this browser as the rows they are on disk: to reopen, export and delete.
"use strict";

const KEPT = 50, ROOM = 2000000;  // conversations, and characters of all of them: less than half of what a browser gives
const MARK = "calm/";

let here = null;    // the name this conversation is kept by
let sealed = null;  // its row, where it can be read but not gone on with

function shelf() {
  try { return window.localStorage; } catch { return null; }  // a browser may be told to keep nothing
}

function past() {
  const store = shelf(), found = [];
  for (let place = 0; store && place < store.length; place++) {
    const name = store.key(place), value = name.startsWith(MARK) ? parsed(store.getItem(name)) : null;
    if (value && typeof value.row === "string" && parsed(value.row)?.messages) found.push({...value, name});
  }
  return found.sort((one, other) => other.when - one.when);
}

// Puts a conversation on the shelf; those used longest ago go when there are too many. False where there is no place.
function put(name, value) {
  const store = shelf(), text = JSON.stringify(value), others = past().filter(item => item.name !== name);
  let room = ROOM - text.length;
  if (!store || room < 0) return false;
  const stay = others.filter((item, place) => (room -= JSON.stringify(item).length) >= 0 && place < KEPT - 1);
  for (const item of others) if (!stay.includes(item)) store.removeItem(item.name);
  for (;;) {
    try { store.setItem(name, text); return true; } catch {
      if (!stay.length) return false;
      store.removeItem(stay.pop().name);
    }
  }
}

async function keep() {
  if (sealed !== null || !turns.length) return;
  here ||= MARK + Date.now().toString(36) + Math.random().toString(36).slice(2, 8);
  const name = here, value = {when: Date.now(), title: turns[0].text.slice(0, 80), agent, session};
  try { value.row = await row(); } catch { return; }  // the server is gone: what was kept before stays
  if (value.row && !put(name, value)) $("status").textContent = "this browser has no place to keep the conversation";
}

function forget(name) {
  shelf()?.removeItem(name);
  if (name === here) here = null;
}

// --- one of them on the screen again --------------------------------------------------------------------------------

async function reopen(item) {
  let text = item.row, open = item.agent === agent;
  if (open && agent) {
    try { text = await (await ask("agent/save?session=" + encodeURIComponent(item.session))).text(); } catch { open = false; }
  }
  fresh();
  [here, session] = [item.name, item.session];
  redraw(parsed(text), item.agent, open);
  if (!open) shut(text);
}

function shut(text) {
  sealed = text;
  busy(null);
  $("status").textContent = "kept in this browser only: to read and to export; New begins another";
}

function redraw(found, byAgent, open) {
  const states = parsed(found.state) || [], said = [...found.messages];
  if (!byAgent && said[0]?.role === "system") { const rules = said.shift(); if (open) $("system").value = rules.content; }
  if (!byAgent && open) $("tools").value = found.tools === "[]" ? "" : pretty(found.tools);
  const known = () => byAgent ? states[turns.length - 1] || {} : fromCalls();
  let step = null;
  for (const message of said) {
    if (message.role === "user") { slots = known(); begin(message.content); }
    else if (turns.length) step = again(message, step);
    messages.push(message);
  }
  showState(known(), turns.at(-1)?.before || {});
  countTools();
  busy(null);
}

function again(message, step) {
  if (message.role === "tool") { step?.cards[message.tool_call_id]?.result(message.content); return step; }
  const shown = new Step(turns.at(-1).element);
  shown.end();
  if (message.role === "system") shown.note(message.content);
  else if (message.garbled) shown.note("The output could not be read: " + message.garbled, "bad");
  else {
    if (message.reasoning_content) shown.set("thought", message.reasoning_content);
    if (message.content) shown.set("text", message.content);
    for (const call of message.tool_calls || []) {
      const card = shown.call({id: call.id, name: call.function.name, arguments: parsed(call.function.arguments) || {}});
      card.began = null;
      card.mark("", "no result");
    }
  }
  return shown;
}

// --- the list -------------------------------------------------------------------------------------------------------

function listPast() {
  const items = past();
  $("kept").replaceChildren(...items.map((item, place) => {
    const line = make("li"), title = item.title || "…", named = (made, what) => { made.setAttribute("aria-label", `${what} ${title}`); return made; };
    const main = button(title, () => { $("past").close(); reopen(item); }, "title");
    main.append(make("span", "chip", " " + new Date(item.when).toLocaleString()));
    line.append(main, named(button("Export", () => download(item.row, item.when)), "Export"), named(button("Delete", () => {
      forget(item.name);
      listPast();
      ($("kept").querySelectorAll(".title")[Math.min(place, items.length - 2)] || $("leave")).focus();
    }), "Delete"));
    return line;
  }));
  $("none").textContent = items.length ? `In this browser only; the latest ${KEPT} are kept.`
    : shelf() ? "Nothing is kept yet." : "This browser is told to keep nothing.";
  $("forget").disabled = !items.length;
}

function setUpPast() {
  $("history").onclick = () => { listPast(); $("past").showModal(); };
  $("forget").onclick = () => { past().forEach(item => forget(item.name)); listPast(); $("leave").focus(); };
}
