// Who may ask Bedrock: the bearer of an API key, or the signer of the request. A signature by the access key `mock` is verified against
// the secret `mock`, so that a wrong one is caught here as it would be there; other access keys have secrets that the mock cannot know.
// Knows no body's meaning. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-signing-elements.html
import { createHash, timingSafeEqual } from 'node:crypto';
import { Sha256 } from '@aws-crypto/sha256-js';
import { SignatureV4 } from '@smithy/signature-v4';
import { Refused, type RequestContext } from '../wire.ts';
import { failure } from './errors.ts';

const SIGNED =
  /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/;
const MAX_SKEW = 5 * 60_000;

/** Rejects with `Refused`. */
export async function authenticate(context: RequestContext): Promise<void> {
  const { authorization = '' } = context.headers;
  if (authorization === '') throw denied('MissingAuthenticationTokenException', 'Missing Authentication Token');
  if (/^Bearer \S+$/i.test(authorization)) return;
  if (/^Bearer\b/i.test(authorization)) {
    throw denied('AccessDeniedException', 'Authentication failed: Please make sure your API Key is valid.');
  }
  const parts = SIGNED.exec(authorization);
  if (!parts)
    throw denied('IncompleteSignatureException', 'Authorization header is not a complete AWS4-HMAC-SHA256 signature.');
  const [, accessKey, day, region, service, names, signature] = parts as unknown as string[];
  if (accessKey !== 'mock') return;

  const at = dateOf(context);
  if (Math.abs(Date.now() - at.getTime()) > MAX_SKEW)
    throw mismatched(`Signature expired: it was made at ${at.toISOString()}.`);
  if (service !== 'bedrock') throw mismatched("Credential should be scoped to correct service: 'bedrock'.");
  const expected = await signatureOf(context, region!, at, names!.split(';'));
  if (
    !at.toISOString().startsWith(`${day!.slice(0, 4)}-${day!.slice(4, 6)}-${day!.slice(6)}`) ||
    !same(expected, signature!)
  ) {
    throw mismatched(
      'The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.',
    );
  }
}

/** The signature that the holder of the secret would have made over what arrived. */
async function signatureOf(context: RequestContext, region: string, at: Date, names: string[]): Promise<string> {
  const { method, path, query, headers, raw } = context;
  const hash = headers['x-amz-content-sha256'];
  if (hash !== undefined && hash !== createHash('sha256').update(raw).digest('hex')) {
    throw mismatched('The provided x-amz-content-sha256 header does not match what was computed.');
  }
  const signer = new SignatureV4({
    service: 'bedrock',
    region,
    credentials: { accessKeyId: 'mock', secretAccessKey: 'mock' },
    sha256: Sha256,
    applyChecksum: false,
  });
  const signed = await signer.sign(
    {
      method,
      protocol: 'http:',
      hostname: '',
      path,
      query: Object.fromEntries(query),
      headers: Object.fromEntries(names.map((name) => [name, String(headers[name] ?? '')])),
      body: raw,
    },
    { signingDate: at, signableHeaders: new Set(names) },
  );
  return signed.headers.authorization?.split('Signature=')[1] ?? '';
}

function dateOf({ headers }: RequestContext): Date {
  const [, year, month, day, hour, minute, second] =
    /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(String(headers['x-amz-date'])) ?? [];
  if (year === undefined)
    throw denied('IncompleteSignatureException', "Authorization header requires existence of an 'X-Amz-Date' header.");
  return new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
}

function same(one: string, other: string): boolean {
  return one.length === other.length && timingSafeEqual(Buffer.from(one), Buffer.from(other));
}

function mismatched(message: string): Refused {
  return denied('InvalidSignatureException', message);
}

function denied(type: string, message: string): Refused {
  return new Refused(failure(403, type, message));
}
