// SPDX-License-Identifier: BSD-3-Clause
/**
 * What goes over the launcher's two file descriptors: the plan (strings, each ended by NUL; launcher/plan.c reads it)
 * and the status records that come back (launcher/status.c writes them).
 */
import { ContainerError } from '../support/errors.ts';
import type { IExecution, IPlannedStep, Step } from './steps.ts';

/** The launcher refuses more (launcher/plan.c: MAX_PLAN_BYTES). */
export const MAX_PLAN_BYTES = 16 << 20;

/** One record of the status stream. */
export type StatusRecord =
  | { readonly kind: 'note' | 'failed'; readonly index: number; readonly errno: string; readonly text: string }
  | {
      readonly kind: 'exec';
      readonly errno: string;
      /** Set when the file exists but the interpreter that it names does not ('' when it cannot be told). */
      readonly interpreter?: string;
    };

const list = (items: readonly string[]): string[] => [String(items.length), ...items];
const flag = (value: boolean | undefined): string => (value ? '1' : '0');

/** Operands of a step in the order of the table in launcher/steps.c. */
function operands(step: Step): readonly string[] {
  switch (step.op) {
    case 'unshare':
      return [...list(step.namespaces), step.uidMap ?? '', step.gidMap ?? '', ...list(step.mapHelpers ?? [])];
    case 'private':
    case 'pivot':
    case 'unstage':
    case 'no-new-privileges':
    case 'fake-root':
      return [];
    case 'account':
      return [String(step.uid), String(step.gid), ...list(step.groups.map(String))];
    case 'stage':
      return [step.stage, String(step.sizeBytes)];
    case 'squashfs':
      return [step.image, String(step.offset), String(step.size), step.mountpoint];
    case 'ext3':
      return [step.image, String(step.offset), String(step.size), step.mountpoint, flag(step.readOnly)];
    case 'fuse':
      return [step.program, step.options, step.source, step.mountpoint, ...list(step.wishes)];
    case 'overlay':
      return [...list(step.lower), step.upper ?? '', step.work ?? '', flag(step.userxattr)];
    case 'mkdir':
      return [step.path, String(step.mode)];
    case 'file':
    case 'write':
      return [step.path, String(step.mode), step.content];
    case 'take':
      return [step.source, step.path];
    case 'device':
      return [step.path, ...[step.mode, step.major, step.minor].map(String)];
    case 'own':
      return [step.path, String(step.uid), String(step.gid)];
    case 'symlink':
      return [step.path, step.target];
    case 'bind':
      return [step.source, step.target, ...list(step.flags), flag(step.optional)];
    case 'tmpfs':
      return [step.target, step.options, ...list(step.flags)];
    case 'procfs':
      return [step.target];
    case 'remount':
      return [step.target, ...list(step.flags)];
    case 'chroot':
      return [step.root];
    case 'ledger':
    case 'tree':
      return [step.directory];
    case 'entry':
      return [step.kind, step.name, step.target ?? ''];
    case 'place':
      return [step.name, step.from];
    case 'hide':
      return [step.name, step.kind];
    case 'hostname':
      return [step.name];
    case 'umask':
      return [String(step.mask)];
    case 'drop-capabilities':
      return list(step.numbers.map(String));
    case 'without-system-calls':
      return list(step.names);
    case 'chdir':
      return list(step.candidates);
    case 'hold':
      return [flag(step.command)];
    case 'join':
      return [String(step.pid), ...list(step.namespaces)];
  }
}

/**
 * The strings of a plan, in the order in which the launcher reads them. Throws a ContainerError `usage` for a string
 * with a NUL (no path, argument or variable of Linux can hold one) and for an empty argv.
 */
export function planStrings(steps: readonly IPlannedStep[], execution: IExecution): string[] {
  const strings: string[] = [];
  for (const { step } of steps) {
    strings.push(step.op, ...operands(step));
  }
  const environment = Object.entries(execution.environment).map(([name, value]) => `${name}=${value}`);
  strings.push('environment', ...list(environment), 'argv', ...list(execution.argv), 'end');
  const bad = strings.find(text => text.includes('\0'));
  if (bad !== undefined || execution.argv.length === 0) {
    throw new ContainerError({
      code: 'usage',
      step: 'launch',
      message: bad === undefined ? 'there is no command to run' : 'a path, argument or variable holds a NUL character',
      ...(bad !== undefined && { reason: JSON.stringify(bad.slice(0, 80)) })
    });
  }
  return strings;
}

/** The plan as the launcher reads it. Throws what planStrings throws, and for more than MAX_PLAN_BYTES. */
export function encodePlan(steps: readonly IPlannedStep[], execution: IExecution): Buffer {
  const plan = Buffer.from(`${planStrings(steps, execution).join('\0')}\0`);
  if (plan.length > MAX_PLAN_BYTES) {
    throw new ContainerError({
      code: 'usage',
      step: 'launch',
      errno: 'E2BIG',
      message: 'the arguments, environment and files of this run are too large together',
      fix: 'Pass large values as files'
    });
  }
  return plan;
}

/** Parses one record (without its NUL); undefined for anything that the launcher does not write. */
export function decodeStatus(record: string): StatusRecord | undefined {
  const step = /^(note|failed) (\d{1,9}) (E\w*) ([\s\S]*)$/.exec(record);
  if (step) {
    const [, kind, index, errno, text] = step as unknown as [string, 'note' | 'failed', string, string, string];
    return { kind, index: Number(index), errno, text };
  }
  const exec = /^exec (E\w*)(?: interpreter ([\s\S]*))?$/.exec(record);
  if (exec?.[1]) {
    return { kind: 'exec', errno: exec[1], ...(exec[2] !== undefined && { interpreter: exec[2] }) };
  }
  return undefined;
}

/** Cuts a stream of bytes into status records; what the launcher did not write becomes a `failed` of EPROTO. */
export class StatusDecoder {
  #rest = Buffer.alloc(0);
  readonly #onRecord: (record: StatusRecord) => void;

  constructor(onRecord: (record: StatusRecord) => void) {
    this.#onRecord = onRecord;
  }

  write(chunk: Buffer): void {
    let data = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    for (let end = data.indexOf(0); end >= 0; end = data.indexOf(0)) {
      this.#emit(data.subarray(0, end).toString());
      data = data.subarray(end + 1);
    }
    this.#rest = Buffer.from(data);
  }

  /** To be called at the end of the stream: half a record is not lost silently. */
  end(): void {
    if (this.#rest.length > 0) {
      this.#emit(this.#rest.toString());
      this.#rest = Buffer.alloc(0);
    }
  }

  #emit(record: string): void {
    this.#onRecord(
      decodeStatus(record) ?? { kind: 'failed', index: 0, errno: 'EPROTO', text: `unexpected: ${record.slice(0, 200)}` }
    );
  }
}
