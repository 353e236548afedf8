// What a conversation looks like: steps, calls as cards, forms made from schemas. Text is set as text, never as markup.
"use strict";

const $ = id => document.getElementById(id);

function make(tag, name, text) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (text !== undefined) element.textContent = text;
  return element;
}

function button(text, act, name) {
  const made = make("button", name, text);
  made.type = "button";
  made.onclick = act;
  return made;
}

function parsed(json) {
  try { return JSON.parse(json); } catch { return undefined; }
}

function pretty(text) {
  const value = parsed(text);
  return value === undefined ? text : JSON.stringify(value, null, 1);
}

function plain(value) { return typeof value === "string" ? value : JSON.stringify(value); }

function pairs(object, list = make("dl")) {
  for (const [key, value] of Object.entries(object)) list.append(make("dt", "", key), make("dd", "", plain(value)));
  return list;
}

function follow(change) {
  const talk = $("talk"), near = talk.scrollHeight - talk.scrollTop - talk.clientHeight < 160;
  const made = change();
  if (near) talk.scrollTop = talk.scrollHeight;
  return made;
}

// --- a step on the screen -------------------------------------------------------------------------------------------

class Step {
  constructor(turn) {
    this.root = make("div", "step live");
    this.cards = {};
    follow(() => turn.append(this.root));
  }
  write(part, text) {
    follow(() => {
      if (part === "thought") this.thinking().textContent += text;
      else if (part === "text") this.saying().textContent += text;
      else this.root.dataset.calls = "writing";
    });
  }
  thinking() {
    if (!this.thought) {
      const fold = make("details", "thought");
      this.thought = make("div");
      fold.append(make("summary", "", "Thought"), this.thought);
      this.root.prepend(fold);
    }
    return this.thought;
  }
  saying() {
    if (!this.said) this.root.append(this.said = make("div", "said"));
    return this.said;
  }
  set(part, text) { follow(() => { (part === "thought" ? this.thinking() : this.saying()).textContent = text; }); }
  call(call) {
    const card = new Card(call);
    this.cards[call.id] = card;
    follow(() => this.root.append(card.root));
    return card;
  }
  note(text, name = "note") { return follow(() => { const note = make("div", name, text); this.root.append(note); return note; }); }
  end() { this.root.classList.remove("live"); }
}

class Card {
  constructor(call) {
    this.call = call;
    this.began = performance.now();
    this.chip = make("span", "chip", "running");
    const head = make("div");
    head.append(make("b", "", call.name), this.chip);
    this.given = pairs(call.arguments);
    this.root = make("div", "call");
    this.root.append(head, this.given);
  }
  mark(name, chip) { this.root.className = "call " + name; this.chip.textContent = chip; }
  result(content) {
    const value = parsed(content), failed = value && typeof value === "object" && "error" in value;
    const took = this.began === null ? "" : ` · ${((performance.now() - this.began) / 1000).toFixed(1)} s`;
    this.form?.remove();
    this.mark(failed ? "failed" : "done", (failed ? "error" : "done") + took);
    const fold = make("details");
    fold.append(make("summary", "", "Result: " + (failed ? plain(value.error) : content).slice(0, 120)), make("pre", "", pretty(content)));
    follow(() => this.root.append(fold));
  }
  // Approve, change or refuse: the arguments as a form made from the tool's schema.
  ask() {
    this.mark("asked edit", "changes something: run it?");
    $("status").textContent = "waiting for your word";
    const schema = (offer.tools.find(tool => tool.function.name === this.call.name) || {}).function?.parameters || {};
    const form = this.form = make("form"), fields = fieldset(schema, this.call.arguments), row = make("div", "row");
    const send = async run => {
      const read = fields.read();
      if (run && read.fault) { fault.textContent = read.fault; return; }
      const changed = JSON.stringify(read.value) !== JSON.stringify(this.call.arguments);
      try {
        await ask("agent/decide", {session, run, ...(run && changed && {arguments: read.value})});
      } catch (error) { fault.textContent = error.message; return; }
      form.remove();
      this.began = performance.now();
      if (run && changed) { const now = pairs(read.value); this.given.replaceWith(now); this.given = now; }
      this.mark("", run ? "running" : "refused");
      $("status").textContent = "thinking …";
    };
    const fault = make("p", "bad"), yes = make("button", "main", "Run it");
    form.onsubmit = event => { event.preventDefault(); send(true); };
    row.append(yes, button("Refuse", () => send(false)));
    form.append(fields.element, fault, row);
    follow(() => this.root.append(form));
    yes.focus();
  }
  // The result of a call that runs nowhere: the user writes it.
  wanted() {
    this.mark("asked", "your turn");
    const box = make("textarea");
    box.rows = 2;
    box.placeholder = "Result for the model: JSON or text";
    box.setAttribute("aria-label", "Result of " + this.call.name);
    this.form = make("form");
    const row = make("div", "row");
    row.append(make("button", "main", "Give result"));
    this.form.append(box, row);
    follow(() => this.root.append(this.form));
    box.focus();
    return new Promise(done => {
      this.form.onsubmit = event => { event.preventDefault(); this.result(box.value); done(box.value); };
    });
  }
}

function fieldset(schema, given) {
  const element = make("div", "fields"), reads = {}, names = Object.keys({...schema.properties, ...given});
  for (const name of names) {
    const kind = (schema.properties || {})[name] || {}, label = make("label"), input = field(kind, given[name]);
    label.append(make("span", "", name + ((schema.required || []).includes(name) ? " *" : "")), input.element);
    if (kind.description) label.title = kind.description;
    element.append(label);
    reads[name] = input.read;
  }
  const read = () => {
    const value = {};
    for (const name of names) {
      const found = reads[name]();
      if (found === null && (schema.required || []).includes(name)) return {fault: `${name} is needed`};
      if (found && found.fault) return {fault: `${name}: ${found.fault}`};
      if (found) value[name] = found.value;
    }
    return {value};
  };
  return {element, read};
}

function field(kind, given) {
  if (Array.isArray(kind.enum)) {
    const element = make("select");
    for (const choice of ["", ...kind.enum]) element.append(new Option(plain(choice), JSON.stringify(choice)));
    element.value = JSON.stringify(given === undefined ? "" : given);
    return {element, read: () => element.value === '""' ? null : {value: JSON.parse(element.value)}};
  }
  const element = make("input");
  if (kind.type === "boolean") {
    element.type = "checkbox";
    element.checked = given === true;
    return {element, read: () => ({value: element.checked})};
  }
  const asText = kind.type === "string" || (!kind.type && typeof given === "string");
  element.value = given === undefined ? "" : asText ? plain(given) : JSON.stringify(given);
  if (kind.type === "integer" || kind.type === "number") { element.type = "number"; element.step = kind.type === "integer" ? 1 : "any"; }
  return {element, read: () => {
    if (element.value === "") return null;
    if (asText) return {value: element.value};
    const value = parsed(element.value);
    return value === undefined ? {fault: "is not JSON"} : {value};
  }};
}
