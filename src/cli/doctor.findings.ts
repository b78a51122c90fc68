// Everything that the doctor can find wrong, and what to change where: data, no network. docs/DOCTOR.md has the same table, held equal
// by a test. A fix is what can be pasted; where a proxy has no setting for it the text says what else to do.
import { annotation, type Fixes, PATIENT, UNBUFFERED, UNCOMPRESSED, UNTOUCHED } from './doctor.settings.ts';

export const CHECKS = [
  'connection',
  'buffering',
  'compression',
  'headers',
  'silence',
  'leaving',
  'resume',
  'body',
  'parallel',
] as const;
export type Check = (typeof CHECKS)[number];

interface Kind {
  check: Check;
  status: 'warn' | 'fail';
  about: string;
  fix: Fixes;
}

const FINDINGS_TABLE = {
  unreachable: {
    check: 'connection',
    status: 'fail',
    about: 'nothing answers',
    fix: { any: 'check name, port and firewall; 502 or 503: the proxy does not reach Millrace' },
  },
  certificate: {
    check: 'connection',
    status: 'fail',
    about: 'the certificate is not trusted, or has ended',
    fix: { any: 'install a certificate for this name, with its chain; your own authority: NODE_EXTRA_CA_CERTS=ca.pem' },
  },
  'certificate-ends': {
    check: 'connection',
    status: 'warn',
    about: 'the certificate ends within 14 days',
    fix: { any: 'renew it' },
  },
  'old-tls': {
    check: 'connection',
    status: 'warn',
    about: 'TLS is older than 1.2',
    fix: { any: 'allow TLS 1.2 and 1.3', nginx: 'ssl_protocols TLSv1.2 TLSv1.3;' },
  },
  'no-http2': {
    check: 'connection',
    status: 'warn',
    about: 'no HTTP/2: a browser opens six streams to this name and no more',
    fix: {
      any: 'turn on HTTP/2 towards clients',
      nginx: 'http2 on;  (before 1.25.1:  listen 443 ssl http2;)',
      haproxy: 'bind :443 ssl … alpn h2,http/1.1',
      cloudflare: 'Speed > Protocol optimization: HTTP/2 = on',
      alb: 'attribute routing.http2.enabled = true',
      millrace: 'without a proxy:  server: { tls: { http2: true } }',
    },
  },
  redirected: {
    check: 'connection',
    status: 'fail',
    about: 'the address redirects elsewhere; a POST does not survive that',
    fix: { any: 'use the address that it redirects to, or take the redirect away' },
  },
  'not-millrace': {
    check: 'connection',
    status: 'fail',
    about: 'what answers is not Millrace',
    fix: { any: 'send /v1/ and /readyz of this address to Millrace, path and all; no login page, no cache' },
  },
  'key-refused': {
    check: 'connection',
    status: 'fail',
    about: 'Millrace answers, but the key is missing or refused',
    fix: {
      any: 'give a key: --key, or MILLRACE_API_KEY; if it is right, the proxy drops the Authorization header',
      nginx: 'remove  proxy_set_header Authorization "";',
    },
  },
  'not-ready': {
    check: 'connection',
    status: 'warn',
    about: 'Millrace says it is not ready',
    fix: { any: 'look at the log of Millrace: the ledger cannot be written, or it is being stopped' },
  },
  'old-http': {
    check: 'connection',
    status: 'warn',
    about: 'the proxy asks Millrace with HTTP/1.0: no kept connections, and a cut stream looks complete',
    fix: {
      any: 'use HTTP/1.1 towards Millrace',
      nginx: 'proxy_http_version 1.1;  proxy_set_header Connection "";',
      'ingress-nginx': annotation('proxy-http-version', '1.1'),
    },
  },
  'chat-refused': {
    check: 'buffering',
    status: 'fail',
    about: 'a chat is refused, or cut',
    fix: { any: 'let POST /v1/chat through; if Millrace itself refuses, its message says why' },
  },
  'held-back': {
    check: 'buffering',
    status: 'fail',
    about: 'the stream is held back and comes in one piece at the end',
    fix: UNBUFFERED,
  },
  'in-lumps': {
    check: 'buffering',
    status: 'fail',
    about: 'several events are gathered before they are passed on',
    fix: UNBUFFERED,
  },
  compressed: {
    check: 'compression',
    status: 'warn',
    about: 'the stream is compressed: work for nothing, and one flush away from being held back',
    fix: UNCOMPRESSED,
  },
  'compressed-held': {
    check: 'compression',
    status: 'fail',
    about: 'the stream is compressed and held back by it',
    fix: UNCOMPRESSED,
  },
  'content-type': {
    check: 'headers',
    status: 'fail',
    about: 'content-type is not text/event-stream any more: browsers refuse the stream',
    fix: UNTOUCHED,
  },
  'stream-id': {
    check: 'headers',
    status: 'fail',
    about: 'millrace-stream-id is gone: clients cannot stop or resume',
    fix: UNTOUCHED,
  },
  'no-transform': {
    check: 'headers',
    status: 'warn',
    about: 'cache-control lost no-transform: proxies further on may compress or rewrite the stream',
    fix: UNTOUCHED,
  },
  cors: {
    check: 'headers',
    status: 'fail',
    about: 'pages of this origin may not call',
    fix: {
      any: 'one of the two answers to CORS, not both: take it out of the proxy; let OPTIONS through',
      nginx: 'remove  add_header Access-Control-Allow-Origin …',
      'ingress-nginx': annotation('enable-cors', 'false'),
      millrace: 'server: { cors: ["ORIGIN"] }',
    },
  },
  'cors-hidden': {
    check: 'headers',
    status: 'warn',
    about: 'pages of this origin may call, but not read millrace-stream-id',
    fix: { any: 'take CORS out of the proxy, or add:  Access-Control-Expose-Headers: millrace-stream-id' },
  },
  'cut-silent': {
    check: 'silence',
    status: 'fail',
    about: 'a silent stream is cut before the next heartbeat',
    fix: PATIENT,
  },
  'cut-thinking': {
    check: 'silence',
    status: 'fail',
    about: 'a stream is cut while the model has not said anything',
    fix: PATIENT,
  },
  'cut-whole': {
    check: 'silence',
    status: 'warn',
    about: 'an answer with stream: false is cut: it has no heartbeats',
    fix: PATIENT,
  },
  'no-heartbeat': {
    check: 'silence',
    status: 'warn',
    about: 'no heartbeat came through',
    fix: { ...UNBUFFERED, millrace: 'streams: { heartbeat: 15s }' },
  },
  'not-left': {
    check: 'leaving',
    status: 'fail',
    about: 'a client leaves and Millrace is not told: the model runs on, and is paid for',
    fix: {
      any: 'close the connection to Millrace when the client closes its own',
      nginx: 'remove  proxy_ignore_client_abort on;',
      'ingress-nginx': 'remove proxy_ignore_client_abort from its snippets',
      haproxy: 'option abortonclose',
      caddy: 'remove  flush_interval -1  (it keeps the connection; event streams are flushed without it)',
      cloudflare: 'in a Worker: fetch(url, { signal: request.signal }), compatibility flag enable_request_signal',
      alb: 'stop by DELETE /v1/streams/ID instead of leaving',
      millrace: 'clients can stop a stream themselves: stop() of the client, DELETE /v1/streams/ID',
    },
  },
  'last-event-id': {
    check: 'resume',
    status: 'fail',
    about: 'the Last-Event-ID header is dropped: who comes back reads everything again',
    fix: {
      any: 'hand the request header Last-Event-ID on',
      nginx: 'remove  proxy_set_header Last-Event-ID …;  and  proxy_pass_request_headers off;',
      haproxy: 'remove  http-request del-header Last-Event-ID',
      caddy: 'remove  header_up -Last-Event-ID',
      traefik: 'headers middleware: remove Last-Event-ID from customRequestHeaders',
      cloudflare: 'remove the Request Header Transform Rule for it',
    },
  },
  query: {
    check: 'resume',
    status: 'fail',
    about: 'the query (?last_event_id=…) is dropped',
    fix: { any: 'hand the query on', nginx: 'proxy_pass without a variable path, or  …$uri$is_args$args' },
  },
  'read-refused': {
    check: 'resume',
    status: 'fail',
    about: 'a stream cannot be read again by GET /v1/streams/ID',
    fix: {
      any: 'let GET /v1/streams/ through; do not cache it. stream_not_found: another Millrace answered, send a client to the same one',
    },
  },
  'stop-refused': {
    check: 'resume',
    status: 'fail',
    about: 'a stream cannot be stopped by DELETE /v1/streams/ID',
    fix: {
      any: 'let DELETE through',
      nginx: 'add DELETE to  limit_except GET POST DELETE { … }',
      haproxy: 'allow DELETE in  http-request deny … METH_…',
      cloudflare: 'allow DELETE in the WAF rules for /v1/',
      alb: 'allow DELETE in its WAF and listener rules',
    },
  },
  'end-hidden': {
    check: 'resume',
    status: 'warn',
    about: 'the end of a stream that was read is not 204: browsers ask for it again and again',
    fix: { any: 'hand on 204 as it comes' },
  },
  'body-refused': {
    check: 'body',
    status: 'fail',
    about: 'a request of 1 MiB does not get through',
    fix: {
      any: 'allow request bodies of 16 MiB',
      nginx: 'client_max_body_size 16m;',
      'ingress-nginx': annotation('proxy-body-size', '16m'),
      haproxy: 'remove the  http-request deny  on req.body_size or content-length',
      caddy: 'request_body { max_size 16MB }',
      traefik: 'buffering middleware: maxRequestBodyBytes: 16777216, or none',
      cloudflare: 'take /v1/ out of the WAF rules on body size',
      alb: 'AWS WAF: take /v1/ out of SizeRestrictions_BODY',
    },
  },
  'body-limit': {
    check: 'body',
    status: 'warn',
    about: 'Millrace itself refuses a request of 1 MiB',
    fix: { any: 'in millrace.yaml:  server: { maxBody: 10MiB }' },
  },
  'one-by-one': {
    check: 'parallel',
    status: 'fail',
    about: 'streams wait for each other',
    fix: {
      any: 'allow many connections to Millrace at a time',
      haproxy: 'raise maxconn of the server line',
      traefik: 'take the inFlightReq middleware off this router',
    },
  },
  'refused-together': {
    check: 'parallel',
    status: 'fail',
    about: 'of eight streams at once some are refused or cut',
    fix: {
      any: 'allow at least 8 requests of one client at a time',
      nginx: 'raise  limit_conn  and  limit_req … burst=',
      'ingress-nginx': 'raise limit-connections, limit-rps and limit-burst-multiplier',
      haproxy: 'raise maxconn and the stick-table limits',
      caddy: 'raise the limits of its rate_limit plugin',
      traefik: 'raise inFlightReq.amount and rateLimit.burst',
      cloudflare: 'take /v1/ out of the rate limiting rules',
      alb: 'AWS WAF: raise the rate-based rule',
    },
  },
} as const satisfies Record<string, Kind>;

export type FindingId = keyof typeof FINDINGS_TABLE;
export const FINDINGS: Record<FindingId, Kind> = FINDINGS_TABLE;
