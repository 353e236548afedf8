// The chat page. With tools on the server it talks to /agent, which runs them; without, to /v1/chat/completions, and its
// user writes tools as JSON and answers the calls.
"use strict";

const model = document.querySelector("meta[name=calm-model]").content;
const EXAMPLE = [{type: "function", function: {name: "find_restaurants", description: "Restaurants in a part of town.",
  parameters: {type: "object", properties: {area: {type: "string", enum: ["centre", "north", "south"]}, food: {type: "string"}},
    required: ["area"]}}}];
const HINTS = {town: ["A cheap hotel in the north, please.", "A table for two at an Indian restaurant tonight.",
  "When is the next train to Norwick on friday?"]};

let agent = false;      // tools run on the server
let offer = {tools: [], writing: [], origin: ""};
let session = null;     // the server's name for this conversation
let messages = [];      // the conversation, where the page keeps it
let turns = [];         // {text, element, length, slots, before}: what undo needs
let slots = {};         // the dialogue state
let working = null;     // an AbortController while a turn is under way

// --- asking the server ----------------------------------------------------------------------------------------------

function headers() {
  const key = $("key").value;
  return {"content-type": "application/json", ...(key && {authorization: "Bearer " + key})};
}

async function ask(path, body, signal) {
  const reply = await fetch(path, body === undefined ? {headers: headers(), signal}
    : {method: "POST", headers: headers(), body: JSON.stringify(body), signal});
  if (reply.ok) return reply;
  const error = (await reply.json().catch(() => ({}))).error || {};
  if (reply.status === 401) $("setup").showModal();
  throw Object.assign(new Error(error.message || `status ${reply.status}`), {code: error.code});
}

async function* heard(reply) {
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const {value, done} = await reader.read();
    if (done) return;
    const events = (rest + value).split("\n\n");
    rest = events.pop();
    for (const event of events) yield event.replace(/^data: /, "");
  }
}

// --- the state ------------------------------------------------------------------------------------------------------

function showState(next, before) {
  slots = next;
  const list = $("slots");
  list.replaceChildren();
  for (const [slot, value] of Object.entries(next)) {
    const changed = plain(before[slot]) !== plain(value), shown = make("dd", changed ? "new" : "", plain(value));
    if (changed && slot in before) shown.prepend(make("s", "", plain(before[slot])));
    list.append(make("dt", "", slot), shown);
  }
  for (const slot of Object.keys(before)) if (!(slot in next)) {
    const gone = make("dd", "new");
    gone.append(make("s", "", plain(before[slot])));
    list.append(make("dt", "", slot), gone);
  }
  if (!list.children.length) list.append(make("dd", "note", "nothing is known yet"));
}

// The latest call of each tool says what is wanted, as on the server.
function fromCalls() {
  const latest = {};
  for (const message of messages) for (const call of message.tool_calls || []) {
    latest[call.function.name] = parsed(call.function.arguments) || {};
  }
  const found = {};
  for (const [name, given] of Object.entries(latest)) for (const [slot, value] of Object.entries(given)) found[`${name}.${slot}`] = value;
  return found;
}

// --- turns ----------------------------------------------------------------------------------------------------------

function busy(controller) {
  working = controller;
  $("send").textContent = working ? "Stop" : "Send";
  for (const name of ["send", "text"]) $(name).disabled = sealed !== null;
  for (const name of ["retry", "undo"]) $(name).disabled = !!working || !turns.length || sealed !== null;
  for (const name of ["copy", "save"]) $(name).disabled = !turns.length;
}

function begin(text) {
  if (!turns.length) $("talk").replaceChildren();
  const element = make("section");
  element.append(make("div", "user", text));
  turns.push({text, element, length: messages.length, slots, before: slots});
  $("talk").append(element);
  $("talk").scrollTop = $("talk").scrollHeight;
  return element;
}

async function say(text) {
  const element = begin(text);
  await (agent ? agentTurn(text, element) : ownTurn({role: "user", content: text}, element));
}

async function guarded(element, work) {
  const began = performance.now(), mine = new AbortController();
  busy(mine);
  $("status").textContent = "thinking …";
  try {
    await work(mine.signal);
    if ($("status").textContent === "thinking …") $("status").textContent = `${((performance.now() - began) / 1000).toFixed(1)} s`;
  } catch (error) {
    $("status").textContent = "";
    element.querySelectorAll(".call form").forEach(form => form.remove());
    follow(() => element.append(make("div", error.name === "AbortError" ? "note" : "bad", error.name === "AbortError" ? "Stopped." : error.message)));
    if (error.code === "session_not_found") gone();
  } finally {
    element.querySelectorAll(".live").forEach(step => step.classList.remove("live"));
    if (working === mine) {
      busy(null);
      keep();
      if (mine.signal.aborted) setTimeout(keep, 1000);  // the server answers the calls that were left open
    }
  }
}

function gone() {
  const item = past().find(item => item.name === here);
  session = null;
  if (item) shut(item.row);
}

function agentTurn(text, element) {
  return guarded(element, async signal => {
    const reply = await ask("agent/say", {session, text}, signal);
    let step = null, fresh = true;
    for await (const data of heard(reply)) {
      const event = JSON.parse(data);
      if (event.kind === "session") { session = event.session; continue; }
      if (event.kind === "writing" && fresh) { step?.end(); step = null; }
      fresh = event.kind !== "writing";
      agentEvent(event, step ||= new Step(element));
    }
    step?.end();
  });
}

function agentEvent(event, step) {
  const told = {
    writing: () => step.write(event.part, event.text),
    thought: () => step.set("thought", event.text),
    response: () => { if (event.text) step.set("text", event.text); },
    action: () => step.call(event.call),
    ask: () => (step.cards[event.call.id] || step.call(event.call)).ask(),
    observation: () => step.cards[event.call]?.result(event.content),
    garbled: () => step.note("The output could not be read: " + event.why, "bad"),
    system: () => step.note(event.text),
    state: () => showState(event.state, event.before),
    finished: () => {
      $("status").textContent = `${event.steps} steps · ${event.tokens ? event.tokens + " tokens · " : ""}${event.seconds.toFixed(1)} s`;
      if (event.why !== "world") step.note("Stopped by the limit on " + event.why + ".");
    },
    error: () => { throw new Error(event.message); },
  };
  told[event.kind]?.();
}

async function ownTurn(said, element) {
  messages.push(said);
  await guarded(element, async signal => {
    for (;;) {
      const shown = new Step(element), message = await completion(shown, signal);
      messages.push(message);
      shown.end();
      if (message.garbled) shown.note("The output could not be read: " + message.garbled, "bad");
      if (!message.tool_calls) break;
      await results(shown, message, signal);
    }
  });
  const turn = turns.at(-1);
  showState(fromCalls(), turn.before);
}

async function completion(shown, signal) {
  const system = $("system").value.trim(), tools = $("tools").value.trim();
  const body = {model, stream: true, messages: [...(system ? [{role: "system", content: system}] : []), ...messages],
    ...(tools && {tools: JSON.parse(tools)})};
  const message = {role: "assistant", content: null};
  let whole = false;
  for await (const data of heard(await ask("v1/chat/completions", body, signal))) {
    if (data === "[DONE]") { whole = true; continue; }
    const chunk = JSON.parse(data);
    if (chunk.error) throw new Error(chunk.error.message);
    add(message, shown, chunk.choices[0]?.delta || {});
  }
  if (!whole) throw new Error("The answer broke off.");
  return message;
}

function add(message, shown, delta) {
  if (delta.reasoning) { message.reasoning_content = (message.reasoning_content || "") + delta.reasoning; shown.write("thought", delta.reasoning); }
  if (delta.content) { message.content = (message.content || "") + delta.content; shown.write("text", delta.content); }
  if (delta.garbled) message.garbled = delta.garbled;
  for (const part of delta.tool_calls || []) {
    const calls = message.tool_calls ||= [];
    if (part.id) calls[part.index] = {id: part.id, type: "function", function: {name: part.function.name, arguments: ""}};
    calls[part.index].function.arguments += part.function.arguments || "";
  }
}

async function results(shown, message, signal) {
  const stopped = new Promise((_, fail) => signal.addEventListener("abort", () => fail(new DOMException("stopped", "AbortError"))));
  $("status").textContent = "waiting for your result";
  const given = message.tool_calls.map(call => shown.call({id: call.id, name: call.function.name, arguments: parsed(call.function.arguments) || {}}).wanted());
  let contents = message.tool_calls.map(() => '{"error": "stopped by the user"}');
  try {
    contents = await Promise.race([Promise.all(given), stopped]);
  } finally {
    message.tool_calls.forEach((call, place) => messages.push({role: "tool", tool_call_id: call.id, name: call.function.name, content: contents[place]}));
  }
  $("status").textContent = "thinking …";
}

async function undo() {
  const turn = turns.at(-1);
  if (!turn || working) return null;
  try {
    if (agent && session) await ask("agent/undo", {session});
  } catch (error) { $("status").textContent = error.message; return null; }
  turns.pop();
  turn.element.remove();
  messages.length = turn.length;
  showState(turn.before, turn.before);
  if (!turns.length) greet();
  busy(null);
  if (turns.length) keep();
  else if (here) forget(here);
  return turn.text;
}

// --- the conversation as a row --------------------------------------------------------------------------------------

async function row() {
  if (sealed !== null) return sealed;
  if (agent) return session ? (await ask("agent/save?session=" + encodeURIComponent(session))).text() : "";
  const tools = $("tools").value.trim(), system = $("system").value.trim();
  const whole = [...(system ? [{role: "system", content: system}] : []), ...messages];
  return JSON.stringify({id: "page-" + (here || MARK + Date.now()).slice(MARK.length), messages: whole, tools: tools ? JSON.stringify(JSON.parse(tools)) : "[]",
    origin: "page", state: "[]", meta: JSON.stringify({model})});
}

function download(text, when) {
  const link = make("a");
  link.href = URL.createObjectURL(new Blob([text + "\n"], {type: "application/x-ndjson"}));
  link.download = `calm-${new Date(when).toISOString().slice(0, 19).replace(/:/g, "")}.jsonl`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function report(work, said) {
  return async () => {
    try { await work(); if (said) $("status").textContent = said; } catch (error) { $("status").textContent = error.message; }
  };
}

// --- tools and setting up -------------------------------------------------------------------------------------------

function toolsFault() {
  const text = $("tools").value.trim();
  if (!text) return "";
  try { return Array.isArray(JSON.parse(text)) ? "" : "This is no list: write [ … ]."; } catch (error) { return "Not JSON yet: " + error.message; }
}

function countTools() {
  const count = agent ? offer.tools.length : toolsFault() ? 0 : (parsed($("tools").value) || []).length;
  $("open").textContent = count ? `Tools (${count})` : "Tools";
}

function showTools() {
  $("own").hidden = agent;
  $("offered").replaceChildren(...offer.tools.map(({function: tool}) => {
    const fold = make("details"), head = make("summary");
    head.append(make("b", "", tool.name), make("span", "chip", offer.writing.includes(tool.name) ? "  changes something" : ""));
    fold.append(head, make("p", "", tool.description));
    const told = ([name, kind]) => [name + ((tool.parameters.required || []).includes(name) ? " *" : ""),
      [kind.type, kind.enum && kind.enum.map(plain).join(", "), kind.description].filter(Boolean).join(" · ")];
    fold.append(pairs(Object.fromEntries(Object.entries(tool.parameters.properties || {}).map(told))));
    return fold;
  }));
}

function greet() {
  const hint = make("div", "hint", agent ? "Thoughts, calls, results and state stay in sight."
    : "A conversation with thoughts and tool calls in sight. Set tools above, or just say something.");
  for (const line of (agent && HINTS[offer.origin]) || []) hint.append(button(line, () => { if (!working) say(line); }));
  $("talk").replaceChildren(hint);
}

function fresh() {
  if (working) keep();
  working?.abort();
  [session, messages, turns, here, sealed] = [null, [], [], null, null];
  showState({}, {});
  greet();
  busy(null);
  $("status").textContent = "";
  $("text").focus();
}

async function meet() {
  try {
    offer = await (await ask("agent")).json();
    agent = offer.tools.length > 0;
  } catch (error) { $("status").textContent = error.message; }
  showTools();
  countTools();
  if (!turns.length) greet();
  document.body.dataset.ready = agent ? "agent" : "own";
}

$("ask").onsubmit = event => {
  event.preventDefault();
  if (working) { working.abort(); return; }
  const text = $("text").value.trim();
  if (!text) return;
  $("text").value = "";
  say(text);
};
$("text").onkeydown = event => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); if (!working) $("ask").requestSubmit(); }
  if (event.key === "ArrowUp" && !$("text").value && turns.length) { event.preventDefault(); $("text").value = turns.at(-1).text; }
};
document.addEventListener("keydown", event => { if (event.key === "Escape" && !document.querySelector("dialog[open]")) working?.abort(); });
$("undo").onclick = async () => { const text = await undo(); if (text !== null) { $("text").value = text; $("text").focus(); } };
$("retry").onclick = async () => { const text = await undo(); if (text !== null) say(text); };
$("copy").onclick = report(async () => navigator.clipboard.writeText(await row()), "copied");
$("save").onclick = report(async () => download(await row(), Date.now()), "saved");
$("open").onclick = () => $("setup").showModal();
$("example").onclick = () => { $("tools").value = JSON.stringify(EXAMPLE, null, 1); $("fault").textContent = ""; };
$("tools").oninput = () => { $("fault").textContent = toolsFault(); };
$("done").onclick = event => {
  $("fault").textContent = toolsFault();
  if (toolsFault()) event.preventDefault();
  else if (!turns.length) meet();
  else countTools();
};
$("panel").onclick = () => {
  $("state").hidden = !$("state").hidden;
  $("panel").setAttribute("aria-expanded", String(!$("state").hidden));
};
$("theme").onclick = () => {
  const root = document.documentElement.dataset;
  const dark = root.theme ? root.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.theme = dark ? "light" : "dark";
};
$("fresh").onclick = fresh;
setUpPast();
$("model").textContent = model;
fresh();
meet();
