// Who asks: the bearer of a Bedrock API key, or the signer of each request with AWS credentials, given or found where AWS tools find
// them. Knows headers and credentials; no body's meaning.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
import { createHash } from 'node:crypto';
import { Sha256 } from '@aws-crypto/sha256-js';
import { SignatureV4 } from '@smithy/signature-v4';
import { GatewayError } from '../../core/errors.ts';

export interface BedrockAccount {
  region: string;
  /** A Bedrock API key. Without one, requests are signed. */
  apiKey?: string;
  accessKeyId?: string;
  secretAccessKey?: string;
  sessionToken?: string;
  /** Of the AWS config files. */
  profile?: string;
}

export interface Unsigned {
  url: URL;
  headers: Record<string, string>;
  body: string;
}

/** The headers that say who asks, added to those given. */
export type Authorize = (request: Unsigned) => Promise<Record<string, string>>;

interface Credentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
}

export function createAuthorizer(account: BedrockAccount): Authorize {
  const { apiKey, region } = account;
  if (apiKey) return async ({ headers }) => ({ ...headers, authorization: `Bearer ${headerText(apiKey)}` });
  const signer = new SignatureV4({ service: 'bedrock', region, credentials: credentialsOf(account), sha256: Sha256 });
  return async ({ url, headers, body }) => {
    const signed = await signer.sign({
      method: 'POST',
      protocol: url.protocol,
      hostname: url.hostname,
      path: url.pathname,
      query: queryOf(url.searchParams),
      headers: {
        ...headers,
        host: url.host,
        // The signer would hash the body in JavaScript, which for some images takes long enough to hold up other streams.
        'x-amz-content-sha256': createHash('sha256').update(body).digest('hex'),
      },
      body,
    });
    const { host: _, ...rest } = signed.headers; // the transport says it
    return rest;
  };
}

function credentialsOf({ accessKeyId, secretAccessKey, sessionToken, profile, region }: BedrockAccount) {
  if (accessKeyId && secretAccessKey) return { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) };
  let chain: (() => Promise<Credentials>) | undefined;
  // Loaded when first asked for: it is large, and most have no use for it. It keeps what it finds until that expires.
  return async (): Promise<Credentials> => {
    try {
      if (!chain) {
        const { defaultProvider } = await import('@aws-sdk/credential-provider-node');
        // Files are read again where nothing was found: whoever mends them need not start anew.
        chain = defaultProvider({ ...(profile && { profile }), clientConfig: { region }, ignoreCache: true });
      }
      return await chain();
    } catch (cause) {
      const found = profile ? `The AWS profile ${profile} gave no credentials` : 'No AWS credentials were found';
      const wanted = 'set apiKey, accessKeyId and secretAccessKey, or any source that the AWS SDK knows';
      throw new GatewayError('upstream_auth', `${found}: ${wanted}.`, { cause });
    }
  };
}

function queryOf(params: URLSearchParams): Record<string, string[]> {
  const query: Record<string, string[]> = {};
  for (const name of new Set(params.keys())) query[name] = params.getAll(name);
  return query;
}

function headerText(apiKey: string): string {
  if (/^[\x21-\x7e]+$/.test(apiKey)) return apiKey;
  throw new GatewayError('upstream_auth', 'The configured key has characters that no key has.');
}
