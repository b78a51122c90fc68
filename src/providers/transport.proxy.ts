// Which proxy stands between Millrace and an address: what the config says, else what the usual environment variables say.
// Knows the conventions of HTTPS_PROXY and NO_PROXY; opens nothing. The environment is handed in.
// https://everything.curl.dev/usingcurl/proxies/env.html https://pkg.go.dev/golang.org/x/net/http/httpproxy
import { BlockList, isIP } from 'node:net';
import { unescape as decode } from 'node:querystring';
import { GatewayError } from '../core/errors.ts';

export interface ProxyChoice {
  /** An address to go through whatever the environment says, or false for none. Absent: the environment decides. */
  proxy?: string | false;
  env: Record<string, string | undefined>;
}

export interface ProxyAddress {
  url: URL;
  /** The value of Proxy-Authorization. */
  authorization: string | undefined;
}

/** Throws a GatewayError for a proxy that cannot be used: to go around it in silence is not for Millrace to decide. */
export function proxyFor(target: URL, { proxy, env }: ProxyChoice): ProxyAddress | undefined {
  if (proxy === false) return undefined;
  if (proxy !== undefined) return parseProxy(proxy);
  const scheme = target.protocol.slice(0, -1);
  const found = variable(env, `${scheme}_proxy`) ?? variable(env, 'all_proxy');
  if (found === undefined || isLoopback(target) || isExempt(target, variable(env, 'no_proxy') ?? '')) return undefined;
  return parseProxy(found);
}

/** Lower case goes first, as curl has it; set but empty is as good as not set. */
function variable(env: ProxyChoice['env'], name: string): string | undefined {
  return env[name] || env[name.toUpperCase()] || undefined;
}

function parseProxy(written: string): ProxyAddress {
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(written) ? written : `http://${written}`);
  if (url === null || !/^https?:$/.test(url.protocol) || url.hostname === '') {
    // Not quoted: it may hold a password.
    throw new GatewayError('upstream_unavailable', 'The configured proxy is not an http:// or https:// address.');
  }
  const { username, password } = url;
  const credentials = Buffer.from(`${decode(username)}:${decode(password)}`).toString('base64');
  return { url, authorization: username || password ? `Basic ${credentials}` : undefined };
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/** A proxy elsewhere would look for this machine on its own. */
function isLoopback(target: URL): boolean {
  const host = hostOf(target);
  return host === 'localhost' || host.endsWith('.localhost') || covers(LOOPBACK, host);
}

/** `*`, a name with all below it (`example.com`, `.example.com`, `*.example.com`), an address, a range; each with `:port` or without. */
function isExempt(target: URL, list: string): boolean {
  const host = hostOf(target);
  const port = portOf(target);
  return list
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .some((entry) => {
      const [, named = entry, wanted] = /^(\[.+\]|[^:]+)(?::(\d+))?$/.exec(entry) ?? []; // else bare IPv6
      if (wanted !== undefined && wanted !== port) return false;
      const name = named.replace(/^\[|\]$|^\*?\.|\.$/g, '');
      return name === '*' || name === host || host.endsWith(`.${name}`) || covers(rangeOf(name), host);
    });
}

function rangeOf(written: string): BlockList {
  const list = new BlockList();
  const [address = '', bits = ''] = written.split('/');
  const family = isIP(address);
  const most = family === 4 ? 32 : 128;
  if (family === 0) return list;
  if (bits === '') list.addAddress(address, family === 4 ? 'ipv4' : 'ipv6');
  else if (/^\d+$/.test(bits) && Number(bits) <= most) {
    list.addSubnet(address, Number(bits), family === 4 ? 'ipv4' : 'ipv6');
  }
  return list;
}

function covers(list: BlockList, host: string): boolean {
  const family = isIP(host);
  return family !== 0 && list.check(host, family === 4 ? 'ipv4' : 'ipv6');
}

function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, '').replace(/(.)\.$/, '$1');
}

/** As a URL leaves the usual one out. */
export function portOf({ port, protocol }: URL): string {
  return port || (protocol === 'https:' ? '443' : '80');
}
