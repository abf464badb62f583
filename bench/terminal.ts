// SPDX-License-Identifier: BSD-3-Clause
/**
 * `node bench/terminal.ts`: shells of the daemon against terminado in jupyter_server, same machine, same minutes: how
 * fast bulk output comes, how memory grows while a window is stuck, how soon Ctrl-C ends a flood. Ours is measured
 * twice: on the daemon's socket, and through the Jupyter server as a browser gets it. Needs .venv (npm start).
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeBusyboxTree } from '../lib-runtime/engines/test-support.ts';
import { REPOSITORY } from '../platforms/build.ts';
import { makeWorkplace } from '../tests/support/cli.ts';
import { median } from './ratios.ts';
import { type ITerminal, openOurs, openTerminado } from './terminal-clients.ts';
import { startJupyter } from './terminal-server.ts';

const BULK = 64 << 20;
const LINE = `${'0123456789'.repeat(8)}\n`;
const ROUNDS = 3;
const INTERRUPTS = 10;
/** What a browser draws, bytes a second (xterm.js: 5 to 35 MB/s). */
const DRAWN = 10e6;
/** Seconds. */
const WARM_UP = 3;
const STALL = 8;
const SETTLE = 1;

type Open = () => Promise<ITerminal>;

interface IMeasured {
  readonly name: string;
  readonly bulk: number[];
  /** Processor seconds of daemon and server for 100 MB: does not depend on what else runs. */
  readonly effort: number[];
  frames: number;
  growth: number;
  readonly interrupts: number[];
}

async function main(): Promise<void> {
  const place = await makeWorkplace('/tmp');
  const file = join(place.directory, 'bulk.txt');
  writeFileSync(file, LINE.repeat(BULK / LINE.length));
  const tree = makeBusyboxTree(join(place.directory, 'tree'));
  const bundle = join(REPOSITORY, 'nbcontainer', 'runtime', 'nbcontainer.cjs');
  const cli = existsSync(bundle) ? bundle : join(REPOSITORY, 'lib-runtime', 'cli', 'main.ts');
  const jupyter = await startJupyter(place.directory, [process.execPath, cli]);
  try {
    // In a container of ours the output comes from busybox; for terminado from the same program on the host.
    const busybox = join(tree, 'bin', 'busybox');
    const ours = { image: tree, command: ['sh'], options: { binds: [place.directory] } };
    const sides: [string, Open, () => number[]][] = [
      ['nbcontainer, daemon', () => openOurs(jupyter.direct, ours), () => [jupyter.daemonPid()]],
      [
        'nbcontainer, through Jupyter',
        () => openOurs(jupyter.through, ours),
        () => [jupyter.daemonPid(), jupyter.serverPid]
      ],
      ['terminado', () => openTerminado(jupyter, [busybox, 'sh']), () => [jupyter.serverPid]]
    ];
    const measured: IMeasured[] = sides.map(([name]) => ({
      name,
      bulk: [],
      effort: [],
      frames: 0,
      growth: 0,
      interrupts: []
    }));
    // Round 0 does not count: code that ran once is compiled.
    for (let round = 0; round <= ROUNDS; round += 1) {
      for (const [at, [, open, pids]] of sides.entries()) {
        const { seconds, frames, bytes, effort } = await bulk(open, file, pids);
        if (round === 0) {
          continue;
        }
        measured[at]?.bulk.push(bytes / seconds / 1e6);
        measured[at]?.effort.push((effort / bytes) * 1e8);
        Object.assign(measured[at] ?? {}, { frames });
      }
    }
    for (const [at, [, open]] of sides.entries()) {
      for (let count = 0; count < INTERRUPTS; count += 1) {
        measured[at]?.interrupts.push(await interrupt(open));
      }
    }
    // Last, for the server keeps what terminado has made it take.
    for (const [at, [, open, pids]] of sides.entries()) {
      Object.assign(measured[at] ?? {}, { growth: await stall(open, pids) });
    }
    report(measured);
  } finally {
    await jupyter.stop();
    await place.dispose();
  }
}

interface IBulk {
  readonly seconds: number;
  readonly frames: number;
  readonly bytes: number;
  readonly effort: number;
}

/** `cat` of a file to its end, with a window that draws at once. */
async function bulk(open: Open, file: string, pids: () => number[]): Promise<IBulk> {
  const terminal = await open();
  await ready(terminal);
  const effort = (): number => pids().reduce((sum, pid) => sum + processorSeconds(pid), 0);
  const before = { bytes: terminal.bytes, frames: terminal.frames, effort: effort() };
  const start = performance.now();
  terminal.type(`cat ${file}; echo e''nd\n`);
  await terminal.seen('\nend\r\n');
  const seconds = (performance.now() - start) / 1000;
  const result = {
    seconds,
    frames: terminal.frames - before.frames,
    bytes: terminal.bytes - before.bytes,
    effort: effort() - before.effort
  };
  await terminal.close();
  return result;
}

/** Milliseconds from Ctrl-C until the last of a flood is drawn, in a window that draws as a browser does. */
async function interrupt(open: Open): Promise<number> {
  const terminal = await open();
  await ready(terminal);
  terminal.speed = DRAWN;
  terminal.type('yes\n');
  await sleep(1_000);
  const start = performance.now();
  terminal.type('\x03');
  await terminal.quiet(500);
  const elapsed = terminal.drawnAt - start;
  await terminal.close();
  return elapsed;
}

/** User and system time; proc_pid_stat(5) counts hundredths of a second. */
function processorSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** 0 for a process that has ended. */
function residentMegabytes(pid: number): number {
  try {
    return Number(/^VmRSS:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

/** Megabytes by which the processes grow while a window takes nothing from a flood. */
async function stall(open: Open, pids: () => number[]): Promise<number> {
  const terminal = await open();
  await ready(terminal);
  terminal.type('yes 0123456789012345678901234567890123456789012345678901234567890123456789\n');
  await sleep(WARM_UP * 1000);
  const size = (): number => pids().reduce((sum, pid) => sum + residentMegabytes(pid), 0);
  const before = size();
  terminal.stall();
  let most = before;
  const end = performance.now() + STALL * 1000;
  while (performance.now() < end) {
    await sleep(100);
    most = Math.max(most, size());
  }
  await terminal.close();
  return most - before;
}

async function ready(terminal: ITerminal): Promise<void> {
  terminal.type("echo re''ady\n");
  await terminal.seen('ready\r\n');
  await sleep(SETTLE * 1000);
}

function report(measured: readonly IMeasured[]): void {
  const theirs = measured.at(-1);
  const rows = measured.map(({ name, bulk, effort, frames, growth, interrupts }) => {
    const speed = median(bulk);
    const ratio = theirs ? speed / median(theirs.bulk) : Number.NaN;
    const milliseconds = median(interrupts);
    const work = median(effort).toFixed(2);
    return [name, speed.toFixed(1), `${ratio.toFixed(2)}x`, work, frames, growth.toFixed(1), milliseconds.toFixed(0)];
  });
  const head = [
    '',
    'MB/s',
    'of terminado',
    'processor s / 100 MB',
    'frames',
    `MB grown in ${STALL} s`,
    'ms to end `yes`'
  ];
  console.log([head, head.map(() => '---'), ...rows].map(row => `| ${row.join(' | ')} |`).join('\n'));
  console.log('\ngoals: >= 1.6x; <= 4 MB; <= 100 ms (medians)');
}

await main();
