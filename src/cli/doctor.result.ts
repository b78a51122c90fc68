// What a look of the doctor's comes to: a line per check. Knows the table of what can be wrong; no network.
import { type Check, FINDINGS, type FindingId } from './doctor.findings.ts';

export interface Result {
  check: Check;
  status: 'ok' | 'warn' | 'fail' | 'skip';
  finding?: FindingId;
  /** A line for people: what was seen. */
  measured: string;
  /** What helps from Millrace's side, where it depends on what was measured. */
  millrace?: string;
}

export const ok = (check: Check, measured: string): Result => ({ check, status: 'ok', measured });
export const skip = (check: Check, measured: string): Result => ({ check, status: 'skip', measured });

export function found(finding: FindingId, measured: string, millrace?: string): Result {
  const { check, status } = FINDINGS[finding];
  return { check, status, finding, measured, ...(millrace !== undefined && { millrace }) };
}
