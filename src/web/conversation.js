// A conversation: its turns, the stream under way, and what is kept of both, so that a reload, a second tab and the way back find it and take
// up an answer that is under way. It has an address (#…). Knows the client, a turn's place on the page and storage; no control of the page.
import { MillraceError } from '../client/index.ts';
import { keepTurn, turnAt, turnsOf, turnWritten } from './kept.js';
import { follow, toBottom } from './scroll.js';
import { createTurn, isRunning, take } from './turn.js';

/** Milliseconds. What is read between is read again. */
const KEEP_EVERY = 1000;
/** How long a request without a stream is taken to be under way. The server waits as long for a reader to come back. */
const PENDING = 30_000;

const LATE = new Set(['stream_gone', 'stream_not_found']);
const UNANSWERED = 'This question was not answered. It can be asked again.';
const TOO_LATE = 'The rest of this answer is no longer kept. It can be asked again.';

/**
 * `client()` is the one to ask with, `controls` are those of a turn, `transcript` is where turns go. `onChange(running, turns)` is told of
 * what the page's controls depend on.
 */
export function createConversation({ client, transcript, controls, announce, onChange, onUnauthorized }) {
  /** Turns in order, the newest last; only that one can run or be tried again. */
  let turns = [];
  /** The turn under way: `{ turn, stream, leave }`. No stream: another tab has asked, and is about to say which one it is. */
  let live = null;
  /** The conversation's name in the address; '' before its first question. */
  let conversation = nameInAddress();

  let scheduled = false;

  function schedule() {
    if (scheduled) return;
    scheduled = true;
    requestAnimationFrame(() => {
      scheduled = false;
      live?.turn.paint();
      follow();
    });
  }

  function bodyOf(turn) {
    const messages = [];
    for (const earlier of turns.slice(0, turns.indexOf(turn))) {
      messages.push({ role: 'user', content: earlier.question });
      if (earlier.answer.text !== '') messages.push({ role: 'assistant', content: earlier.answer.text });
    }
    messages.push({ role: 'user', content: turn.question });
    return { model: turn.model, messages };
  }

  /** The provider runs on for a while when this page is gone: it may only be loading again. */
  function request(turn) {
    return (signal) =>
      client().chat({ ...bodyOf(turn), on_disconnect: 'detach' }, { idempotencyKey: turn.answer.id, signal });
  }

  function ask(turn, model) {
    turn.begin(model, newName());
    if (conversation === '') {
      conversation = newName();
      history.replaceState(null, '', `#${conversation}`);
    }
    return run(turn, request(turn));
  }

  /** `open` gets a signal for leaving the stream without stopping it. */
  async function run(turn, open) {
    const leave = new AbortController();
    const stream = open(leave.signal);
    const mine = { turn, stream, leave };
    live = mine;
    toBottom();
    announce('');
    onChange(true, turns.length);
    keep(turn);
    const clock = setInterval(schedule, 100);
    const keeping = setInterval(() => keep(turn), KEEP_EVERY);
    const outcome = await read(turn, stream, leave.signal);
    clearInterval(clock);
    clearInterval(keeping);
    if (live !== mine) return; // a new conversation has begun, or another tab was first to say the end
    live = null;
    turn.settle(outcome);
    if (!mayGoOn(turn.answer)) keep(turn);
    onChange(false, turns.length);
    follow();
    announce(spoken(outcome));
    if (outcome.fault?.code === 'unauthorized') onUnauthorized();
  }

  /** Resolves with how the answer ended. */
  async function read({ answer }, stream, left) {
    let ending;
    try {
      for await (const event of stream) {
        if (event.type === 'done') ending = event;
        else {
          take(answer, event);
          answer.lastEventId = stream.lastEventId;
        }
        if (answer.streamId === '' && stream.id) {
          answer.streamId = stream.id;
          if (live?.stream === stream) keep(live.turn);
        }
        schedule();
      }
    } catch (error) {
      if (left.aborted) return undefined;
      if (!(error instanceof MillraceError)) throw error;
      const fault = LATE.has(error.code) ? Object.assign(error, { message: TOO_LATE }) : error;
      return { state: 'error', fault, ending: error.partial && error.usage ? error : undefined };
    }
    return { state: ending && ending.finish_reason !== 'cancelled' ? 'done' : 'stopped', ending };
  }

  function keep(turn) {
    const { question, model, answer } = turn;
    const number = turns.indexOf(turn);
    if (number < 0) return;
    // A tab that was asleep must not take back an ending that another has seen.
    const before = turnAt(conversation, number)?.answer;
    if (before?.id === answer.id && !isRunning(before)) return;
    keepTurn(conversation, number, { question, model, answer, keptAt: Date.now() });
  }

  /** Goes on with an answer that this page, or another, was reading. */
  function takeUp(turn, keptAt = Date.now()) {
    const { model, answer } = turn;
    const { streamId, lastEventId } = answer;
    if (streamId !== '') {
      if (answer.fault) turn.show(model, { ...answer, state: 'streaming', fault: null });
      return run(turn, (signal) => client().follow(streamId, { lastEventId, signal }));
    }
    turn.show(model, { ...answer, text: '', reasoning: '', calls: [] });
    if (Date.now() - keptAt < PENDING) return run(turn, request(turn)); // under the same key: it is not paid twice
    turn.settle({ state: 'error', fault: { code: 'stream_gone', message: UNANSWERED } });
    keep(turn);
  }

  function addTurn(question) {
    const turn = createTurn(question, controls);
    turns.push(turn);
    transcript.append(turn.root);
    return turn;
  }

  /** Leaves what is on the page, without stopping it, and shows the conversation of the address. */
  function showConversation() {
    live?.leave?.abort();
    live = null;
    conversation = nameInAddress();
    turns = [];
    transcript.replaceChildren();
    const kept = conversation === '' ? [] : turnsOf(conversation);
    for (const { question, model, answer } of kept) addTurn(question).show(model, answer);
    onChange(false, turns.length);
    const last = turns.at(-1);
    if (last && isRunning(last.answer)) void takeUp(last, kept.at(-1).keptAt);
    follow();
  }

  /** Another tab has written a turn of this conversation. */
  function onWritten({ number, turn: { question, model, answer } }) {
    if (number > turns.length) return;
    const turn = turns[number] ?? addTurn(question);
    const same = turn.answer?.id === answer.id;
    if (same && !isRunning(turn.answer)) return;
    if (same && live?.turn === turn && isRunning(answer) && live.stream) {
      if (answer.stopped && !turn.answer.stopped) stopLive();
      return;
    }
    if (!same && turn.answer && (live?.turn === turn || answer.beganAt <= turn.answer.beganAt)) return;
    live?.leave?.abort();
    live = null;
    turn.show(model, answer);
    if (isRunning(answer)) {
      if (answer.streamId === '') awaitStream(turn);
      else void takeUp(turn);
    }
    onChange(live !== null, turns.length);
    follow();
    if (!live) announce(spoken(answer));
  }

  /** The tab that has asked writes again and again while it lives. */
  function awaitStream(turn) {
    const waiting = { turn, stream: null };
    live = waiting;
    setTimeout(() => live === waiting && void takeUp(turn), 5 * KEEP_EVERY);
  }

  function stopLive() {
    if (!live) return;
    live.turn.answer.stopped = true;
    keep(live.turn); // the other tabs are told, also the one that alone can stop a request without a stream
    void live.stream?.stop();
  }

  addEventListener('popstate', showConversation);
  addEventListener('pagehide', () => live && keep(live.turn));
  addEventListener('storage', (event) => {
    const written = turnWritten(event, conversation);
    if (written) onWritten(written);
  });

  return {
    running: () => live !== null,
    last: () => turns.at(-1),
    bodyOf,
    ask: (question, model) => ask(addTurn(question), model),
    askAgain: ask,
    takeUp,
    stop: stopLive,
    show: showConversation,
    leave() {
      stopLive();
      live = null; // it stays until the stop has gone out
      history.pushState(null, '', location.pathname + location.search);
      showConversation();
    },
  };
}

function nameInAddress() {
  return /^#([\w-]{1,64})$/.exec(location.hash)?.[1] ?? '';
}

/** `crypto.randomUUID` is missing on pages that came over plain HTTP from another machine. */
function newName() {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/**
 * The stream may still be there for who comes later, so what is kept stays as it was: running. A page that is being left sees its connection
 * fail, too.
 */
function mayGoOn({ streamId, fault }) {
  if (fault?.code === 'unauthorized') return streamId !== '';
  return fault?.code === 'connection_lost' || fault?.code === 'connection_failed';
}

function spoken({ state, fault, ending }) {
  if (state === 'done') {
    return ending.finish_reason === 'stop' ? 'Answer complete.' : `Answer complete: ${ending.finish_reason}.`;
  }
  return state === 'stopped' ? 'Stopped.' : `The answer failed: ${fault.message}`;
}
