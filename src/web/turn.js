// One turn of a conversation: what was asked, the answer as data that can be kept, and its place on the page. Plain DOM; what a model or a
// server says enters the page as text only. Knows no connection and no storage.
import { prettyPartialJson } from './partial-json.ts';

const template = (id) => document.getElementById(id).content.firstElementChild;

/**
 * Events only collect in `answer`; `paint` puts what is new on the page, once per frame, so that a thousand tokens a second cost sixty
 * updates. `answer` is plain data: `show` paints one that was kept.
 */
export function createTurn(question, { retry, copy }) {
  const root = template('turn').cloneNode(true);
  const at = (selector) => root.querySelector(selector);
  const [answerAt, who, text, reasoning] = ['.answer', '.answer .who', '.text', '.reasoning'].map(at);
  const [calls, fault, facts, clock] = ['.calls', '.fault', '.facts', '.clock'].map(at);
  const thoughts = reasoning.querySelector('.said');
  let views = new Map();
  at('.asked .said').textContent = question;

  const turn = { root, question, model: '', answer: null, begin, show, paint, settle };

  function begin(model, id) {
    reasoning.open = false;
    show(model, {
      id, // of the request: sent again with it, it is not paid twice
      streamId: '',
      lastEventId: 0,
      state: 'waiting',
      text: '',
      reasoning: '',
      calls: [],
      beganAt: Date.now(),
      firstAt: null,
      endedAt: null,
      stopped: false, // by the reader, in this tab or another
      fault: null,
      ending: null,
    });
  }

  function show(model, answer) {
    turn.model = model;
    turn.answer = answer;
    who.textContent = model;
    text.replaceChildren(new Text());
    thoughts.replaceChildren(new Text());
    calls.replaceChildren();
    views = new Map();
    facts.replaceChildren();
    fault.hidden = true;
    paint();
    if (!isRunning(answer)) conclude();
  }

  function paint() {
    const { answer } = turn;
    answerAt.dataset.state = answer.state;
    answerAt.setAttribute('aria-busy', String(isRunning(answer)));
    grow(text, answer.text);
    grow(thoughts, answer.reasoning);
    text.hidden = answer.text === '';
    reasoning.hidden = answer.reasoning === '';
    for (const call of answer.calls) {
      if (!views.has(call)) views.set(call, createCall(calls));
      views.get(call)(call);
    }
    clock.textContent = clockText(answer);
  }

  /** The answer is over: `state` done, stopped or error, with what is known about it. */
  function settle({ state, fault: failed, ending }) {
    const { code, status, message, retryAfter } = failed ?? {};
    Object.assign(turn.answer, {
      state,
      endedAt: Date.now(),
      fault: failed ? { code, status, message, retryAfter } : null,
      ending: ending ? summaryOf(ending) : null,
    });
    paint();
    conclude();
  }

  function conclude() {
    const { answer } = turn;
    facts.replaceChildren(...factsOf(answer).map(fact));
    if (!answer.fault) return;
    const { code, status, message, retryAfter } = answer.fault;
    fault.hidden = false;
    at('.code').textContent = code;
    at('.http').textContent = status ? `HTTP ${status}` : '';
    at('.why').textContent = retryAfter ? `${message} The server asks to wait ${retryAfter}\u00a0s.` : message;
  }

  at('.retry').addEventListener('click', () => retry(turn));
  at('.curl').addEventListener('click', (event) => copy(turn, event.currentTarget));
  return turn;
}

export const isRunning = ({ state }) => state === 'waiting' || state === 'streaming';

/** Of a `done` event or an error, what can be kept. */
const summaryOf = ({ finish_reason, usage, cost_usd, attempts, timing }) => ({
  finish_reason,
  usage,
  cost_usd,
  attempts,
  timing,
});

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

export function take(answer, event) {
  TAKES[event.type]?.(answer, event);
}

function began(answer) {
  answer.firstAt ??= Date.now();
  answer.state = 'streaming';
}

function callAt({ calls }, index) {
  let call = calls.find((other) => other.index === index);
  if (!call) {
    call = { index, name: '', text: '', value: undefined, complete: false, invalid: false };
    calls.push(call);
  }
  return call;
}

/** Appends what is new: the browser keeps the layout of the lines that stand. */
function grow(paragraph, text) {
  const node = paragraph.firstChild;
  if (text.length > node.length) node.appendData(text.slice(node.length));
}

function createCall(list) {
  const root = template('call').cloneNode(true);
  list.append(root);
  let shown = '';
  return ({ name, text, value, complete, invalid }) => {
    const now = `${name} ${complete} ${text.length}`; // it only grows until it is complete
    if (now === shown) return;
    shown = now;
    root.querySelector('.name').textContent = name;
    root.querySelector('.arguments').textContent =
      complete && !invalid ? JSON.stringify(value, null, 2) : invalid ? text : prettyPartialJson(text);
    root.querySelector('.invalid').hidden = !invalid;
  };
}

function clockText(answer) {
  if (!isRunning(answer)) return '';
  const seconds = ((Date.now() - answer.beganAt) / 1000).toFixed(1);
  return `${answer.state === 'waiting' ? 'waiting' : 'streaming'} ${seconds} s`;
}

function factsOf({ state, ending, stopped, firstAt, beganAt, endedAt }) {
  if (state === 'error' && !ending) return [];
  const usage = ending?.usage;
  const timing = ending?.timing ?? { first_token_ms: firstAt && firstAt - beganAt, total_ms: endedAt - beganAt };
  const about = usage?.estimated ? '≈ ' : '';
  const facts = [];
  if (state === 'done') facts.push(['finish', ending.finish_reason]);
  if (state === 'stopped') facts.push(['finish', stopped ? 'stopped by you' : 'cancelled']);
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
