// `millrace doctor URL`: measures, from where clients are, whether what stands in between passes streams on as they are. Knows the order
// of the checks and how they are told; each look is in a file of its own, what can be wrong in doctor.findings.ts.
// Exit codes: 0 nothing fails, 1 something does.
import { Command, InvalidArgumentError, Option } from 'commander';
import { readEnvironment } from '../config/environment.ts';
import { parseDuration } from '../config/units.ts';
import { connect } from './doctor.connection.ts';
import { CHECKS, type Check, FINDINGS } from './doctor.findings.ts';
import { printReport } from './doctor.print.ts';
import { type Result, skip } from './doctor.result.ts';
import { PROXIES, type ProxyName } from './doctor.settings.ts';
import { examineSilence } from './doctor.silence.ts';
import { examineStream } from './doctor.stream.ts';
import { examineBody, examineLeaving, examineParallel, examineResume } from './doctor.streams.ts';
import { overHttp1 } from './doctor.wire.ts';

export interface DoctorOptions {
  key?: string;
  model?: string;
  /** Milliseconds of silence to hold. */
  idle: number;
  /** The server without the proxy. */
  direct?: URL;
  /** Of a page that calls from a browser. */
  origin?: string;
  /** Without the checks that take time. */
  quick?: boolean;
  /** These checks and no other. */
  only?: Check[];
  /** In front, where it does not say so itself. */
  proxy?: ProxyName;
}

/** A result with what to do about it. */
export interface Finding extends Result {
  /** What to change, by the proxy that has the setting; `millrace` for Millrace's own, `any` where the proxy is not known. */
  fix?: Record<string, string>;
  /** It is so without the proxy, too: then the proxy is not to blame. */
  direct?: true;
}

export interface Report {
  url: string;
  /** Nothing fails. */
  ok: boolean;
  proxies: ProxyName[];
  results: Finding[];
}

export function doctorCommand(): Command {
  return new Command('doctor')
    .description('find what between clients and Millrace holds streams back or cuts them, and which setting to change')
    .argument('<url>', 'the address that clients use, such as https://chat.example.com', address)
    .option('--key <key>', 'the access key (default: $MILLRACE_API_KEY)')
    .option('-m, --model <name>', 'asked where the server lists no mock; that costs a few hundred tokens')
    .addOption(new Option('--idle <duration>', 'how long to hold silence').argParser(duration).default(65_000, '65s'))
    .option('--direct <url>', 'the server without the proxy, to compare', address)
    .option('--origin <origin>', 'of a page that calls from a browser, such as https://www.example.com')
    .addOption(new Option('--proxy <name>', 'what is in front, where it does not say so itself').choices([...PROXIES]))
    .addOption(new Option('--only <checks>', `some of ${CHECKS.join(', ')}, with commas between`).argParser(checks))
    .option('--quick', 'without silence and parallel: 5 seconds')
    .option('--json', 'for programs: {"url", "ok", "proxies", "results"}')
    .action(async (url: URL, { json, ...options }: DoctorOptions & { json?: boolean }) => {
      const { env } = await readEnvironment(process.cwd(), process.env);
      if (!json && !options.quick && process.stderr.isTTY)
        process.stderr.write(`Measuring; this takes ${Math.ceil(options.idle / 1000) + 10} s.\n`);
      const report = await diagnose(url, { ...options, key: options.key ?? env.MILLRACE_API_KEY });
      if (json) console.log(JSON.stringify(report, null, 2));
      else printReport(report);
      if (!report.ok) process.exitCode = 1;
    });
}

/** Never rejects for what it meets on the network: that is a finding. */
export async function diagnose(url: URL, options: DoctorOptions): Promise<Report> {
  const [through, direct] = await Promise.all([
    examine(url, options),
    options.direct ? examine(options.direct, options) : undefined,
  ]);
  const proxies = [...new Set([...(options.proxy ? [options.proxy] : []), ...through.proxies])];
  const withoutProxy = new Set(direct?.results.map(({ finding }) => finding));
  const results = through.results.map((result): Finding => {
    const { finding } = result;
    if (finding === undefined) return result;
    return { ...result, fix: fixOf(result, proxies), ...(withoutProxy.has(finding) && { direct: true }) };
  });
  return { url: url.href, ok: !results.some(({ status }) => status === 'fail'), proxies, results };
}

/** One look after the other: at once they would disturb each other's times. */
async function examine(url: URL, options: DoctorOptions): Promise<{ proxies: ProxyName[]; results: Result[] }> {
  const { results, site, facts } = await connect(url, options);
  if (!site) return { proxies: [], results };
  const wires = site.wire.version === '2' ? [overHttp1(url), site.wire] : [site.wire];
  const streams = ['buffering', 'compression', 'headers'] as const;
  const asked = (...of: Check[]) => (options.only ? of.some((check) => options.only!.includes(check)) : true);
  const slow = (check: Check, look: () => Promise<Result[]>) =>
    options.quick ? [skip(check, 'left out by --quick')] : look();
  try {
    if (asked(...streams)) results.push(...(await examineStream(site, options.origin)));
    if (asked('leaving')) results.push(...(await examineLeaving(site)));
    if (asked('resume')) results.push(...(await examineResume(site)));
    if (asked('body')) results.push(...(await examineBody(site)));
    if (asked('parallel')) results.push(...(await slow('parallel', () => examineParallel(site, wires))));
    if (asked('silence')) results.push(...(await slow('silence', () => examineSilence(site, options.idle, facts))));
    return { proxies: site.proxies(), results };
  } finally {
    site.wire.close();
  }
}

function fixOf({ finding, millrace }: Result, proxies: ProxyName[]): Record<string, string> {
  const { fix } = FINDINGS[finding!];
  const known = proxies.flatMap((proxy) => (fix[proxy] === undefined ? [] : [[proxy, fix[proxy]]]));
  const own = millrace ?? fix.millrace;
  return {
    ...(known.length > 0 ? Object.fromEntries(known) : { any: fix.any }),
    ...(own !== undefined && { millrace: own }),
  };
}

function address(text: string): URL {
  const url = URL.parse(/^https?:\/\//.test(text) ? text : `https://${text}`);
  if (!url) throw new InvalidArgumentError('expected an address like https://chat.example.com');
  return url;
}

function duration(text: string): number {
  const ms = parseDuration(text);
  if (!ms) throw new InvalidArgumentError('expected a duration like 65s');
  return ms;
}

function checks(text: string): Check[] {
  const wrong = text.split(',').find((check) => !CHECKS.some((known) => known === check));
  if (wrong !== undefined)
    throw new InvalidArgumentError(`there is no "${wrong}"; expected some of ${CHECKS.join(', ')}`);
  return text.split(',') as Check[];
}
