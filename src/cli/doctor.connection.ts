// The doctor's first look: does something answer, over what, is it Millrace, does it know us. Where not, nothing else is worth asking.
import { found, ok, type Result } from './doctor.result.ts';
import { createSite, type Facts, type Refusal, type Site } from './doctor.site.ts';
import { overHttp1, overHttp2, probeTls, reasonOf, type TlsFacts, type Wire } from './doctor.wire.ts';

export interface Connected {
  results: Result[];
  /** Absent: the examination ends here. */
  site?: Site;
  facts?: Facts;
}

export async function connect(base: URL, options: { key?: string; model?: string }): Promise<Connected> {
  let tls: TlsFacts | undefined;
  if (base.protocol === 'https:') {
    try {
      tls = await probeTls(base);
    } catch (error) {
      const untrusted = /CERT|SELF_SIGNED|UNABLE_TO|ALTNAME/.test(reasonOf(error));
      return { results: [found(untrusted ? 'certificate' : 'unreachable', reasonOf(error))] };
    }
  }
  const wire: Wire = tls?.http2 ? overHttp2(base) : overHttp1(base);
  const site = createSite({ base, wire, ...options });
  const began = performance.now();
  const ready = await site.json<{ status?: string; ledger?: string }>({ path: '/readyz' });
  const latency = performance.now() - began;
  const stop = (result: Result) => ({ results: [result], site: undefined });
  if (ready.status === undefined) return stop(found('unreachable', ready.refused!.line));
  if (ready.status >= 300 && ready.status < 400) return stop(found('redirected', `status ${ready.status}`));
  const refused = await site.look();
  if (refused) return stop(refusal(refused));

  const { body: facts } = await site.json<Facts>({ path: '/v1/doctor' });
  const what = facts ? `Millrace ${facts.version}` : 'Millrace';
  const how = `HTTP/${wire.version}${tls ? `, ${tls.protocol}, certificate good for ${Math.floor(tls.days)} days` : ', no TLS'}`;
  const results = [ok('connection', `${what}, ${how}, ${Math.round(latency)} ms`)];
  if (tls && tls.days < 14) results.push(found('certificate-ends', `in ${Math.floor(tls.days)} days`));
  if (tls && /^TLSv1(\.1)?$/.test(tls.protocol)) results.push(found('old-tls', tls.protocol));
  if (tls && !tls.http2) results.push(found('no-http2', 'HTTP/2 is not offered'));
  const { status: readiness = 'ok' } = ready.body ?? {}; // the proxy may well keep /readyz to itself
  if (readiness !== 'ok') results.push(found('not-ready', `/readyz: ${readiness}`));
  if (facts?.http_version === '1.0') results.push(found('old-http', 'HTTP/1.0 reaches Millrace'));
  return { results, site, facts };
}

function refusal({ status, code, line }: Refusal): Result {
  if (code === 'unauthorized' || code === 'forbidden') return found('key-refused', line);
  if (status === undefined || status >= 502) return found('unreachable', line);
  return found('not-millrace', line);
}
