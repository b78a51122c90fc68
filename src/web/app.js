// The page at /: one conversation through the client. Plain DOM; what a model or a server says enters the page as text only.
// Addresses are relative, so the page also works behind a proxy's path. docs/PROTOCOL.md has the events.
import { createClient, MillraceError } from '../client/index.ts';
import { prettyPartialJson } from './partial-json.ts';

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
/** The turn under way: `{ turn, stream }`. */
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

const baseUrl = new URL('.', document.baseURI);
let accessKey = kept.get('key');
let client = createClient({ baseUrl, apiKey: accessKey });

// ---- models and the access key --------------------------------------------------------------------------------------

/** Shows tokens at a pace that can be watched. */
const DEMO = 'mock/lorem-200+rate-30';

async function loadModels() {
  const listed = await client.models().catch((error) => {
    if (error.status === 401) askForKey();
    return [];
  });
  const ids = listed.map(({ id }) => id);
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
  client = createClient({ baseUrl, apiKey: value });
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
    at('.why').textContent = failed.retryAfter
      ? `${failed.message} The server asks to wait ${failed.retryAfter}\u00a0s.`
      : failed.message;
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
  turn.begin(model.value.trim());
  kept.set('model', turn.model);
  const stream = client.chat(bodyOf(turn));
  const mine = { turn, stream };
  live = mine;
  atBottom = true;
  announce('');
  setRunning(true);
  follow();
  const clock = setInterval(schedule, 100);
  const outcome = await read(turn, stream);
  clearInterval(clock);
  if (live !== mine) return; // a new conversation has begun
  live = null;
  turn.settle(outcome);
  setRunning(false);
  follow();
  announce(spoken(outcome));
  if (outcome.fault?.code === 'unauthorized') askForKey();
}

/** Resolves with how the answer ended. */
async function read(turn, stream) {
  let ending;
  try {
    for await (const event of stream) {
      if (event.type === 'done') ending = event;
      else TAKES[event.type]?.(turn.answer, event);
      schedule();
    }
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    return { state: 'error', fault: error, ending: error.partial && error.usage ? error : undefined };
  }
  return { state: ending && ending.finish_reason !== 'cancelled' ? 'done' : 'stopped', ending };
}

/** What each event does to an answer. */
const TAKES = {
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

stop.addEventListener('click', () => void live?.stream.stop());

addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && !event.isComposing) live?.stream.stop();
});

fresh.addEventListener('click', () => {
  const running = live;
  live = null;
  void running?.stream.stop();
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
