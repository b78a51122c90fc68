// The page at /: one conversation through the client. Its controls, the models and the access key; what is said is conversation.js and turn.js.
// Addresses are relative, so the page also works behind a proxy's path. docs/PROTOCOL.md has the events.
import { createClient } from '../client/index.ts';
import { copy } from './clipboard.js';
import { createConversation } from './conversation.js';
import { set, setting } from './kept.js';

// ---- the page's parts -----------------------------------------------------------------------------------------------

/** @returns {any} */
const element = (id) => document.getElementById(id);
const composer = element('composer');
const message = element('message');
const model = element('model');
const send = element('send');
const stop = element('stop');
const fresh = element('new');
const keyForm = element('key-form');
const key = element('key');
const forget = element('forget');

function announce(text) {
  const status = element('status');
  // A live region speaks when its text changes; the same words twice are set apart by a space that is not read.
  status.textContent = text !== '' && status.textContent === text ? `${text}\u00a0` : text;
}

const baseUrl = new URL('.', document.baseURI);
let accessKey = setting('key');
let client = createClient({ baseUrl, apiKey: accessKey });

const conversation = createConversation({
  client: () => client,
  transcript: element('conversation'),
  controls: { retry, copy: copyCurl },
  announce,
  onChange,
  onUnauthorized: askForKey,
});

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
  if (model.value === '') model.value = setting('model') || real || DEMO;
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
  set('key', value);
  forget.hidden = value === '';
}

keyForm.addEventListener('submit', (event) => {
  event.preventDefault();
  useKey(key.value.trim());
  key.value = '';
  keyForm.hidden = true;
  message.focus();
  void loadModels();
  const last = conversation.last();
  if (last?.answer.fault?.code !== 'unauthorized') return;
  if (last.answer.streamId !== '') void conversation.takeUp(last);
  else askWith((name) => conversation.askAgain(last, name));
});

forget.addEventListener('click', () => {
  useKey('');
  announce('Access key forgotten.');
  message.focus();
});

function onChange(running, turns) {
  const focused = document.activeElement;
  send.hidden = running;
  stop.hidden = !running;
  fresh.disabled = turns === 0;
  element('welcome').hidden = turns > 0;
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
    `-d ${quoted(JSON.stringify(conversation.bodyOf(turn)))}`,
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

// ---- what the reader does -------------------------------------------------------------------------------------------

composer.addEventListener('submit', (event) => {
  event.preventDefault();
  if (conversation.running()) return;
  if (message.value.trim() === '') {
    message.focus();
    return;
  }
  const question = message.value;
  message.value = '';
  fitMessage();
  askWith((name) => conversation.ask(question, name));
});

message.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  composer.requestSubmit();
});

function retry(turn) {
  if (conversation.running() || conversation.last() !== turn) return;
  askWith((name) => conversation.askAgain(turn, name));
  stop.focus();
}

/** With the model that is named, which is remembered. */
function askWith(ask) {
  const name = model.value.trim();
  set('model', name);
  void ask(name);
}

stop.addEventListener('click', conversation.stop);

addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && !event.isComposing) conversation.stop();
});

fresh.addEventListener('click', () => {
  conversation.leave();
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
conversation.show();
