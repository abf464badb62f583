// SPDX-License-Identifier: BSD-3-Clause
/**
 * A program on a pseudoterminal. Of node-pty only the native part is used: its JavaScript closes the terminal 200 ms
 * after the program's end, which loses output when reading is paused, and spins while the program does not read.
 */
import { readdirSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { ReadStream } from 'node:tty';
import { ContainerError, errnoOf } from '../support/errors.ts';

/** What pty.node of node-pty 1.2.0-beta.15 exports on Linux. */
interface INative {
  fork(
    file: string,
    args: readonly string[],
    env: readonly string[],
    cwd: string,
    cols: number,
    rows: number,
    uid: number,
    gid: number,
    utf8: boolean,
    helper: string,
    onExit: (code: number, signal: number) => void
  ): { readonly fd: number; readonly pid: number };
  resize(fd: number, cols: number, rows: number, width: number, height: number): void;
}

export interface IPtyOptions {
  /** The program and its arguments. */
  readonly words: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cols: number;
  readonly rows: number;
  /** `bytes` is used again after the call: copy what is kept. */
  onData(bytes: Uint8Array): void;
  /** Once, after the last data. A signal's number is added to 128. */
  onEnd(status: number): void;
}

export interface IPty {
  /** Also the process group of the program. */
  readonly pid: number;
  /** Never blocks; what the program does not take yet waits. */
  write(bytes: Uint8Array): void;
  /** Bytes that wait. */
  readonly unwritten: number;
  /** Settles when none waits any more. */
  drained(): Promise<void>;
  /** Forgets what waits. */
  forget(): void;
  /** Reading stops, so that the program is held back by the kernel after some kilobytes. */
  pause(): void;
  resume(): void;
  resize(cols: number, rows: number): void;
  /** To the whole process group. */
  signal(signal: NodeJS.Signals): void;
}

/** Milliseconds. */
const WRITE_AGAIN = 5;
/** What is read after the program's end, when something else still holds the terminal. */
const LAST_WORDS = 250;
/** What Linux gives at a time. With a larger buffer libuv takes every read for the last and polls in between. */
const READ = 4095;

const masters = new Set<number>();
let native: INative | undefined;

/**
 * Starts a program on a terminal of its own.
 * @throws ContainerError `unsupported` where node-pty has no binary for this machine
 */
export function openPty(options: IPtyOptions): IPty {
  native ??= loadNative();
  const [program = '', ...args] = options.words;
  const env = Object.entries(options.env).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`]));
  const { fork, resize } = native;
  const exit: { handle?: (status: number) => void } = {};
  const { fd, pid } = fork(program, args, env, options.cwd, options.cols, options.rows, -1, -1, true, '', (code, sig) =>
    exit.handle?.(sig > 0 ? 128 + sig : code)
  );
  masters.add(fd);
  let lastData = performance.now();
  // One buffer for all reads: a flood would otherwise leave garbage of as much as is read.
  const onread = {
    buffer: Buffer.allocUnsafeSlow(READ),
    callback: (length: number, buffer: Uint8Array): boolean => {
      lastData = performance.now();
      options.onData(buffer.subarray(0, length));
      return true;
    }
  };
  const stream = new ReadStream(fd, { onread } as ConstructorParameters<typeof ReadStream>[1]);
  let open = true;
  let status: number | undefined;
  const finish = (): void => {
    if (!open && status !== undefined) {
      options.onEnd(status);
    }
  };
  // EIO is how Linux says that nobody holds the terminal any more.
  stream.on('error', () => undefined);
  stream.once('close', () => {
    open = false;
    masters.delete(fd);
    queue.length = 0;
    drained();
    finish();
  });
  exit.handle = code => {
    status = code;
    const end = (): void => {
      if (performance.now() - lastData >= LAST_WORDS) {
        stream.destroy();
      } else if (open) {
        setTimeout(end, LAST_WORDS);
      }
    };
    // At most what the kernel has kept, some kilobytes: not worth holding back.
    lastData = performance.now();
    stream.resume();
    if (open) {
      setTimeout(end, LAST_WORDS);
    } else {
      finish();
    }
  };

  const queue: Uint8Array[] = [];
  let waiting = false;
  let onDrained: (() => void)[] = [];
  const drained = (): void => {
    onDrained.forEach(settle => settle());
    onDrained = [];
  };
  const pump = (): void => {
    waiting = false;
    while (open && queue[0]) {
      const [first] = queue;
      let written = 0;
      try {
        written = writeSync(fd, first);
      } catch (error) {
        if (errnoOf(error) !== 'EAGAIN') {
          queue.length = 0;
          break;
        }
      }
      if (written < first.length) {
        queue[0] = first.subarray(written);
        waiting = true;
        setTimeout(pump, WRITE_AGAIN);
        return;
      }
      queue.shift();
    }
    drained();
  };

  stream.resume();
  return {
    pid,
    write: bytes => {
      if (open) {
        queue.push(bytes);
        if (!waiting) {
          pump();
        }
      }
    },
    get unwritten() {
      return queue.reduce((sum, bytes) => sum + bytes.length, 0);
    },
    drained: () => new Promise(resolve => (queue.length === 0 ? resolve() : onDrained.push(resolve))),
    forget: () => {
      queue.length = 0;
      drained();
    },
    pause: () => {
      if (status === undefined) {
        stream.pause();
      }
    },
    resume: () => void stream.resume(),
    resize: (cols, rows) => {
      if (open) {
        resize(fd, cols, rows, 0, 0);
      }
    },
    signal: signal => {
      try {
        process.kill(-pid, signal);
      } catch {
        // It has ended.
      }
    }
  };
}

/**
 * `stdio` for a child that must not inherit the terminals: node-pty does not mark them close-on-exec, and a shell is
 * only hung up with the daemon when nobody else holds its terminal. Each is covered by the descriptor `cover`.
 */
export function coverTerminals<T>(stdio: readonly T[], cover: number): (T | number | 'ignore')[] {
  const covered: (T | number | 'ignore')[] = [...stdio];
  for (const fd of masters) {
    while (covered.length <= fd) {
      covered.push('ignore');
    }
    covered[fd] = cover;
  }
  return covered;
}

/** Beside the bundle, or in the package when run from the sources. */
function loadNative(): INative {
  const require = createRequire(import.meta.url);
  const file = `prebuilds/${process.platform}-${process.arch}/pty.node`;
  let cause: unknown;
  for (const path of [`./${file}`, `node-pty/${file}`]) {
    try {
      return require(path) as INative;
    } catch (error) {
      // The one that is there and does not load says more than the one that is not.
      cause = cause === undefined || errnoOf(error) !== 'MODULE_NOT_FOUND' ? error : cause;
    }
  }
  const musl = readdirSync('/lib').some(name => name.startsWith('ld-musl'));
  throw new ContainerError({
    code: 'unsupported',
    step: 'daemon',
    message: `this installation cannot open terminals on ${process.platform}-${process.arch}`,
    reason: musl
      ? 'node-pty has no binary for musl (Alpine Linux)'
      : ((cause instanceof Error ? cause.message : String(cause)).split('\n')[0] ?? ''),
    fix: 'Run nbcontainer shell in a terminal of your own',
    cause
  });
}
