// A process for the ledger's tests: opens the ledger of argv[2], starts and notes the row argv[3], says so, and waits to be killed.
// With argv[3] absent it only opens the ledger and shuts it down.
import { openLedger } from '../../src/stores/open.ts';
import { opening } from './rows.ts';

const [, , url, id] = process.argv;
const ledger = await openLedger(url!);
if (id) {
  await ledger.open(opening({ id, started_at: 1_000 }));
  await ledger.open(opening({ id: `${id}-silent`, started_at: 2_000 }));
  await ledger.note([{ id, input_tokens: 11, output_tokens: 22, cost_usd: 0.033 }]);
  process.stdout.write('ready\n');
  setInterval(() => {}, 1_000);
} else {
  await ledger.shutdown();
  process.stdout.write('done\n');
}
