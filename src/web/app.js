// The page at /: one conversation over POST /v1/chat. Plain DOM, no build; what a model or a server says enters the page as text
// only. Addresses are relative, so the page also works behind a proxy's path.
// docs/PROTOCOL.md has the events. Changing this file needs no restart: reload the page.

// ---- server-sent events ---------------------------------------------------------------------------------------------

/**
 * A push parser: takes bytes cut anywhere, also inside a letter, and calls `onEvent(name, data)` for each whole event. As the
 * standard has it, an event that the end of the stream leaves unfinished is never delivered.
 * https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 * @param {(name: string, data: string) => void} onEvent
 * @returns {(bytes: Uint8Array) => void}
 */
export function createSseParser(onEvent) {
  const utf8 = new TextDecoder(); // holds back half a letter, and drops a leading BOM
  let rest = ''; // an unfinished line
  let afterCr = false; // an LF that comes next belongs to the line that has ended
  let name = '';
  let data = [];

  function line(text) {
    if (text === '') {
      const [event, lines] = [name, data];
      name = '';
      data = [];
      if (lines.length > 0) onEvent(event || 'message', lines.join('\n'));
      return;
    }
    const colon = text.indexOf(':');
    if (colon === 0) return; // a comment
    const field = colon === -1 ? text : text.slice(0, colon);
    const value = colon === -1 ? '' : text.slice(text[colon + 1] === ' ' ? colon + 2 : colon + 1);
    if (field === 'data') data.push(value);
    else if (field === 'event') name = value;
  }

  return (bytes) => {
    let text = utf8.decode(bytes, { stream: true });
    if (text === '') return;
    if (afterCr && text[0] === '\n') text = text.slice(1);
    afterCr = text.endsWith('\r');
    if (!/[\r\n]/.test(text)) {
      rest += text; // not split again and again while one long line trickles in
      return;
    }
    const lines = (rest + text).split(/\r\n|\r|\n/);
    rest = lines.pop();
    for (const each of lines) line(each);
  };
}

/** Lays out JSON as `JSON.stringify(…, null, 2)` does, also when its end has not come yet. */
export function prettyPartialJson(text) {
  let out = '';
  let depth = 0;
  let inString = false;
  let opened = false; // the last thing was an opening bracket
  const newLine = () => `\n${'  '.repeat(depth)}`;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (inString) {
      out += char;
      if (char === '\\') out += text[++i] ?? '';
      else if (char === '"') inString = false;
      continue;
    }
    if (/\s/.test(char)) continue;
    if (char === '}' || char === ']') {
      depth = Math.max(0, depth - 1);
      out += opened ? char : newLine() + char;
      opened = false;
      continue;
    }
    if (opened) out += newLine();
    opened = char === '{' || char === '[';
    if (opened) depth++;
    out += char;
    if (char === '"') inString = true;
    else if (char === ',') out += newLine();
    else if (char === ':') out += ' ';
  }
  return out;
}

// ---- the page's parts -----------------------------------------------------------------------------------------------

/** @returns {any} */
const element = (id) => document.getElementById(id);
const conversation = element('conversation');
const composer = element('composer');
const message = element('message');
const model = element('model');
const send = element('send');
const stop = element('stop');
const fresh = element('new');
const keyForm = element('key-form');
const key = element('key');
const forget = element('forget');

/** Turns in order, the newest last; only that one can run or be tried again. */
let turns = [];
/** The turn under way: `{ turn, abort }`. */
let live = null;

function announce(text) {
  const status = element('status');
  // A live region speaks when its text changes; the same words twice are set apart by a space that is not read.
  status.textContent = text !== '' && status.textContent === text ? `${text}\u00a0` : text;
}

/** What is kept in this browser. Storage may be switched off: then nothing is kept. */
const kept = {
  get(name) {
    try {
      return localStorage.getItem(`millrace.${name}`) ?? '';
    } catch {
      return '';
    }
  },
  set(name, value) {
    try {
      if (value === '') localStorage.removeItem(`millrace.${name}`);
      else localStorage.setItem(`millrace.${name}`, value);
    } catch {}
  },
};

let accessKey = kept.get('key');

function headers() {
  return { 'content-type': 'application/json', ...(accessKey && { authorization: `Bearer ${accessKey}` }) };
}

// ---- models and the access key --------------------------------------------------------------------------------------

/** Shows tokens at a pace that can be watched. */
const DEMO = 'mock/lorem-200+rate-30';

async function loadModels() {
  const response = await fetch('v1/models', { headers: headers() }).catch(() => null);
  if (response?.status === 401) askForKey();
  const listed = response?.ok ? await response.json().catch(() => null) : null;
  const ids = (listed?.data ?? []).map(({ id }) => id);
  const real = ids.find((id) => !id.startsWith('mock/'));
  if (model.value === '') model.value = kept.get('model') || real || DEMO;
  element('models').replaceChildren(...ids.map((id) => Object.assign(document.createElement('option'), { value: id })));
  element('suggestions').replaceChildren(...ids.slice(0, MAX_SUGGESTIONS).map(suggestion));
}

const MAX_SUGGESTIONS = 8;

function suggestion(id) {
  const button = Object.assign(document.createElement('button'), { type: 'button', textContent: id });
  button.addEventListener('click', () => {
    model.value = id;
    message.focus();
  });
  const item = document.createElement('li');
  item.append(button);
  return item;
}

function askForKey() {
  element('key-why').textContent = accessKey
    ? 'This key was not accepted. Another one is kept in this browser only.'
    : 'This Millrace asks for a key. It is kept in this browser only.';
  keyForm.hidden = false;
  key.focus();
}

function useKey(value) {
  accessKey = value;
  kept.set('key', value);
  forget.hidden = value === '';
}

keyForm.addEventListener('submit', (event) => {
  event.preventDefault();
  useKey(key.value.trim());
  key.value = '';
  keyForm.hidden = true;
  message.focus();
  void loadModels();
  const last = turns.at(-1);
  if (last?.answer.state === 'error' && last.answer.code === 'unauthorized') void ask(last);
});

forget.addEventListener('click', () => {
  useKey('');
  announce('Access key forgotten.');
  message.focus();
});

// ---- one turn: what was asked, and its answer -----------------------------------------------------------------------

/**
 * A turn and its place on the page. Events only collect in `answer`; `paint` puts what is new on the page, once per frame, so that
 * a thousand tokens a second cost sixty updates.
 */
function createTurn(question) {
  const root = element('turn').content.firstElementChild.cloneNode(true);
  const at = (selector) => root.querySelector(selector);
  const [answerAt, who, text, reasoning] = ['.answer', '.answer .who', '.text', '.reasoning'].map(at);
  const [calls, fault, facts, clock] = ['.calls', '.fault', '.facts', '.clock'].map(at);
  const thoughts = reasoning.querySelector('.said');
  at('.asked .said').textContent = question;

  const turn = { root, question, model: '', answer: null, begin, paint, settle };

  function begin(named) {
    turn.model = named;
    turn.answer = {
      state: 'waiting',
      code: '',
      text: '',
      reasoning: '',
      calls: new Map(),
      beganAt: performance.now(),
      firstAt: null,
    };
    who.textContent = named;
    text.replaceChildren(new Text());
    thoughts.replaceChildren(new Text());
    calls.replaceChildren();
    facts.replaceChildren();
    reasoning.open = false;
    fault.hidden = true;
    paint();
  }

  function paint() {
    const { answer } = turn;
    answerAt.dataset.state = answer.state;
    answerAt.setAttribute('aria-busy', String(isRunning(answer)));
    grow(text, answer.text);
    grow(thoughts, answer.reasoning);
    text.hidden = answer.text === '';
    reasoning.hidden = answer.reasoning === '';
    for (const call of answer.calls.values()) {
      call.view ??= createCall(calls);
      if (call.changed) call.view(call);
      call.changed = false;
    }
    clock.textContent = clockText(answer);
  }

  /** The answer is over: `state` done, stopped or error, with what is known about it. */
  function settle({ state, fault: failed, ending }) {
    const { answer } = turn;
    answer.state = state;
    answer.endedAt = performance.now();
    for (const call of answer.calls.values()) call.changed = true;
    paint();
    facts.replaceChildren(...factsOf(state, ending, answer).map(fact));
    if (!failed) return;
    answer.code = failed.code;
    fault.hidden = false;
    at('.code').textContent = failed.code;
    at('.http').textContent = failed.status ? `HTTP ${failed.status}` : '';
    at('.why').textContent = failed.message;
  }

  at('.retry').addEventListener('click', () => {
    if (live || turns.at(-1) !== turn) return;
    void ask(turn);
    stop.focus();
  });
  at('.curl').addEventListener('click', (event) => void copyCurl(turn, event.currentTarget));
  return turn;
}

const isRunning = ({ state }) => state === 'waiting' || state === 'streaming';

/** Appends what is new: the browser keeps the layout of the lines that stand. */
function grow(paragraph, text) {
  const node = paragraph.firstChild;
  if (text.length > node.length) node.appendData(text.slice(node.length));
}

function createCall(list) {
  const root = element('call').content.firstElementChild.cloneNode(true);
  list.append(root);
  return ({ name, text, value, complete, invalid }) => {
    root.querySelector('.name').textContent = name;
    root.querySelector('.arguments').textContent =
      complete && !invalid ? JSON.stringify(value, null, 2) : invalid ? text : prettyPartialJson(text);
    root.querySelector('.invalid').hidden = !invalid;
  };
}

function clockText(answer) {
  if (!isRunning(answer)) return '';
  const seconds = ((performance.now() - answer.beganAt) / 1000).toFixed(1);
  return `${answer.state === 'waiting' ? 'waiting' : 'streaming'} ${seconds} s`;
}

function factsOf(state, ending, answer) {
  if (state === 'error' && !ending) return [];
  const usage = ending?.usage;
  const timing = ending?.timing ?? {
    first_token_ms: answer.firstAt && answer.firstAt - answer.beganAt,
    total_ms: answer.endedAt - answer.beganAt,
  };
  const about = usage?.estimated ? '≈ ' : '';
  const facts = [];
  if (state === 'done') facts.push(['finish', ending.finish_reason]);
  if (state === 'stopped') facts.push(['finish', 'stopped by you']);
  if (usage) {
    const { cached_input_tokens: cached, reasoning_tokens: thought } = usage;
    facts.push(['tokens in', about + count(usage.input_tokens) + (cached ? ` (${count(cached)} cached)` : '')]);
    facts.push(['tokens out', about + count(usage.output_tokens) + (thought ? ` (${count(thought)} reasoning)` : '')]);
    facts.push(['cost', typeof ending.cost_usd === 'number' ? about + dollars(ending.cost_usd) : 'unknown']);
  }
  if (typeof timing.first_token_ms === 'number') {
    facts.push(['first token', duration(timing.first_token_ms)]);
    const after = timing.total_ms - timing.first_token_ms;
    if (usage?.output_tokens > 1 && after > 0) {
      facts.push(['speed', `${count(Math.round(((usage.output_tokens - 1) / after) * 1000))} tokens/s`]);
    }
  }
  if (state === 'stopped') facts.push(['total', duration(timing.total_ms)]);
  if (ending?.attempts > 1) facts.push(['attempts', String(ending.attempts)]);
  return facts;
}

function fact([name, value]) {
  const group = document.createElement('div');
  group.append(
    Object.assign(document.createElement('dt'), { textContent: name }),
    Object.assign(document.createElement('dd'), { textContent: value }),
  );
  return group;
}

const count = (n) => Number(n).toLocaleString('en');
const duration = (ms) => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`);
const dollars = (usd) =>
  usd.toLocaleString('en', { style: 'currency', currency: 'USD', minimumFractionDigits: 2, maximumFractionDigits: 6 });

// ---- painting and scrolling -----------------------------------------------------------------------------------------

const page = document.documentElement;
let scheduled = false;
let atBottom = true;
let lastScroll = 0;

function schedule() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    live?.turn.paint();
    follow();
  });
}

/** Keeps the newest line in sight, unless the reader has scrolled away. */
function follow() {
  if (atBottom) page.scrollTop = page.scrollHeight;
}

addEventListener(
  'scroll',
  () => {
    const left = page.scrollHeight - page.clientHeight - page.scrollTop;
    // Only moving up means reading back; a page that grew under an unmoved reader does not.
    if (left < 24) atBottom = true;
    else if (page.scrollTop < lastScroll) atBottom = false;
    lastScroll = page.scrollTop;
  },
  { passive: true },
);

// ---- asking ---------------------------------------------------------------------------------------------------------

function bodyOf(turn) {
  const messages = [];
  for (const earlier of turns.slice(0, turns.indexOf(turn))) {
    messages.push({ role: 'user', content: earlier.question });
    if (earlier.answer.text !== '') messages.push({ role: 'assistant', content: earlier.answer.text });
  }
  messages.push({ role: 'user', content: turn.question });
  return { model: turn.model, messages };
}

async function ask(turn) {
  const abort = new AbortController();
  const mine = { turn, abort };
  turn.begin(model.value.trim());
  kept.set('model', turn.model);
  live = mine;
  atBottom = true;
  announce('');
  setRunning(true);
  follow();
  const clock = setInterval(schedule, 100);
  let outcome;
  try {
    outcome = await stream(turn, abort.signal);
  } catch (thrown) {
    outcome = abort.signal.aborted ? { state: 'stopped' } : failed(interrupted(turn, thrown));
    abort.abort(); // nobody reads on
  }
  clearInterval(clock);
  if (live !== mine) return; // a new conversation has begun
  live = null;
  turn.settle(outcome);
  setRunning(false);
  follow();
  announce(spoken(outcome));
  if (outcome.fault?.code === 'unauthorized') askForKey();
}

/** Resolves when the terminal event has come. Rejects when the connection breaks or is given up. */
async function stream(turn, signal) {
  const response = await fetch('v1/chat', {
    method: 'POST',
    headers: headers(),
    body: JSON.stringify(bodyOf(turn)),
    signal,
  });
  if (!response.ok) return failed(await refusal(response));
  let outcome = null;
  const push = createSseParser((name, data) => {
    const take = TAKES[name];
    if (outcome || !take) return; // events that this page has no use for are part of the protocol
    try {
      outcome = take(turn.answer, JSON.parse(data)) ?? null;
    } catch (cause) {
      throw new BadEvent(name, { cause });
    }
    schedule();
  });
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    push(value);
    if (outcome) return outcome;
  }
  return failed({
    code: 'stream_ended',
    message: 'The stream ended without saying that it was done. The answer may be incomplete.',
  });
}

class BadEvent extends Error {}

/** What each event does to an answer; a terminal one gives the outcome. */
const TAKES = {
  __proto__: null,
  token(answer, { text }) {
    began(answer);
    answer.text += text;
  },
  reasoning(answer, { text }) {
    began(answer);
    answer.reasoning += text;
  },
  'tool-call-delta'(answer, { index, name, arguments: more }) {
    began(answer);
    const call = callAt(answer, index);
    if (name) call.name = name;
    call.text += more;
  },
  'tool-call'(answer, { index, name, arguments: value, arguments_text: text, invalid }) {
    began(answer);
    const call = callAt(answer, index);
    Object.assign(call, { name, value, complete: true, invalid: invalid === true });
    if (invalid) call.text = text;
  },
  done: (_answer, ending) => ({ state: 'done', ending }),
  error: (_answer, ending) => failed(ending, ending),
};

function began(answer) {
  answer.firstAt ??= performance.now();
  answer.state = 'streaming';
}

function callAt({ calls }, index) {
  let call = calls.get(index);
  if (!call) {
    call = { name: '', text: '', value: undefined, complete: false, invalid: false };
    calls.set(index, call);
  }
  call.changed = true;
  return call;
}

function failed(fault, ending) {
  return { state: 'error', fault, ending };
}

/** A plain HTTP failure. What is in front of Millrace may answer in a shape of its own. */
async function refusal(response) {
  const { status, statusText } = response;
  const said = (await response.json().catch(() => null))?.error;
  const wait = response.headers.get('retry-after');
  const message = said?.message ?? `The server answered ${status}${statusText && ` ${statusText}`}.`;
  return {
    code: said?.code ?? `http_${status}`,
    status,
    message: /^\d+$/.test(wait ?? '') ? `${message} The server asks to wait ${wait}\u00a0s.` : message,
  };
}

function interrupted(turn, thrown) {
  if (thrown instanceof BadEvent) {
    return { code: 'bad_event', message: `The server sent a “${thrown.message}” event that cannot be read.` };
  }
  return turn.answer.state === 'waiting'
    ? { code: 'unreachable', message: 'Millrace could not be reached. Is it running, and are you online?' }
    : { code: 'connection_lost', message: 'The connection broke. The answer is incomplete.' };
}

function spoken({ state, fault, ending }) {
  if (state === 'done') {
    return ending.finish_reason === 'stop' ? 'Answer complete.' : `Answer complete: ${ending.finish_reason}.`;
  }
  return state === 'stopped' ? 'Stopped.' : `The answer failed: ${fault.message}`;
}

function setRunning(running) {
  const focused = document.activeElement;
  send.hidden = running;
  stop.hidden = !running;
  fresh.disabled = turns.length === 0;
  // A button that has gone would leave the keyboard nowhere.
  if (focused === send || focused === stop) (running ? stop : message).focus();
}

// ---- copying --------------------------------------------------------------------------------------------------------

/** The request as a POSIX shell takes it. The key stays out of the clipboard: it is read from a variable. */
function curlOf(turn) {
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  return [
    `curl -N ${quoted(new URL('v1/chat', document.baseURI).href)}`,
    `-H 'content-type: application/json'`,
    ...(accessKey ? ['-H "authorization: Bearer $MILLRACE_KEY"'] : []),
    `-d ${quoted(JSON.stringify(bodyOf(turn)))}`,
  ].join(' \\\n  ');
}

async function copyCurl(turn, button) {
  const copied = await copy(curlOf(turn));
  button.textContent = copied ? 'Copied' : 'Copying is not allowed here';
  announce(button.textContent);
  clearTimeout(button.timer);
  button.timer = setTimeout(() => {
    button.textContent = 'Copy as curl';
  }, 2000);
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {}
  // Pages that came over plain HTTP from another machine have no clipboard of their own.
  const focused = document.activeElement;
  const carrier = Object.assign(document.createElement('textarea'), {
    value: text,
    className: 'unseen',
    readOnly: true,
  });
  document.body.append(carrier);
  carrier.select();
  const copied = document.execCommand('copy');
  carrier.remove();
  focused?.focus();
  return copied;
}

// ---- what the reader does -------------------------------------------------------------------------------------------

composer.addEventListener('submit', (event) => {
  event.preventDefault();
  if (live) return;
  if (message.value.trim() === '') {
    message.focus();
    return;
  }
  const turn = createTurn(message.value);
  turns.push(turn);
  element('welcome').hidden = true;
  conversation.append(turn.root);
  message.value = '';
  fitMessage();
  void ask(turn);
});

message.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  composer.requestSubmit();
});

stop.addEventListener('click', () => live?.abort.abort());

addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && !event.isComposing) live?.abort.abort();
});

fresh.addEventListener('click', () => {
  const running = live;
  live = null;
  running?.abort.abort();
  turns = [];
  conversation.replaceChildren();
  element('welcome').hidden = false;
  setRunning(false);
  announce('New conversation.');
  message.focus();
});

model.addEventListener('focus', () => model.select());

/** For browsers without `field-sizing`. */
function fitMessage() {
  if (CSS.supports('field-sizing', 'content')) return;
  message.style.height = 'auto';
  message.style.height = `${message.scrollHeight}px`;
}
message.addEventListener('input', fitMessage);

forget.hidden = accessKey === '';
if (matchMedia('(hover: hover)').matches) message.focus(); // not where that would bring up a keyboard
void loadModels();
