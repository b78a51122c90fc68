// What this browser keeps: small settings, and conversations turn by turn, so that a reload or a second tab finds them. Bounded: the oldest
// conversations go first. Knows no page and no stream. Storage may be switched off or full: then nothing is kept, and nothing breaks.
// A turn has a key of its own, as tabs write at the same time and a whole conversation would be written over.
// https://html.spec.whatwg.org/multipage/webstorage.html

const PREFIX = 'millrace.';
const MOST_CONVERSATIONS = 20;
/** Browsers give an origin some 5 million. */
const MOST_CHARACTERS = 2_000_000;

export function setting(name) {
  return read(name) ?? '';
}

export function set(name, value) {
  if (value === '') remove(name);
  else write(name, value);
}

/** The turns of a conversation, in order. */
export function turnsOf(conversation) {
  const turns = [];
  for (;;) {
    const turn = turnAt(conversation, turns.length);
    if (!turn) return turns;
    turns.push(turn);
  }
}

export function turnAt(conversation, number) {
  return parse(read(turnKey(conversation, number)));
}

export function keepTurn(conversation, number, turn) {
  if (!conversations().includes(conversation)) begin(conversation);
  const text = JSON.stringify(turn);
  const key = turnKey(conversation, number);
  while (!write(key, text)) {
    const oldest = conversations().find((other) => other !== conversation);
    if (!oldest) {
      remove(key); // rather none than what it was before
      return;
    }
    forget(oldest);
  }
}

/** Which turn another tab has written: its number in this conversation and what it is now. */
export function turnWritten({ key, newValue }, conversation) {
  const [, id, number] = /^millrace\.turn\.([^.]+)\.(\d+)$/.exec(key ?? '') ?? [];
  const turn = id === conversation ? parse(newValue) : undefined;
  return turn && { number: Number(number), turn };
}

const turnKey = (conversation, number) => `turn.${conversation}.${number}`;

/** Oldest first. */
const conversations = () => parse(read('conversations')) ?? [];

function begin(conversation) {
  const all = [...conversations(), conversation];
  write('conversations', JSON.stringify(all));
  while (conversations().length > MOST_CONVERSATIONS) forget(conversations()[0]);
  while (size() > MOST_CHARACTERS && conversations()[0] !== conversation) forget(conversations()[0]);
}

function forget(conversation) {
  for (let number = 0; read(turnKey(conversation, number)) !== null; number++) remove(turnKey(conversation, number));
  write('conversations', JSON.stringify(conversations().filter((other) => other !== conversation)));
}

function size() {
  let characters = 0;
  for (const conversation of conversations()) {
    for (let number = 0, text = ''; text !== null; number++) {
      text = read(turnKey(conversation, number));
      characters += text?.length ?? 0;
    }
  }
  return characters;
}

function parse(text) {
  try {
    return JSON.parse(text ?? 'null') ?? undefined;
  } catch {
    return undefined;
  }
}

function read(name) {
  try {
    return localStorage.getItem(PREFIX + name);
  } catch {
    return null;
  }
}

function write(name, value) {
  try {
    localStorage.setItem(PREFIX + name, value);
    return true;
  } catch {
    return false;
  }
}

function remove(name) {
  try {
    localStorage.removeItem(PREFIX + name);
  } catch {}
}
