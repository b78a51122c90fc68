// Settings of proxies, as they are written into their configuration: data. Knows no network. `any` is for a proxy that is not known or
// has nothing of its own here.
// https://nginx.org/en/docs/http/ngx_http_proxy_module.html https://docs.haproxy.org/3.2/configuration.html
// https://caddyserver.com/docs/caddyfile/directives/reverse_proxy https://doc.traefik.io/traefik/
// https://developers.cloudflare.com/fundamentals/reference/connection-limits/
// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-load-balancer-attributes.html
// https://github.com/kubernetes/ingress-nginx/blob/main/docs/user-guide/nginx-configuration/annotations.md

export const PROXIES = ['nginx', 'ingress-nginx', 'haproxy', 'caddy', 'traefik', 'cloudflare', 'alb'] as const;
export type ProxyName = (typeof PROXIES)[number];

/** `any`: where the proxy is not known, or has nothing of its own here. `millrace`: what helps from this side, besides. */
export type Fixes = { any: string } & Partial<Record<ProxyName | 'millrace', string>>;

export const annotation = (name: string, value: string) => `nginx.ingress.kubernetes.io/${name}: "${value}"`;

export const UNBUFFERED: Fixes = {
  any: 'turn off response buffering for /v1/',
  nginx: 'proxy_buffering off;  and remove  proxy_ignore_headers X-Accel-Buffering;',
  'ingress-nginx': annotation('proxy-buffering', 'off'),
  haproxy: 'remove  http-response wait-for-body',
  caddy: 'remove  response_buffers  from reverse_proxy',
  traefik: 'take the buffering middleware off this router',
  cloudflare: 'Configuration Rule: Response body buffering = None; a Worker must hand on response.body unread',
  alb: 'it does not buffer, but a Lambda target does: use an instance or IP target',
};

export const UNCOMPRESSED: Fixes = {
  any: 'do not compress text/event-stream',
  nginx: 'remove text/event-stream from gzip_types (and brotli_types), or in the location:  gzip off;',
  'ingress-nginx': 'in its ConfigMap: remove text/event-stream from gzip-types, or  use-gzip: "false"',
  haproxy: 'remove text/event-stream from  compression type',
  caddy: 'in encode:  match { not header Content-Type text/event-stream* }',
  traefik: 'compress middleware:  excludedContentTypes: ["text/event-stream"]',
  cloudflare: 'Compression Rule for text/event-stream: disable compression',
  alb: 'it does not compress; look at CloudFront: Compress objects automatically = No',
};

export const PATIENT: Fixes = {
  any: 'let a response be silent for at least 5 minutes',
  nginx: 'proxy_read_timeout 300s;',
  'ingress-nginx': annotation('proxy-read-timeout', '300'),
  haproxy: 'timeout server 300s  and  timeout client 300s',
  caddy: 'reverse_proxy: transport http { response_header_timeout 300s; read_timeout 300s }, or remove both',
  traefik:
    'serversTransport: forwardingTimeouts.responseHeaderTimeout: 300s; entryPoint: respondingTimeouts.writeTimeout: 0',
  cloudflare: 'fixed at 120 s (Enterprise: Proxy Read Timeout)',
  alb: 'load balancer attribute idle_timeout.timeout_seconds = 300',
};

export const UNTOUCHED: Fixes = {
  any: 'hand on the headers of the answer as they come',
  nginx: 'remove  proxy_hide_header  and  add_header / more_set_headers  for it',
  'ingress-nginx': 'remove configuration-snippet and custom-headers that change it',
  haproxy: 'remove  http-response del-header / set-header  for it',
  caddy: 'remove  header / header_down  for it',
  traefik: 'headers middleware: remove it from customResponseHeaders',
  cloudflare: 'remove the Response Header Transform Rule (or Worker) that changes it',
  alb: 'listener attributes: remove the header modification',
};
